"""Who keeps whom: one pass over ranked pictures, in which each is kept or has a kept one to follow.

No chain can form: what is dropped is near a kept picture itself, by one of the ways in `WAYS`.

Shapes: N pictures from the best to the worst, C classes of pictures with the same hashes, E links
between classes, F findings between pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from wunderkammer.compiled import compiled

# How a duplicate was found; a pair that several ways find goes by the first.
PHASH, VERIFIED, EMBEDDING, PROVENANCE = range(4)
WAYS = ("phash", "verified", "embedding", "provenance")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Links:
    """For each of many the others that it is linked with: a slice of `others` from `starts`."""

    starts: Ints
    others: Ints
    ways: Ints

    @classmethod
    def of_classes(cls, pairs_P2: Ints, *, num: int) -> "Links":
        """Of pairs of classes, and of each class with itself."""
        selves = np.repeat(np.arange(num)[:, None], 2, axis=1)
        pairs_P2 = np.concatenate([pairs_P2, selves])
        return cls.of(pairs_P2, num=num, ways_P=np.full(len(pairs_P2), PHASH, np.int64))

    @classmethod
    def of(cls, pairs_P2: Ints, *, num: int, ways_P: Ints) -> "Links":
        """Of pairs, in both directions; those of one in rising order."""
        both = np.concatenate([pairs_P2, pairs_P2[:, ::-1]])
        ways = np.concatenate([ways_P, ways_P])
        order = np.lexsort((ways, both[:, 1], both[:, 0]))
        starts = np.searchsorted(both[order, 0], np.arange(num + 1)).astype(np.int64)
        return cls(starts, np.ascontiguousarray(both[order, 1]), ways[order])


@dataclass(frozen=True)
class Leaders:
    """For each picture the kept one that it follows, or -1, and the way that it was found."""

    leader: Ints
    way: Ints


def choose(
    *,
    classes_N: Ints,
    class_links: Links,
    findings: Links,
    hashes_N: npt.NDArray[np.uint64],
    groups_N: Ints,
    max_group_distance: int,
) -> Leaders:
    """From the best down, keep a picture unless a kept one is near it; it follows the best such.

    Args:
        classes_N: the class of each picture; those of one class are near each other.
        class_links: which classes are near each other, themselves among them.
        findings: which pictures are near each other besides, and by what way.
        hashes_N: the pHashes, by which pictures of one group are compared.
        groups_N: the group of each picture, -1 for none.
        max_group_distance: how near two of one group must be; -1: groups don't count.
    """
    num = len(classes_N)
    # Each has a group, its own where it has none, and each class is near itself.
    is_alone_N = (groups_N < 0) | (max_group_distance < 0)
    firsts, groups_N = np.unique(
        np.where(is_alone_N, np.arange(-num, 0), groups_N), return_inverse=True
    )
    leader, way = _compiled()(
        classes_N,
        class_links.starts,
        class_links.others,
        np.full(len(class_links.starts) - 1, -1, np.int64),
        findings.starts,
        findings.others,
        findings.ways,
        hashes_N,
        groups_N.astype(np.int64),
        np.arange(num, num + len(firsts)),
        max_group_distance,
    )
    return Leaders(leader, way)


@cache
def _compiled() -> Callable[..., Any]:
    ints = "i8[::1]"
    arguments = [*[ints] * 7, "u8[::1]", ints, ints, "i8"]
    return compiled(_choose, f"Tuple((i8[::1], i8[::1]))({', '.join(arguments)})")


def _choose(  # type: ignore[no-untyped-def]
    classes,
    class_starts,
    class_others,
    class_leader,
    found_starts,
    found_others,
    found_ways,
    hashes,
    groups,
    group_ends,
    max_group_distance,
):
    """`class_leader` is the first kept near each class, `group_ends` the last kept of a group.

    The kept of group g are a list that begins at its entry in `group_ends`, which is no picture.
    """
    leader = np.full(len(classes), -1, np.int64)
    way = np.full(len(classes), -1, np.int64)
    next_kept = np.full(len(classes) + len(group_ends), -1, np.int64)
    group_starts = group_ends.copy()
    for i in range(len(classes)):
        best = class_leader[classes[i]]
        by = PHASH if best >= 0 else -1
        for p in range(found_starts[i], found_starts[i + 1]):
            j = found_others[p]
            if j < i and leader[j] < 0 and (best < 0 or j < best):
                best, by = j, found_ways[p]
        j = next_kept[group_starts[groups[i]]]
        while j >= 0 and (best < 0 or j < best):
            # Population count (Warren, Hacker's Delight, figure 5-2).
            x = hashes[i] ^ hashes[j]
            x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
            twos = (x >> np.uint64(2)) & np.uint64(0x3333333333333333)
            x = (x & np.uint64(0x3333333333333333)) + twos
            x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
            if np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56)) <= max_group_distance:
                best, by = j, PROVENANCE
            j = next_kept[j]
        leader[i], way[i] = best, by
        if best >= 0:
            continue
        for p in range(class_starts[classes[i]], class_starts[classes[i] + 1]):
            if class_leader[class_others[p]] < 0:
                class_leader[class_others[p]] = i
        next_kept[group_ends[groups[i]]] = i
        group_ends[groups[i]] = i
    return leader, way
