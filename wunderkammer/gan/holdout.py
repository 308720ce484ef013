"""Which pictures are never trained on. No torch: the stages from outside ask too."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MAX_HELD_OUT = 1000
BITS = 64

Indices = npt.NDArray[np.int64]


def split(sha256s: Sequence[str], *, share: float, seed: int) -> tuple[Indices, Indices]:
    """The indices that are trained on and those that are held out, each in rising order.

    A picture's place is a number in [0, 1) that follows from its hash and `seed`; held out are
    those below `share`, but at most the 1,000 lowest, at least the lowest, and never the highest.
    Equal pictures are on one side. So a picture keeps its side whatever else comes or goes while
    1 to 1,000 pictures, and not all, are below `share`. Beyond 1,000, pictures that come can only
    move others from held out to trained on, and pictures that go can only move them back.

    Args:
        sha256s: the hashes of the pictures' files, in the order of the indices.
        share: of the pictures, held out on average.
        seed: another one holds out others.

    Raises:
        ValueError: `share` is below 0, or 1 and more.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share} of the pictures held out; allowed: 0 up to, not with, 1")
    places_N = np.array([_place(sha256, seed=seed) for sha256 in sha256s], np.uint64)
    is_held_out_N = np.zeros(len(places_N), bool)
    if share and len(places_N):
        rising_N = np.sort(places_N)
        wanted = max(math.ceil(share * 2**BITS), int(rising_N[0]) + 1)
        most = int(rising_N[min(MAX_HELD_OUT, len(places_N) - 1)])
        is_held_out_N = places_N < min(wanted, most)
    return np.flatnonzero(~is_held_out_N), np.flatnonzero(is_held_out_N)


def _place(sha256: str, *, seed: int) -> int:
    """A number below 2^64, even over all hashes, another one for each seed."""
    keyed = hashlib.blake2b(f"{seed} {sha256}".encode(), digest_size=BITS // 8)
    return int.from_bytes(keyed.digest())
