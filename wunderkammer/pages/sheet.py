"""The sheet of paper in a scan, without the dark border of the scanner around it.

The border noise is the dark area that is connected to the frame, as in Shafait and Breuel ("The
effect of border noise on the performance of projection-based page segmentation methods", PAMI 33,
2011); it only counts as a border when what remains is a rectangle, so that a picture that fills
the page is never taken for one.
"""

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.pages.look import Look

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

MIN_BORDER_CONTRAST = 60
# A border is smooth and as dark everywhere: the mean distance of its levels from their median.
MAX_BORDER_SPREAD = 15.0
MIN_RECTANGULARITY = 0.95
MIN_FILLED = 0.93
MIN_PART = 0.1
# What is left of the scan, of its area and of each side.
MIN_SHEET_AREA = 0.35
MAX_BORDER_SHARE = 0.35
RING_PX = 3
OPEN_PX = 5


def find_sheet(look: Look) -> Bools:
    """Where in the reduced scan the sheet is (HW); everywhere if it has no dark border."""
    everywhere = np.ones(look.grey_HW.shape, np.bool_)
    level = _ring_level(look.grey_HW)
    if look.paper_grey - level < MIN_BORDER_CONTRAST or min(look.grey_HW.shape) < 4 * OPEN_PX:
        return everywhere
    dark_HW = (look.grey_HW < (level + look.paper_grey) / 2).astype(np.uint8)
    kernel = np.ones((OPEN_PX, OPEN_PX), np.uint8)
    # What is opened is parted from the letters and rules that touch it.
    opened_HW = np.asarray(cv2.morphologyEx(dark_HW, cv2.MORPH_OPEN, kernel), np.uint8)
    border_HW = _touching_the_frame(opened_HW)
    if not border_HW.any():
        return everywhere
    sheet_HW = _rectangle(~border_HW)
    if sheet_HW is None or not _is_smooth(look.grey_HW[border_HW & ~sheet_HW]):
        return everywhere
    return sheet_HW


def _ring_level(grey_HW: Bytes) -> int:
    """The level of the darkest of the four sides."""
    sides = (
        grey_HW[:RING_PX],
        grey_HW[-RING_PX:],
        grey_HW[:, :RING_PX],
        grey_HW[:, -RING_PX:],
    )
    return min(int(np.median(side)) for side in sides)


def _touching_the_frame(dark_HW: Bytes) -> Bools:
    count, labels_HW = cv2.connectedComponents(dark_HW)
    touches = np.zeros(count, np.bool_)
    for side in (labels_HW[0], labels_HW[-1], labels_HW[:, 0], labels_HW[:, -1]):
        touches[side] = True
    touches[0] = False
    return np.asarray(touches[labels_HW])


def _rectangle(rest_HW: Bools) -> Bools | None:
    """What is no border as a convex area, or None if that is no rectangle.

    It may be in parts: a deep fold is as dark as the border.
    """
    _, labels_HW, stats, _ = cv2.connectedComponentsWithStats(rest_HW.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return None
    large = np.flatnonzero(areas >= MIN_PART * areas.max()) + 1
    parts_HW = np.isin(labels_HW, large)
    contours, _ = cv2.findContours(
        parts_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    hull = cv2.convexHull(np.concatenate(contours))
    left, top, width, height = cv2.boundingRect(hull)
    sizes = (rest_HW.shape[1], rest_HW.shape[0])
    losses = (left, top, sizes[0] - left - width, sizes[1] - top - height)
    if max(loss / size for loss, size in zip(losses, sizes * 2, strict=True)) > MAX_BORDER_SHARE:
        return None
    sheet = np.zeros(rest_HW.shape, np.uint8)
    cv2.fillConvexPoly(sheet, hull, 1)
    filled = np.zeros(rest_HW.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    area = float(sheet.sum())
    (_, (long, short), _) = cv2.minAreaRect(hull)
    is_rectangle = area >= MIN_RECTANGULARITY * (long + 1) * (short + 1)
    is_full = float(filled.sum()) >= MIN_FILLED * area
    is_large = area >= MIN_SHEET_AREA * rest_HW.size
    return np.asarray(sheet, np.bool_) if is_rectangle and is_full and is_large else None


def _is_smooth(levels: npt.NDArray[np.uint8]) -> bool:
    if not levels.size:
        return False
    values = levels.astype(np.float32)
    return float(np.abs(values - np.median(values)).mean()) <= MAX_BORDER_SPREAD
