"""Every pair of 64-bit hashes within a Hamming distance, exactly: multi-index hashing.

A hash is cut into four 16-bit chunks. By the pigeonhole principle, two hashes within r = 4q + s
bits (0 <= s < 4) agree within q bits in one of the first s + 1 chunks, or within q - 1 bits in one
of the others. So each chunk is a table of buckets in which only near buckets are compared
(Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space With Multi-Index Hashing", 2014).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from wunderkammer.dedupe.kernels import kernels

NUM_CHUNKS = 4
CHUNK_BITS = 16
NUM_BUCKETS = 1 << CHUNK_BITS
MAX_DISTANCE = 64


@dataclass(frozen=True)
class Pairs:
    """Pairs of near hashes, sorted: `indices` int64 [P, 2] with i < j, `distances` uint8 [P]."""

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.uint8]


def pairs_within(hashes: np.ndarray, *, max_distance: int) -> Pairs:
    """All pairs of `hashes` (uint64 [N]) that differ in at most `max_distance` bits; none missed.

    The answer may be long: a hash that occurs m times makes m * (m - 1) / 2 pairs with itself.

    Raises:
        ValueError: wrong type or shape, or a distance outside 0 to 64.
    """
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise ValueError(
            f"hashes are {hashes.dtype} of shape {hashes.shape}; allowed: uint64 in one dimension"
        )
    if not 0 <= max_distance <= MAX_DISTANCE:
        raise ValueError(f"max_distance={max_distance} is not allowed: 0 to {MAX_DISTANCE}")
    quotient, rest = divmod(max_distance, NUM_CHUNKS)
    limits = [quotient if chunk <= rest else quotient - 1 for chunk in range(NUM_CHUNKS)]
    found = [
        _new_pairs(hashes, chunk=chunk, limits=limits, max_distance=max_distance)
        for chunk in range(NUM_CHUNKS)
        if limits[chunk] >= 0
    ]
    indices_P2 = np.concatenate(found)
    indices_P2 = indices_P2[np.lexsort((indices_P2[:, 1], indices_P2[:, 0]))]
    return Pairs(indices_P2, np.bitwise_count(_differences(hashes, indices_P2)))


def _new_pairs(
    hashes: npt.NDArray[np.uint64], *, chunk: int, limits: list[int], max_distance: int
) -> npt.NDArray[np.int64]:
    """The pairs that this chunk can find and none before it."""
    buckets = _chunk(hashes, chunk)
    order = np.argsort(buckets, kind="stable")
    sizes = np.bincount(buckets, minlength=NUM_BUCKETS)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    values = np.arange(NUM_BUCKETS)
    masks = values[np.bitwise_count(values) <= limits[chunk]]
    compare = partial(
        kernels().compare_buckets, hashes[order], order, starts, np.flatnonzero(sizes), masks
    )
    indices_P2 = np.empty((len(hashes) + 1024, 2), np.int64)
    num_pairs = compare(max_distance, indices_P2)
    if num_pairs > len(indices_P2):
        indices_P2 = np.empty((num_pairs, 2), np.int64)
        compare(max_distance, indices_P2)
    indices_P2 = indices_P2[:num_pairs]
    differences = _differences(hashes, indices_P2)
    is_new = np.ones(len(indices_P2), bool)
    for earlier in range(chunk):
        is_new &= np.bitwise_count(_chunk(differences, earlier)) > limits[earlier]
    return indices_P2[is_new]


def _differences(
    hashes: npt.NDArray[np.uint64], indices_P2: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    return hashes[indices_P2[:, 0]] ^ hashes[indices_P2[:, 1]]


def _chunk(values: npt.NDArray[np.uint64], chunk: int) -> npt.NDArray[np.uint16]:
    shifted = values >> np.uint64(CHUNK_BITS * chunk)
    return (shifted & np.uint64(NUM_BUCKETS - 1)).astype(np.uint16)
