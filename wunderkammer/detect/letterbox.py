"""A picture in the frame of a detector: scaled to its size, centred, and padded with grey.

The geometry is that of ultralytics for single pictures: the longer side becomes the detector's
size, and each side is padded to a multiple of its step.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

PADDING = 114

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in its frame, all in px.

    Attributes:
        frame: height and width of the frame.
        inner: height and width of the scaled picture in it.
        top, left: where that begins.
        size: height and width of the picture itself.
    """

    frame: tuple[int, int]
    inner: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]

    def to_picture(self, boxes_K4: Floats) -> Floats:
        """Boxes (x0, y0, x1, y1) of the frame as boxes of the picture, clipped to it."""
        height, width = self.size
        scale = np.array([self.inner[1] / width, self.inner[0] / height] * 2)
        shifted: Floats = (boxes_K4 - np.array([self.left, self.top] * 2)) / scale
        return shifted.clip(0, np.array([width, height] * 2))


def placement(*, width: int, height: int, image_size_px: int, step_px: int) -> Placement:
    """The frame of a picture of that size."""
    scale = image_size_px / max(width, height)
    inner = max(round(height * scale), 1), max(round(width * scale), 1)
    # The detector's own size need not be a multiple of the step: then its frames are larger.
    frame = _rounded_up(inner[0], step_px), _rounded_up(inner[1], step_px)
    top, left = (frame[0] - inner[0]) // 2, (frame[1] - inner[1]) // 2
    return Placement(frame, inner, top, left, (height, width))


def letterbox(picture_HWC: npt.NDArray[np.uint8], place: Placement) -> npt.NDArray[np.uint8]:
    """The picture, decoded at any scale, in its frame."""
    height, width = place.inner
    if picture_HWC.shape[:2] != place.inner:
        shrinks = picture_HWC.shape[0] > 2 * height
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        picture_HWC = cv2.resize(picture_HWC, (width, height), interpolation=method)  # type: ignore[assignment]
    framed = np.full((*place.frame, 3), PADDING, np.uint8)
    framed[place.top : place.top + height, place.left : place.left + width] = picture_HWC
    return framed


def _rounded_up(side_px: int, step_px: int) -> int:
    return -(-side_px // step_px) * step_px
