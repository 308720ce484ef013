"""Which pictures a training sees early: the best by a measure, then more and more of them."""

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.crops.cuts import MEASURE
from wunderkammer.gan.params import CurriculumParams, MeasureCurriculum
from wunderkammer.manifests import kept

Ranks = npt.NDArray[np.int64]


def picture_ranks(manifest: pa.Table, curriculum: MeasureCurriculum) -> Ranks:
    """The rank of each picture of the shards, in their order; 0 is shown from the first step on.

    Equal values are ranked by the hash of the picture, so that ranks depend on content alone.

    Args:
        manifest: of `deduped_shards`.

    Raises:
        ValueError: the manifest has no such measure.
    """
    name = MEASURE + curriculum.measure
    if name not in manifest.column_names:
        known = [n.removeprefix(MEASURE) for n in manifest.column_names if n.startswith(MEASURE)]
        raise ValueError(
            f"train.curriculum.measure={curriculum.measure!r} is no measure of these pictures "
            f"(known: {', '.join(sorted(known)) or 'none; build deduped_shards again'})"
        )
    rows = kept(manifest).sort_by([("shard", "ascending"), ("row", "ascending")])
    sign = -1.0 if curriculum.best == "highest" else 1.0
    worth = pc.fill_null(pc.multiply(rows[name], sign), math.inf).to_numpy()
    order = np.lexsort((np.array(rows["image_sha256"].to_pylist(), "U64"), worth))
    ranks_N = np.empty(len(order), np.int64)
    ranks_N[order] = np.arange(len(order))
    return ranks_N


@dataclass(frozen=True)
class Growth:
    """Which share of the pictures may be shown after so many were."""

    first_share: float
    all_at_images: float

    @classmethod
    def of(cls, curriculum: CurriculumParams) -> "Growth":
        """What a recipe asks for."""
        if isinstance(curriculum, MeasureCurriculum):
            return cls(curriculum.first_share, 1000 * curriculum.all_at_kimg)
        return ALL_AT_ONCE

    def size(self, num: int, *, position: int) -> int:
        """How many of `num` pictures the round that begins at `position` shows."""
        progress = min(position / self.all_at_images, 1.0) if self.all_at_images else 1.0
        share = self.first_share + (1.0 - self.first_share) * progress
        return min(math.ceil(share * num), num)


ALL_AT_ONCE = Growth(1.0, 0.0)


class Seams:
    """Where the rounds of a training begin, each as long as `growth` says at its beginning."""

    def __init__(self, num: int, growth: Growth) -> None:
        self._num, self._growth = num, growth
        self._starts = [0]

    def find(self, position: int) -> tuple[int, int, int]:
        """The round that a position is in, its place there, and the round's length."""
        while self._starts[-1] <= position and self._size(self._starts[-1]) < self._num:
            self._starts.append(self._starts[-1] + self._size(self._starts[-1]))
        full = self._starts[-1]
        if position >= full:  # from here on all rounds are as long as the set
            number, place = divmod(position - full, self._num)
            return len(self._starts) - 1 + number, place, self._num
        number = bisect_right(self._starts, position) - 1
        start = self._starts[number]
        return number, position - start, self._size(start)

    def _size(self, start: int) -> int:
        return self._growth.size(self._num, position=start)
