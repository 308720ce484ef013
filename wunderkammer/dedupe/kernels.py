"""The loops of the duplicate search that numba compiles, on first use and once a machine.

Importing this module neither imports numba nor compiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wunderkammer.compiled import compiled


@dataclass(frozen=True)
class Kernels:
    """The compiled functions; their arguments are described where they are defined, below."""

    sort_by_bucket: Callable[..., Any]
    compare_buckets: Callable[..., Any]
    compare_new: Callable[..., Any]
    drop_neighbours: Callable[..., Any]


@cache
def kernels() -> Kernels:
    """Compile them, or load them from numba's cache where one can be kept."""
    sorting = "void(u8[::1], i8, u8[::1], i4[::1], i8[::1])"
    buckets = "i8(u8[::1], i4[::1], i8[::1], i8[::1], i8, i8[::1], i8[:, ::1])"
    new = "i8(u8[::1], i4[::1], i8[::1], u8[::1], i4[::1], i8, i8[::1], i8, i8[::1], i8[:, ::1])"
    neighbours = "i8[::1](i8[:, ::1], i8)"
    return Kernels(
        compiled(_sort_by_bucket, sorting),
        compiled(_compare_buckets, buckets),
        compiled(_compare_new, new),
        compiled(_drop_neighbours, neighbours),
    )


def _sort_by_bucket(hashes, shift, sorted_hashes, ids, starts):  # type: ignore[no-untyped-def]
    """Lay hashes and their ids out bucket by bucket: the 16 bits from bit `shift`, by counting.

    `starts` [65,537] takes where each bucket starts.
    """
    starts[:] = 0
    for i in range(len(hashes)):
        starts[(hashes[i] >> np.uint64(shift)) & np.uint64(0xFFFF)] += 1
    total = 0
    for bucket in range(len(starts)):
        size = starts[bucket]
        starts[bucket] = total
        total += size
    for i in range(len(hashes)):
        bucket = (hashes[i] >> np.uint64(shift)) & np.uint64(0xFFFF)
        sorted_hashes[starts[bucket]] = hashes[i]
        ids[starts[bucket]] = i
        starts[bucket] += 1
    # Each bucket has been filled up to where the next one starts.
    for bucket in range(len(starts) - 1, 0, -1):
        starts[bucket] = starts[bucket - 1]
    starts[0] = 0


def _compare_buckets(hashes, ids, starts, masks, max_distance, state, pairs):  # type: ignore[no-untyped-def]
    """Find hashes in near buckets that differ in at most `max_distance` bits; returns how many.

    `hashes` and `ids` lie bucket by bucket: bucket b is `starts[b]` to `starts[b + 1]`, and is
    compared with bucket b ^ mask. `pairs` [P, 2] takes the ids: an array that grows would slow the
    inner loop tenfold. Where it is full, `state` tells the bucket to go on with, and how many that
    one has.
    """
    num_pairs = 0
    for bucket in range(state[0], len(starts) - 1):
        num_before = num_pairs
        if starts[bucket] == starts[bucket + 1]:
            continue
        for mask in masks:
            other = bucket ^ mask
            if other < bucket:
                continue
            for a in range(starts[bucket], starts[bucket + 1]):
                first = a + 1 if other == bucket else starts[other]
                for b in range(first, starts[other + 1]):
                    # Population count (Warren, Hacker's Delight, figure 5-2): one instruction.
                    x = hashes[a] ^ hashes[b]
                    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
                    twos = (x >> np.uint64(2)) & np.uint64(0x3333333333333333)
                    x = (x & np.uint64(0x3333333333333333)) + twos
                    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                    x = (x * np.uint64(0x0101010101010101)) >> np.uint64(56)
                    if np.int64(x) <= max_distance:
                        if num_pairs < len(pairs):
                            pairs[num_pairs, 0] = min(ids[a], ids[b])
                            pairs[num_pairs, 1] = max(ids[a], ids[b])
                        num_pairs += 1
        if num_pairs > len(pairs):
            state[0], state[1] = bucket, num_pairs - num_before
            return num_before
    state[0] = len(starts) - 1
    return num_pairs


def _compare_new(hashes, ids, starts, asked, asked_ids, shift, masks, max_distance, state, pairs):  # type: ignore[no-untyped-def]
    """As `_compare_buckets`, but each pair has one of `asked`, which lie bucket by bucket too.

    Mask by mask, so that one near bucket after the other is read in nearly their order; `state`
    tells the number of the mask to go on with.
    """
    num_pairs = 0
    for m in range(state[0], len(masks)):
        mask = masks[m]
        num_before = num_pairs
        for a in range(len(asked)):
            bucket = np.int64((asked[a] >> np.uint64(shift)) & np.uint64(0xFFFF)) ^ mask
            for b in range(starts[bucket], starts[bucket + 1]):
                x = hashes[b] ^ asked[a]
                x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
                twos = (x >> np.uint64(2)) & np.uint64(0x3333333333333333)
                x = (x & np.uint64(0x3333333333333333)) + twos
                x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                x = (x * np.uint64(0x0101010101010101)) >> np.uint64(56)
                # Of two new ones the later finds the earlier.
                if np.int64(x) <= max_distance and ids[b] < asked_ids[a]:
                    if num_pairs < len(pairs):
                        pairs[num_pairs, 0] = ids[b]
                        pairs[num_pairs, 1] = asked_ids[a]
                    num_pairs += 1
        if num_pairs > len(pairs):
            state[0], state[1] = m, num_pairs - num_before
            return num_before
    state[0] = len(masks)
    return num_pairs


def _drop_neighbours(pairs, num_items):  # type: ignore[no-untyped-def]
    """Each item's first kept neighbour, or -1; `pairs` are (i < j), sorted by i."""
    witnesses = np.full(num_items, -1, np.int64)
    for p in range(len(pairs)):
        i, j = pairs[p, 0], pairs[p, 1]
        if witnesses[i] < 0 and witnesses[j] < 0:
            witnesses[j] = i
    return witnesses
