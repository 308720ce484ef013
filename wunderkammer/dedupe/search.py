"""Every pair of 64-bit hashes within a Hamming distance, exactly: multi-index hashing.

A hash is cut into four 16-bit chunks. By the pigeonhole principle, two hashes within r = 4q + s
bits (0 <= s < 4) agree within q bits in one of the first s + 1 chunks, or within q - 1 bits in one
of the others. So each chunk is a table of buckets in which only near buckets are compared
(Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space With Multi-Index Hashing", 2014).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wunderkammer.dedupe.kernels import kernels

NUM_CHUNKS = 4
CHUNK_BITS = 16
NUM_BUCKETS = 1 << CHUNK_BITS
MAX_DISTANCE = 64
MAX_HASHES = 2**31 - 1
SPARE_ROWS = 1024

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of near hashes, sorted: `indices` int64 [P, 2] with i < j, `distances` uint8 [P]."""

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.uint8]


class PairSearch(Protocol):
    """`pairs_within` of distinct hashes, or what finds the same."""

    def __call__(self, hashes: Hashes, *, max_distance: int) -> Pairs:
        """All pairs that differ in at most `max_distance` bits."""


def pairs_within(hashes: Hashes, *, max_distance: int, num_known: int = 0) -> Pairs:
    """All pairs of `hashes` (uint64 [N]) that differ in at most `max_distance` bits; none missed.

    The answer may be long: a hash that occurs m times makes m * (m - 1) / 2 pairs with itself.

    Args:
        max_distance: in bits.
        num_known: pairs among so many of the first hashes are left out, and cost nothing.

    Raises:
        ValueError: wrong type or shape, or a number out of range.
    """
    _check(hashes, max_distance, num_known)
    quotient, rest = divmod(max_distance, NUM_CHUNKS)
    limits = [quotient if chunk <= rest else quotient - 1 for chunk in range(NUM_CHUNKS)]
    found = [
        _new_pairs(hashes, chunk, limits, max_distance=max_distance, num_known=num_known)
        for chunk in range(NUM_CHUNKS)
        if limits[chunk] >= 0
    ]
    indices_P2 = np.concatenate(found)
    indices_P2 = indices_P2[np.lexsort((indices_P2[:, 1], indices_P2[:, 0]))]
    return Pairs(indices_P2, np.bitwise_count(_differences(hashes, indices_P2)))


def _check(hashes: Hashes, max_distance: int, num_known: int) -> None:
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise ValueError(
            f"hashes are {hashes.dtype} of shape {hashes.shape}; allowed: uint64 in one dimension"
        )
    if len(hashes) > MAX_HASHES:
        raise ValueError(f"{len(hashes)} hashes are too many for one search: at most {MAX_HASHES}")
    if not 0 <= max_distance <= MAX_DISTANCE:
        raise ValueError(f"max_distance={max_distance} is not allowed: 0 to {MAX_DISTANCE}")
    if not 0 <= num_known <= len(hashes):
        raise ValueError(f"num_known={num_known} is not allowed: 0 to {len(hashes)}")


def _new_pairs(
    hashes: Hashes, chunk: int, limits: list[int], *, max_distance: int, num_known: int
) -> npt.NDArray[np.int64]:
    """The pairs that this chunk can find and none before it."""
    indices_P2 = _pairs_of_chunk(
        hashes, chunk, limits[chunk], max_distance=max_distance, num_known=num_known
    )
    differences = _differences(hashes, indices_P2)
    is_new = np.ones(len(indices_P2), bool)
    for earlier in range(chunk):
        is_new &= np.bitwise_count(_chunk(differences, earlier)) > limits[earlier]
    return indices_P2[is_new]


def _pairs_of_chunk(
    hashes: Hashes, chunk: int, limit: int, *, max_distance: int, num_known: int
) -> npt.NDArray[np.int64]:
    """The pairs whose bits differ in at most `limit` in this chunk."""
    shift = CHUNK_BITS * chunk
    by_bucket, ids, starts = _sorted(hashes, shift)
    buckets = np.arange(NUM_BUCKETS)
    masks = buckets[np.bitwise_count(buckets) <= limit]
    if not num_known:
        compare = partial(kernels().compare_buckets, by_bucket, ids, starts, masks, max_distance)
        return _collected(compare, num_steps=NUM_BUCKETS, num_rows=len(hashes) + SPARE_ROWS)
    new, new_ids, _ = _sorted(hashes[num_known:], shift)
    new_ids += num_known
    compare = partial(
        kernels().compare_new, by_bucket, ids, starts, new, new_ids, shift, masks, max_distance
    )
    return _collected(compare, num_steps=len(masks), num_rows=len(new) + SPARE_ROWS)


def _collected(
    compare: Callable[..., int], *, num_steps: int, num_rows: int
) -> npt.NDArray[np.int64]:
    """The pairs of all steps, through an array of `num_rows`, or of what one step needs."""
    pairs_P2 = np.empty((num_rows, 2), np.int64)
    state = np.zeros(2, np.int64)
    found: list[npt.NDArray[np.int64]] = []
    while state[0] < num_steps:
        num_pairs = compare(state, pairs_P2)
        if state[0] < num_steps or found:
            found.append(pairs_P2[:num_pairs].copy())
        if state[1] > len(pairs_P2):
            pairs_P2 = np.empty((state[1], 2), np.int64)
    return np.concatenate(found) if found else pairs_P2[:num_pairs]


def _sorted(
    hashes: Hashes, shift: int
) -> tuple[Hashes, npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The hashes bucket by bucket, where each stood, and where each bucket starts."""
    by_bucket, ids = np.empty_like(hashes), np.empty(len(hashes), np.int32)
    starts = np.empty(NUM_BUCKETS + 1, np.int64)
    # Arrow's columns can't be written to, and count as another type to the compiled loops.
    writable = np.require(hashes, requirements="W")
    kernels().sort_by_bucket(writable, shift, by_bucket, ids, starts)
    return by_bucket, ids, starts


def _differences(hashes: Hashes, indices_P2: npt.NDArray[np.int64]) -> Hashes:
    return hashes[indices_P2[:, 0]] ^ hashes[indices_P2[:, 1]]


def _chunk(values: Hashes, chunk: int) -> npt.NDArray[np.uint16]:
    shifted = values >> np.uint64(CHUNK_BITS * chunk)
    return (shifted & np.uint64(NUM_BUCKETS - 1)).astype(np.uint16)
