"""Turning a picture about its middle, and points with it."""

import cv2
import numpy as np
import numpy.typing as npt

Point = tuple[float, float]


def turned(
    image: npt.NDArray[np.uint8], angle_deg: float, *, fill: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    """The picture (HW or HWC) turned counter-clockwise about its middle, at the same size.

    What comes in from outside has the colour `fill`.
    """
    if angle_deg == 0.0:
        return image
    height, width = image.shape[:2]
    matrix = _matrix(width, height, angle_deg)
    out = cv2.warpAffine(image, matrix, (width, height), borderValue=fill)
    return np.asarray(out, np.uint8)


def turned_mask(mask_HW: npt.NDArray[np.bool_], angle_deg: float) -> npt.NDArray[np.bool_]:
    """As `turned`, of a mask, which is false outside."""
    return np.asarray(turned(mask_HW.astype(np.uint8) * 255, angle_deg, fill=(0,)) > 127)


def turned_back(point: Point, angle_deg: float, *, width: int, height: int) -> Point:
    """Where a point of the turned picture lies in the picture (px; the corner is 0, 0)."""
    inverse = cv2.invertAffineTransform(_matrix(width, height, angle_deg))
    # Matrices are for the middles of pixels, boxes for their edges.
    x, y = inverse @ (point[0] - 0.5, point[1] - 0.5, 1.0)
    return float(x) + 0.5, float(y) + 0.5


def side_of_line(x: float, angle_deg: float, *, width: int, height: int) -> npt.NDArray[np.float32]:
    """How far each pixel of the picture lies right of a vertical line of the turned one (px)."""
    (across, down, shift), _ = _matrix(width, height, angle_deg)
    columns_W = np.arange(width, dtype=np.float32) * np.float32(across)
    rows_H = np.arange(height, dtype=np.float32) * np.float32(down)
    return rows_H[:, None] + columns_W + np.float32(shift + 0.5 - x)


def _matrix(width: int, height: int, angle_deg: float) -> npt.NDArray[np.float64]:
    middle = ((width - 1) / 2, (height - 1) / 2)
    return np.asarray(cv2.getRotationMatrix2D(middle, angle_deg, 1.0), np.float64)
