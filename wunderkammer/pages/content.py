"""What is printed on a deskewed sheet, apart from dust and the remains of a scanner's border."""

import cv2
import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# left, top, right, bottom; ends excluded.
Box = tuple[int, int, int, int]

# Letters of a word and lines of a paragraph lie closer together than this share of the longer side.
REACH_SHARE = 0.012
# A block with less ink is dust; a page number of one digit has twice as much.
DUST_PX = 10
# A block at the very edge and thinner than this share of the side is a remainder of the border; one
# along most of the edge may be twice as wide: it is the shadow of a fold.
SLIVER_SHARE = 0.03
BAND_SHARE = 0.06
MOST = 0.6
EDGE_PX = 5


def sheet_box(sheet_HW: Bools) -> Box:
    """The upright rectangle whose sides lie where the edges of a sheet are, in the median."""
    rows = np.flatnonzero(sheet_HW.any(axis=1))
    columns = np.flatnonzero(sheet_HW.any(axis=0))
    inner_HW = sheet_HW[rows]
    left = np.median(inner_HW.argmax(axis=1))
    right = sheet_HW.shape[1] - np.median(inner_HW[:, ::-1].argmax(axis=1))
    inner_HW = sheet_HW[:, columns]
    top = np.median(inner_HW.argmax(axis=0))
    bottom = sheet_HW.shape[0] - np.median(inner_HW[::-1].argmax(axis=0))
    x0, y0 = round(left), round(top)
    return x0, y0, max(round(right), x0 + 1), max(round(bottom), y0 + 1)


def printed_box(ink_HW: Bools) -> Box | None:
    """The box around all blocks of print of a sheet; None if there is none."""
    height, width = ink_HW.shape
    reach = max(3, round(REACH_SHARE * max(height, width)))
    ink = ink_HW.astype(np.uint8)
    blocks = cv2.morphologyEx(
        cv2.copyMakeBorder(ink, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0),
        cv2.MORPH_CLOSE,
        np.ones((reach, reach), np.uint8),
    )[reach:-reach, reach:-reach]
    count, labels_HW, stats, _ = cv2.connectedComponentsWithStats(blocks, connectivity=4)
    num_ink = np.bincount(labels_HW[ink_HW], minlength=count)
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    across, down = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    right, bottom = left + across, top + down
    at_side = (left < EDGE_PX) | (right > width - EDGE_PX)
    at_end = (top < EDGE_PX) | (bottom > height - EDGE_PX)
    is_remainder = (at_side & _is_strip(across / width, down / height)) | (
        at_end & _is_strip(down / height, across / width)
    )
    is_print = (num_ink >= DUST_PX) & ~is_remainder
    is_print[0] = False
    if not is_print.any():
        return None
    return (
        int(left[is_print].min()),
        int(top[is_print].min()),
        int(right[is_print].max()),
        int(bottom[is_print].max()),
    )


def _is_strip(thickness: Floats, length: Floats) -> Bools:
    return (thickness < SLIVER_SHARE) | ((thickness < BAND_SHARE) & (length > MOST))
