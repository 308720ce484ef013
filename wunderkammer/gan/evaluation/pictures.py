"""Pictures as the measures take them: uint8 [N, C, H, W], grey, RGB or RGB with opacity."""

import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def as_rgb(images_NCHW: Pictures) -> Pictures:
    """The same in RGB: grey three times, what is see-through on white."""
    channels = images_NCHW.shape[1]
    if channels == 1:
        return np.repeat(images_NCHW, 3, axis=1)
    if channels == 3:
        return images_NCHW
    opacity_N1HW = images_NCHW[:, 3:].astype(np.float32) / 255
    blended = images_NCHW[:, :3] * opacity_N1HW + 255 * (1 - opacity_N1HW)
    return blended.round().astype(np.uint8)
