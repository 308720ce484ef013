"""Which pictures are never trained on. No torch: the stages from outside ask too."""

import numpy as np
import numpy.typing as npt

MAX_HELD_OUT = 1000

Indices = npt.NDArray[np.int64]


def split(num_images: int, *, share: float, seed: int) -> tuple[Indices, Indices]:
    """The indices that are trained on and those that are held out, each in rising order.

    Held out are `share` of the pictures, drawn with `seed`: at least one where the share is not 0,
    at most 1,000, and never all.

    Raises:
        ValueError: `share` is below 0, or 1 and more.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share} of the pictures held out; allowed: 0 up to, not with, 1")
    num_wanted = max(1, round(share * num_images)) if share else 0
    num_held_out = min(num_wanted, MAX_HELD_OUT, max(0, num_images - 1))
    order = np.random.default_rng(seed).permutation(num_images)
    return np.sort(order[num_held_out:]), np.sort(order[:num_held_out])
