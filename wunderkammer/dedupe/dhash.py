"""The 64-bit difference hash of Krawetz (hackerfactor.com, "Kind of Like That", 2013).

The same bits as `imagehash.dhash` of the same picture: grey, Lanczos to 9 by 8, each pixel compared
with the one to its left. Row by row, the first bit is the highest.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wunderkammer.dedupe.phash import HASH_SIDE, small_grey


def dhash(image_HWC: np.ndarray) -> int:
    """The hash of one uint8 picture of 1 or 3 (RGB) channels, as an unsigned 64-bit number.

    Raises:
        ValueError: the array is not such a picture.
    """
    return int(dhash_batch([image_HWC])[0])


def dhash_batch(images: Sequence[np.ndarray]) -> npt.NDArray[np.uint64]:
    """The hashes of many pictures (each as for `dhash`; sizes may differ), in their order."""
    if not images:
        return np.empty(0, np.uint64)
    size = (HASH_SIDE + 1, HASH_SIDE)
    grey_NHW = np.stack([small_grey(image_HWC, size=size) for image_HWC in images])
    bits = grey_NHW[:, :, 1:] > grey_NHW[:, :, :-1]
    packed = np.packbits(bits.reshape(len(images), HASH_SIDE**2), axis=1)
    return packed.view(">u8")[:, 0].astype(np.uint64)
