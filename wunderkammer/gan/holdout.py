"""Which pictures are never trained on. No torch: the stages from outside ask too."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MAX_HELD_OUT = 1000
BITS = 64

Indices = npt.NDArray[np.int64]


def split(families: Sequence[str], *, share: float, seed: int) -> tuple[Indices, Indices]:
    """The indices that are trained on and those that are held out, each in rising order.

    Pictures of one family are on one side, so that none is held out whose near-duplicate is
    trained on. A family's place is a number in [0, 1) that follows from its name and `seed`; held
    out are those below `share`, but at most 1,000 pictures, and at least the family of the lowest
    place. A family of more than `share` of all pictures is trained on. So a picture keeps its side
    whatever else comes or goes while its family keeps its name, and 1 to 1,000 pictures, and not
    all, are below `share`. Beyond 1,000, pictures that come can only move others from held out to
    trained on, and pictures that go can only move them back.

    Args:
        families: the names of the pictures' families, in the order of the indices; the picture's
            own SHA-256 for one that is alone.
        share: of the pictures, held out on average.
        seed: another one holds out others.

    Raises:
        ValueError: `share` is below 0, or 1 and more.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share} of the pictures held out; allowed: 0 up to, not with, 1")
    names, family_N, sizes_F = np.unique(
        np.array(families, str), return_inverse=True, return_counts=True
    )
    is_held_out_F = np.zeros(len(names), bool)
    if share and len(names):
        places_F = np.array([_place(name, seed=seed) for name in names.tolist()], np.uint64)
        fits_F = sizes_F <= max(share * len(families), sizes_F.min())
        rising = np.flatnonzero(fits_F)[np.argsort(places_F[fits_F])]
        num_so_far = np.cumsum(sizes_F[rising])
        is_wanted = places_F[rising] < math.ceil(share * 2**BITS)
        is_wanted[0] = True
        is_allowed = (num_so_far <= MAX_HELD_OUT) & (num_so_far < len(families))
        is_held_out_F[rising[is_wanted & is_allowed]] = True
    is_held_out_N = is_held_out_F[family_N]
    return np.flatnonzero(~is_held_out_N), np.flatnonzero(is_held_out_N)


def _place(name: str, *, seed: int) -> int:
    """A number below 2^64, even over all names, another one for each seed."""
    keyed = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=BITS // 8)
    return int.from_bytes(keyed.digest())
