"""A scan in the working size: its paper, and its ink."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

# 88 dpi for A4: lines of small print are still lines, and a page takes a fraction of its decoding.
MAX_WORK_SIDE_PX = 1024
# A colour that differs by more than this from the paper's in a channel is ink: beyond a JPEG's
# noise and the print of the back side that shines through.
INK_CONTRAST = 48
# Print is dark on bright paper unless hardly anything is bright.
BRIGHT = 128
MIN_BRIGHT_SHARE = 0.25
MODE_SIGMA = 3.0
# Paper in the shadow of a fold keeps at least this share of its brightness; a picture has less.
MIN_SHADE = 0.7
SHADE_STEP_PX = 8
SHADE_WINDOW = 5


@dataclass(frozen=True)
class Look:
    """A reduced scan; `scale_x` and `scale_y` are px of the scan for one of it.

    `paper_rgb` is the colour of the ground that it is printed on, which may be dark.
    """

    rgb_HWC: Bytes
    grey_HW: Bytes
    ink_HW: Bools
    paper_rgb: tuple[int, int, int]
    paper_grey: int
    scale_x: float
    scale_y: float


def look_at(image_HWC: Bytes) -> Look:
    """Reduce a scan to at most `MAX_WORK_SIDE_PX` a side, and find its paper and ink.

    Raises:
        ValueError: it is not an RGB picture of bytes.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise ValueError(
            f"a {image_HWC.dtype} array of shape {image_HWC.shape} is no scan; "
            f"allowed: uint8 of shape (height, width, 3)"
        )
    height, width = image_HWC.shape[:2]
    factor = min(1.0, MAX_WORK_SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA) if factor < 1 else image_HWC
    rgb_HWC = np.asarray(small, np.uint8)
    grey_HW = np.asarray(cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2GRAY), np.uint8)
    paper_grey = _paper_level(grey_HW)
    paper_rgb = _paper_colour(rgb_HWC, grey_HW, paper_grey)
    ink_HW = _ink(rgb_HWC, grey_HW, paper_grey, paper_rgb)
    return Look(rgb_HWC, grey_HW, ink_HW, paper_rgb, paper_grey, width / size[0], height / size[1])


def _paper_level(grey_HW: Bytes) -> int:
    """The most frequent level of the bright half, or of all where little is bright."""
    counts = cv2.calcHist([grey_HW], [0], None, [256], [0, 256]).ravel()
    is_bright = counts[BRIGHT:].sum() >= MIN_BRIGHT_SHARE * grey_HW.size
    if is_bright:
        counts[:BRIGHT] = 0
    smooth = cv2.GaussianBlur(counts[None], (0, 0), MODE_SIGMA, borderType=cv2.BORDER_REFLECT)
    return int(np.argmax(smooth))


def _paper_colour(rgb_HWC: Bytes, grey_HW: Bytes, paper_grey: int) -> tuple[int, int, int]:
    near_HW = cv2.inRange(grey_HW, paper_grey - 4, paper_grey + 4)
    red, green, blue, _ = cv2.mean(rgb_HWC, near_HW)
    return round(red), round(green), round(blue)


def _ink(rgb_HWC: Bytes, grey_HW: Bytes, paper_grey: int, paper_rgb: tuple[int, int, int]) -> Bools:
    """Where a colour is not the paper's, nor the paper's in a slight shadow."""
    if paper_grey >= BRIGHT:
        ground_HWC = _shaded(paper_rgb, grey_HW, paper_grey)
    else:
        ground_HWC = np.full_like(rgb_HWC, paper_rgb)
    red, green, blue = cv2.split(cv2.absdiff(rgb_HWC, ground_HWC))
    return np.asarray(cv2.max(cv2.max(red, green), blue) > INK_CONTRAST)


def _shaded(paper_rgb: tuple[int, int, int], grey_HW: Bytes, paper_grey: int) -> Bytes:
    """The paper's colour, by the brightness of the lightest paper around each place."""
    height, width = grey_HW.shape
    size = max(1, width // SHADE_STEP_PX), max(1, height // SHADE_STEP_PX)
    step = np.ones((SHADE_STEP_PX, SHADE_STEP_PX), np.uint8)
    coarse = cv2.resize(cv2.dilate(grey_HW, step), size, interpolation=cv2.INTER_NEAREST)
    lightest = cv2.dilate(coarse, np.ones((SHADE_WINDOW, SHADE_WINDOW), np.uint8))
    shade = np.clip(lightest / np.float32(paper_grey), MIN_SHADE, 255 / paper_grey)
    shade_hw = cv2.blur(shade.astype(np.float32), (SHADE_WINDOW, SHADE_WINDOW))
    ground = np.minimum(shade_hw[:, :, None] * np.array(paper_rgb, np.float32), 255).astype(
        np.uint8
    )
    return np.asarray(cv2.resize(ground, (width, height)), np.uint8)
