"""Which of many near-alike pictures to keep.

Pictures are ranked: the largest source window first, then the sharpest, then by the crop's hash and
label, so that neither an order of rows nor a name decides what is kept. From the best down, a
picture that no kept one has dropped is kept and drops every picture within the distance of it. So
no two kept ones are near each other, and what is dropped is near a kept one itself, never only near
a dropped neighbour of it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.dedupe.kernels import kernels
from wunderkammer.dedupe.search import pairs_within

# Content first: the data version of the crops covers no names. Rows that only the last two tell
# apart are one picture with one label, whichever stays.
TIE_BREAK = ("crop_sha256", "label", "sha256", "id")


@dataclass(frozen=True)
class Duplicates:
    """For each row: the kept row that it duplicates (-1 if it is kept) and their distance (or -1).

    `is_exact` tells the duplicates whose crop has the same bytes.
    """

    duplicate_of: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int64]
    is_exact: npt.NDArray[np.bool_]

    @property
    def is_kept(self) -> npt.NDArray[np.bool_]:
        """Whether the row stays."""
        return self.duplicate_of < 0


def find_duplicates(crops: pa.Table, *, max_distance: int) -> Duplicates:
    """Decide over rows of the crops manifest (`wunderkammer.manifests.CROPS`).

    Raises:
        ValueError: a row has no hash of its content or no perceptual hash.
    """
    for column in ("crop_sha256", "phash"):
        if crops[column].null_count:
            raise ValueError(
                f"{crops[column].null_count} of {crops.num_rows} crops have no {column}; "
                f"build filtered_crops again"
            )
    ranking = rank(crops)
    hashes = crops["phash"].to_numpy()[ranking]
    contents = pc.dictionary_encode(crops["crop_sha256"].combine_chunks()).indices.to_numpy()
    witnesses = _witnesses(hashes, max_distance=max_distance)
    is_dropped = witnesses >= 0
    dropped, kept = ranking[is_dropped], ranking[witnesses[is_dropped]]
    duplicate_of = np.full(crops.num_rows, -1, np.int64)
    duplicate_of[dropped] = kept
    distances = np.full(crops.num_rows, -1, np.int64)
    distances[dropped] = np.bitwise_count(hashes[is_dropped] ^ hashes[witnesses[is_dropped]])
    is_exact = np.zeros(crops.num_rows, bool)
    is_exact[dropped] = contents[dropped] == contents[kept]
    return Duplicates(duplicate_of, distances, is_exact)


def rank(crops: pa.Table) -> npt.NDArray[np.int64]:
    """The rows from the best to keep to the worst; equal rows stay as they are."""
    width = pc.subtract(crops["box_x1"], crops["box_x0"]).cast(pa.int64())
    height = pc.subtract(crops["box_y1"], crops["box_y0"]).cast(pa.int64())
    keys = pa.table(
        {
            "window_px": pc.multiply(width, height),
            "sharpness": crops["sharpness"],
            **{name: crops[name] for name in TIE_BREAK},
        }
    )
    descending = [("window_px", "descending"), ("sharpness", "descending")]
    ascending = [(name, "ascending") for name in TIE_BREAK]
    order: npt.NDArray[np.uint64] = pc.sort_indices(keys, descending + ascending).to_numpy()
    return order.astype(np.int64)


def _witnesses(hashes: npt.NDArray[np.uint64], *, max_distance: int) -> npt.NDArray[np.int64]:
    """For each of the ranked pictures the first kept one near it, or -1.

    Equal hashes have equal neighbours, so only the best of each takes part in the search: a
    thousand copies of a picture are one item and not half a million pairs.
    """
    _, best, member_of = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(best)
    best = best[order]
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    pairs = pairs_within(hashes[best], max_distance=max_distance)
    firsts = kernels().drop_neighbours(pairs.indices, len(best))
    leader_of = best[np.where(firsts < 0, np.arange(len(best)), firsts)]
    witnesses: npt.NDArray[np.int64] = leader_of[place[member_of]]
    return np.where(witnesses == np.arange(len(hashes)), -1, witnesses)
