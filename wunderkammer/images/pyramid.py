"""Pictures at every side that is a power of two, each pixel the mean of the area that it covers.

As the training images of progressive growing are made (arXiv 1710.10196, section 2), and as
`wunderkammer.gan.networks.progressive.shrunk` makes them on the device; no torch here.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]


def area_pyramid(images: Pictures, *, smallest_px: int) -> Iterator[Pictures]:
    """Pictures uint8 [..., S, S] at S, S / 2, S / 4 and so on down to `smallest_px`.

    Each is made of the first and rounded once, halves to even, so that no level has the rounding
    of another one in it.

    Raises:
        ValueError: they are not square, or S is not `smallest_px` times a power of two.
    """
    height, width = images.shape[-2:]
    factor, rest = divmod(width, smallest_px)
    if height != width or rest or factor < 1 or factor & (factor - 1):
        raise ValueError(
            f"pictures of {width} x {height} px can't be halved down to {smallest_px} px; "
            f"give square ones of {smallest_px} px times a power of two"
        )
    yield images
    # Sums of up to 2^16 pixels are below 2^24, so that float32 holds them exactly.
    sums = images.astype(np.float32)
    for level in range(1, factor.bit_length()):
        rows = sums[..., 0::2, :] + sums[..., 1::2, :]
        sums = rows[..., 0::2] + rows[..., 1::2]
        yield np.rint(sums / 4**level).astype(np.uint8)


def area_shrunk(images: Pictures, *, side_px: int) -> Pictures:
    """The level of `area_pyramid` that is `side_px` wide.

    Raises:
        ValueError: as there.
    """
    *_, shrunk = area_pyramid(images, smallest_px=side_px)
    return shrunk
