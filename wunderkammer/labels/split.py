"""Which labelled pictures are never trained on: whole groups, by content.

Frames of one animal on both sides would make a detector look better than it is. Pictures are of one
group if the scrape says so, or if their perceptual hashes are near each other, or both in turn.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wunderkammer.dedupe.search import pairs_within

BITS = 64


class SplitError(ValueError):
    """Labelled pictures of which none could be held out, or none trained on."""


def group_pictures(
    sha256s: Sequence[str],
    *,
    groups: Sequence[str | None],
    phashes_N: npt.NDArray[np.uint64],
    max_distance: int,
) -> list[str]:
    """The name of each picture's group.

    It is the smallest of the scrape's names in the group, else of the hashes of its pictures: what
    comes later renames a group only if it is near it.
    """
    num = len(sha256s)
    pairs_P2 = pairs_within(phashes_N, max_distance=max_distance).indices
    known: dict[str, int] = {}
    links = [(known.setdefault(g, row), row) for row, g in enumerate(groups) if g is not None]
    joined_P2 = np.concatenate([pairs_P2, np.array(links, np.int64).reshape(-1, 2)])
    ones = np.ones(len(joined_P2), bool)
    graph = coo_array((ones, (joined_P2[:, 0], joined_P2[:, 1])), shape=(num, num))
    _, part_N = connected_components(graph, directed=False)
    names: dict[int, tuple[int, str]] = {}
    for row, part in enumerate(part_N.tolist()):
        own = groups[row]
        candidate = (1, sha256s[row]) if own is None else (0, own)
        names[part] = min(names.get(part, candidate), candidate)
    return [names[part][1] for part in part_N.tolist()]


def held_out_groups(groups: Sequence[str], *, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Whether each picture is held out.

    A group's place is a number in [0, 1) that follows from its name and `seed`; held out are those
    below `share`, but at least the lowest and never all. So a group keeps its side whatever else
    comes or goes, unless all or none would be below.

    Raises:
        SplitError: all pictures are of one group.
    """
    places = {name: _place(name, seed=seed) for name in set(groups)}
    if len(places) < 2:
        raise SplitError(
            f"the {len(groups)} labelled pictures are all of one group (near-alike, or of one "
            f"source), so none can be held out; label pictures of at least 2 groups, or lower "
            f"detector.group_distance"
        )
    rising = sorted(places.values())
    limit = min(max(math.ceil(share * 2**BITS), rising[0] + 1), rising[-1])
    return np.array([places[name] < limit for name in groups])


def _place(name: str, *, seed: int) -> int:
    """A number below 2^64, even over all names, another one for each seed."""
    keyed = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=BITS // 8)
    return int.from_bytes(keyed.digest())
