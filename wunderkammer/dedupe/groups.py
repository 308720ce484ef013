"""Which of many near-alike pictures to keep.

Pictures are ranked: the largest source window first, then the sharpest, the least compressed, those
that a person has approved, then by the crop's hash and label, so that neither an order of rows nor
a name decides what is kept. From the best down, a picture that no kept one has dropped is kept and
drops every picture near it. So no two kept ones are near each other, and what is dropped is near a
kept one itself, never only near a dropped neighbour of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.dedupe.leaders import VERIFIED, Leaders, Links, choose
from wunderkammer.dedupe.params import PhashParams
from wunderkammer.dedupe.search import PairSearch, pairs_within

# Content first: the data version of the crops covers no names. Rows that only the last two tell
# apart are one picture with one label, whichever stays.
TIE_BREAK = ("crop_sha256", "label", "sha256", "id")
APPROVED = ("accepted", "corrected")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Findings:
    """What a closer look at P pairs of rows says: how alike they are, and whether they are one."""

    pairs: Ints
    likeness: npt.NDArray[np.float64]
    is_same: npt.NDArray[np.bool_]
    way: int

    @classmethod
    def none(cls) -> "Findings":
        """No pairs."""
        return cls(np.empty((0, 2), np.int64), np.empty(0), np.empty(0, bool), VERIFIED)


# Takes crops from the best to the worst, rows that are new, and rows that it has seen before; finds
# pairs of two new ones, and of a new one and one seen.
CloserLook = Callable[[pa.Table, Ints, Ints], Sequence[Findings]]


@dataclass(frozen=True)
class Duplicates:
    """For each row: the kept row that it duplicates (-1 if it is kept), and how that is known.

    `distances` are the differing bits of the pHashes, `found_by` numbers of `leaders.WAYS`,
    `likeness` what a closer look says; -1 and NaN where there is none. `is_exact` tells the
    duplicates whose crop has the same bytes. `alike` are the findings about pairs of rows.
    """

    duplicate_of: Ints
    distances: Ints
    is_exact: npt.NDArray[np.bool_]
    found_by: Ints
    likeness: npt.NDArray[np.float64]
    alike: tuple[Findings, ...]

    @property
    def is_kept(self) -> npt.NDArray[np.bool_]:
        """Whether the row stays."""
        return self.duplicate_of < 0


def find_duplicates(
    crops: pa.Table,
    *,
    params: PhashParams,
    look: CloserLook | None = None,
    search: PairSearch = pairs_within,
) -> Duplicates:
    """Decide over rows of the crops manifest (`wunderkammer.manifests.CROPS`).

    Without `look` only hashes and groups count; `search` is asked for near hashes.

    Raises:
        ValueError: a row has no hash of its content, or no perceptual hash.
    """
    _check_hashes(crops, params=params)
    ranking = rank(crops)
    ranked = crops.take(ranking)
    leaders, found = _chosen(ranked, params=params, look=look, search=search)
    dropped = np.flatnonzero(leaders.leader >= 0)
    kept = leaders.leader[dropped]
    hashes = ranked["phash"].to_numpy().copy()
    contents = pc.dictionary_encode(ranked["crop_sha256"].combine_chunks()).indices.to_numpy()

    def by_row(values: npt.NDArray[Any], nothing: float, dtype: type) -> npt.NDArray[Any]:
        spread = np.full(crops.num_rows, nothing, dtype)
        spread[ranking[dropped]] = values
        return spread

    return Duplicates(
        duplicate_of=by_row(ranking[kept], -1, np.int64),
        distances=by_row(np.bitwise_count(hashes[dropped] ^ hashes[kept]), -1, np.int64),
        is_exact=by_row(contents[dropped] == contents[kept], False, bool),
        found_by=by_row(leaders.way[dropped], -1, np.int64),
        likeness=by_row(_likeness_of(leaders, found)[dropped], np.nan, np.float64),
        alike=tuple(
            Findings(ranking[one.pairs], one.likeness, one.is_same, one.way) for one in found
        ),
    )


def _check_hashes(crops: pa.Table, *, params: PhashParams) -> None:
    needed = ("crop_sha256", "phash", *(["dhash"] if params.max_dhash_distance is not None else []))
    for column in needed:
        if crops[column].null_count:
            raise ValueError(
                f"{crops[column].null_count} of {crops.num_rows} crops have no {column}; "
                f"build filtered_crops again"
            )


def rank(crops: pa.Table) -> Ints:
    """The rows from the best to keep to the worst; equal rows stay as they are."""
    width = pc.subtract(crops["box_x1"], crops["box_x0"]).cast(pa.int64())
    height = pc.subtract(crops["box_y1"], crops["box_y0"]).cast(pa.int64())
    area_px = pc.multiply(
        crops["source_width"].cast(pa.float64()), crops["source_height"].cast(pa.float64())
    )
    is_approved = pa.nulls(crops.num_rows, pa.bool_())
    if "review" in crops.column_names:
        is_approved = pc.is_in(crops["review"], value_set=pa.array(APPROVED))
    keys = pa.table(
        {
            "window_px": pc.multiply(width, height),
            "sharpness": crops["sharpness"],
            "bytes_a_px": pc.divide(crops["num_bytes"].cast(pa.float64()), area_px),
            "is_approved": is_approved.cast(pa.int8()),
            **{name: crops[name] for name in TIE_BREAK},
        }
    )
    best = ("window_px", "sharpness", "bytes_a_px", "is_approved")
    descending = [(name, "descending") for name in best]
    ascending = [(name, "ascending") for name in TIE_BREAK]
    order: npt.NDArray[np.uint64] = pc.sort_indices(keys, descending + ascending).to_numpy()
    return order.astype(np.int64)


def _chosen(
    ranked: pa.Table, *, params: PhashParams, look: CloserLook | None, search: PairSearch
) -> tuple[Leaders, list[Findings]]:
    """Choose; look closer at what is kept, and at what has lost its leader by that; choose anew."""
    num = ranked.num_rows
    hashes = ranked["phash"].to_numpy().copy()
    classes_N, class_links = _classes(ranked, params=params, search=search)
    groups = pc.dictionary_encode(ranked["group"].combine_chunks()).indices
    limit = -1 if params.max_group_distance is None else params.max_group_distance
    found: list[Findings] = []
    seen_N = np.zeros(num, bool)
    before_N = np.full(num, -1, np.int64)
    while True:
        leaders = choose(
            classes_N=classes_N,
            class_links=class_links,
            findings=_links(found, num=num),
            hashes_N=hashes,
            groups_N=groups.fill_null(-1).to_numpy().astype(np.int64),
            max_group_distance=limit,
        )
        is_orphan_N = (before_N >= 0) & (leaders.leader[before_N] >= 0)
        new_N = ((leaders.leader < 0) | is_orphan_N) & ~seen_N
        if look is None or not new_N.any():
            return leaders, found
        found += look(ranked, np.flatnonzero(new_N), np.flatnonzero(seen_N))
        seen_N |= new_N
        before_N = leaders.leader


def _links(found: Sequence[Findings], *, num: int) -> Links:
    """The pairs that are one picture."""
    pairs = [np.empty((0, 2), np.int64), *(one.pairs[one.is_same] for one in found)]
    ways = [np.full(int(one.is_same.sum()), one.way, np.int64) for one in found]
    ways_P = np.concatenate([np.empty(0, np.int64), *ways])
    return Links.of(np.concatenate(pairs), num=num, ways_P=ways_P)


def _likeness_of(leaders: Leaders, found: Sequence[Findings]) -> npt.NDArray[np.float64]:
    """What the way by which a duplicate was found says of it and the one that it follows."""
    likeness = np.full(len(leaders.leader), np.nan)
    for one in found:
        for pairs in (one.pairs, one.pairs[:, ::-1]):
            first, second = pairs.T
            is_it = (leaders.leader[first] == second) & (leaders.way[first] == one.way)
            likeness[first[is_it]] = one.likeness[is_it]
    return likeness


def _classes(ranked: pa.Table, *, params: PhashParams, search: PairSearch) -> tuple[Ints, Links]:
    """Pictures of equal hashes are one class, so that a thousand copies are no half million pairs.

    The class of each picture, and which classes are near each other.
    """
    hashes = ranked["phash"].to_numpy().copy()
    if params.max_dhash_distance is None:
        distinct, classes_N = np.unique(hashes, return_inverse=True)
        pairs_P2 = search(distinct, max_distance=params.max_distance).indices
        return classes_N.astype(np.int64), Links.of_classes(pairs_P2, num=len(distinct))
    both = np.stack([hashes, ranked["dhash"].to_numpy()], axis=1)
    distinct_C2, classes_N = np.unique(both, axis=0, return_inverse=True)
    firsts, seconds = np.ascontiguousarray(distinct_C2.T)
    pairs_P2 = pairs_within(firsts, max_distance=params.max_distance).indices
    bits_P = np.bitwise_count(seconds[pairs_P2[:, 0]] ^ seconds[pairs_P2[:, 1]])
    pairs_P2 = pairs_P2[bits_P <= params.max_dhash_distance]
    return classes_N.reshape(-1).astype(np.int64), Links.of_classes(pairs_P2, num=len(distinct_C2))
