"""The 64-bit perceptual hash of Krawetz (hackerfactor.com, "Looks Like It", 2011).

The same bits as `imagehash.phash` of the same picture: grey, Lanczos to 32 by 32, the 8 by 8 lowest
frequencies of the DCT, each compared with their median. Row by row, the first bit is the highest,
so `f"{value:016x}"` is what `str(imagehash.phash(picture))` prints.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dct

HASH_SIDE = 8
GREY_SIDE = 4 * HASH_SIDE


def phash(image_HWC: np.ndarray) -> int:
    """The hash of one uint8 picture of 1 or 3 (RGB) channels, as an unsigned 64-bit number.

    Raises:
        ValueError: the array is not such a picture.
    """
    return int(phash_batch([image_HWC])[0])


def phash_batch(images: Sequence[np.ndarray]) -> npt.NDArray[np.uint64]:
    """The hashes of many pictures (each as for `phash`; sizes may differ), in their order."""
    if not images:
        return np.empty(0, np.uint64)
    size = (GREY_SIDE, GREY_SIDE)
    grey_NHW = np.stack([small_grey(image_HWC, size=size) for image_HWC in images])
    # Columns first, then rows: in the other order the last bits of the sums differ.
    frequencies = dct(dct(grey_NHW, axis=1)[:, :HASH_SIDE], axis=2)[:, :, :HASH_SIDE]
    flat = frequencies.reshape(len(images), HASH_SIDE**2)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    packed = np.packbits(bits, axis=1)
    return packed.view(">u8")[:, 0].astype(np.uint64)


def as_grey(image_HWC: np.ndarray) -> npt.NDArray[np.uint8]:
    """The picture in grey (HW1) as the hashes see it, for what is to have several."""
    return np.asarray(Image.fromarray(image_HWC).convert("L"))[:, :, None]


def small_grey(image_HWC: np.ndarray, *, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The picture as Pillow makes it grey and small, by Lanczos; `size` is (width, height).

    Raises:
        ValueError: the array is no uint8 picture of 1 or 3 channels.
    """
    shape = image_HWC.shape
    if image_HWC.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
        raise ValueError(
            f"a {image_HWC.dtype} array of shape {shape} can't be hashed; "
            f"allowed: uint8 of shape (height, width, 1 or 3)"
        )
    picture = Image.fromarray(image_HWC[:, :, 0] if shape[2] == 1 else image_HWC)
    small = picture.convert("L").resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small, np.float64)
