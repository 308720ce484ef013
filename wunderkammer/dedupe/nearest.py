"""For each of many hashes the few nearest among the views of pictures, exactly, in bounded memory.

The same tables of 16-bit chunks as in `wunderkammer.dedupe.search`, one view at a time: two hashes
within r = 4q + s bits (0 <= s < 4) agree within q bits in one of the first s + 1 chunks, or within
q - 1 in one of the others, so that only near buckets are compared. What is kept of a hash is a
short list, so that a million pictures that all look alike cost no more memory than a million that
do not.

Shapes: Q asked, N pictures, V views, K nearest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from wunderkammer.compiled import compiled

NUM_CHUNKS = 4
CHUNK_BITS = 16
NUM_BUCKETS = 1 << CHUNK_BITS
NOTHING = 255

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Near:
    """The nearest of each asked hash, `picture`, `distance` and `view` [Q, K]; -1 where none is."""

    picture: Ints
    distance: Ints
    view: Ints


def nearest_views(
    asked_Q: Hashes,
    *,
    own_Q: Ints,
    views_NV: Hashes,
    ids_N: Ints,
    max_distance: int,
    num_nearest: int,
) -> Near:
    """The pictures of which a view differs from an asked hash in at most `max_distance` bits.

    Of each picture counts the nearest view, of equally near ones the first; of more than
    `num_nearest` pictures the nearest stay, and of equally near ones those of the lowest ids. So
    neither the order of the pictures nor that of the asked hashes matters.

    Args:
        asked_Q: the hashes asked about.
        own_Q: the id of the picture that each is of, which is not near itself.
        views_NV: the hashes of the views of each picture.
        ids_N: the id of each picture.
        max_distance: of 0 to 16 bits.
        num_nearest: K.
    """
    distance = np.full((len(asked_Q), num_nearest), NOTHING, np.int64)
    picture = np.full_like(distance, -1)
    view = np.full_like(distance, -1)
    quotient, rest = divmod(max_distance, NUM_CHUNKS)
    values = np.arange(NUM_BUCKETS)
    for chunk in range(NUM_CHUNKS):
        limit = quotient if chunk <= rest else quotient - 1
        masks = values[np.bitwise_count(values) <= limit]
        asked_order, asked_starts = _table(asked_Q, chunk=chunk)
        filled = np.flatnonzero(np.diff(asked_starts))
        asked = (asked_Q[asked_order], own_Q[asked_order], asked_order, asked_starts, filled)
        for number in range(views_NV.shape[1]):
            hashes_N = np.ascontiguousarray(views_NV[:, number])
            order, starts = _table(hashes_N, chunk=chunk)
            table = (hashes_N[order], ids_N[order], starts)
            _compiled()(*asked, *table, masks, max_distance, number, distance, picture, view)
    distance[picture < 0] = -1
    return Near(picture, distance, view)


def _table(hashes: Hashes, *, chunk: int) -> tuple[Ints, Ints]:
    """The order that puts hashes bucket by bucket, and where each bucket starts in it."""
    buckets = (hashes >> np.uint64(CHUNK_BITS * chunk)).astype(np.uint16)
    sizes = np.bincount(buckets, minlength=NUM_BUCKETS)
    return np.argsort(buckets, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])


@cache
def _compiled() -> Callable[..., Any]:
    asked = "u8[::1], i8[::1], i8[::1], i8[::1], i8[::1]"
    table = "u8[::1], i8[::1], i8[::1]"
    lists = "i8[:, ::1], i8[:, ::1], i8[:, ::1]"
    return compiled(_look_up, f"void({asked}, {table}, i8[::1], i8, i8, {lists})")


def _look_up(  # type: ignore[no-untyped-def]
    asked,
    own,
    places,
    asked_starts,
    filled,
    hashes,
    ids,
    starts,
    masks,
    max_distance,
    number,
    distance,
    picture,
    view,
):
    """Put what is near in one chunk of one view into the lists, which stay sorted.

    Both tables lie bucket by bucket; `places` are the rows of the asked hashes in the lists, and
    `filled` the buckets that hold some of these.
    """
    last = distance.shape[1] - 1
    for bucket in filled:
        for mask in masks:
            other = bucket ^ mask
            for a in range(asked_starts[bucket], asked_starts[bucket + 1]):
                for p in range(starts[other], starts[other + 1]):
                    # Population count (Warren, Hacker's Delight, figure 5-2): one instruction.
                    x = asked[a] ^ hashes[p]
                    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
                    twos = (x >> np.uint64(2)) & np.uint64(0x3333333333333333)
                    x = (x & np.uint64(0x3333333333333333)) + twos
                    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                    x = (x * np.uint64(0x0101010101010101)) >> np.uint64(56)
                    d, n, q = np.int64(x), ids[p], places[a]
                    if d > max_distance or n == own[a] or d > distance[q, last]:
                        continue
                    # Where the picture stands in the list already, else the end, is free.
                    free = 0
                    while free < last and picture[q, free] != n:
                        free += 1
                    if (distance[q, free], picture[q, free], view[q, free]) <= (d, n, number):
                        continue
                    if picture[q, free] == n and distance[q, free] == d:
                        view[q, free] = number
                        continue
                    while free > 0 and (distance[q, free - 1], picture[q, free - 1]) > (d, n):
                        distance[q, free] = distance[q, free - 1]
                        picture[q, free] = picture[q, free - 1]
                        view[q, free] = view[q, free - 1]
                        free -= 1
                    distance[q, free], picture[q, free], view[q, free] = d, n, number
