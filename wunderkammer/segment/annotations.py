"""What a microscope's program or a curator puts over a picture: labels, scale bars and words.

Ink and paper are flat: near one grey, which no specimen in real light is. Beyond that a bar is
long, a label a rectangle, and letters are thin strokes.
"""

import cv2
import numpy as np

from wunderkammer.segment.box import Bools, Bytes
from wunderkammer.segment.components import Component, largest_components
from wunderkammer.segment.layout import is_paper

MIN_BAR_ASPECT = 4.0
MIN_BAR_EXTENT = 0.75
MIN_LABEL_EXTENT = 0.9
MIN_FLAT = 0.5
# Ink is so much darker or brighter than what is around it.
MIN_INK_CONTRAST = 60
# Levels about its commonest grey, as a share of the contrast: blurred strokes have softer edges.
FLAT_SHARE = 0.08
MIN_FLAT_REACH, MAX_FLAT_REACH = 2, 12
# The widest stroke of letters by the square root of the area of their line.
MAX_STROKE = 0.4
MAX_WORD_STROKE = 0.5
# Of the picture's shorter side: taller is no line of text.
MAX_INK_HEIGHT = 0.25
MAX_WORD_HEIGHT = 0.2
# A line of small text is closed to one region, of so many letters and so long a shape.
MIN_LETTERS = 4
MIN_WORD_ASPECT = 1.8
MAX_LETTER_SHARE = 0.5


def is_annotation(component: Component, *, grey_HW: Bytes, raw_HW: Bools, level: float) -> bool:
    """Whether a region is something that was put over a picture.

    Args:
        component: of the closed mask of the picture.
        grey_HW: the picture.
        raw_HW: its mask before it was closed.
        level: the grey of most of the picture.
    """
    inside_HW = component.box.of(grey_HW)
    own_HW = component.box.of(raw_HW) & component.mask_HW
    if not own_HW.any():
        return False
    if component.extent >= MIN_LABEL_EXTENT and is_paper(inside_HW):
        return True
    own = inside_HW[own_HW]
    contrast = abs(float(np.median(own)) - level)
    reach = round(min(max(FLAT_SHARE * contrast, MIN_FLAT_REACH), MAX_FLAT_REACH))
    is_flat = _flatness(own, reach=reach) > MIN_FLAT
    if component.aspect >= MIN_BAR_ASPECT and component.extent >= MIN_BAR_EXTENT and is_flat:
        return True
    side_px = min(grey_HW.shape)
    height_px = min(component.box.width, component.box.height)
    stroke = _stroke_px(own_HW) / component.area_px**0.5
    if is_flat and contrast > MIN_INK_CONTRAST and stroke < MAX_STROKE:
        return bool(height_px < MAX_INK_HEIGHT * side_px)
    return bool(
        component.aspect >= MIN_WORD_ASPECT
        and stroke < MAX_WORD_STROKE
        and height_px < MAX_WORD_HEIGHT * side_px
        and _is_of_letters(own_HW)
    )


def _flatness(grey: Bytes, *, reach: int) -> float:
    """The share of pixels within `reach` levels of the commonest grey."""
    counts = np.bincount(grey, minlength=256)
    around = np.convolve(counts, np.ones(2 * reach + 1), mode="same")
    return float(around.max() / grey.size)


def _stroke_px(mask_HW: Bools) -> float:
    """The width of the widest stroke."""
    # Beyond the box there is nothing, which the transform has to be told.
    padded_HW = np.pad(mask_HW, 1).view(np.uint8)
    return 2 * float(cv2.distanceTransform(padded_HW, cv2.DIST_L2, 3).max())


def _is_of_letters(mask_HW: Bools) -> bool:
    """Of several parts, none of which is most of it."""
    parts = largest_components(mask_HW, num=MIN_LETTERS)
    is_much = bool(parts) and parts[0].area_px >= MAX_LETTER_SHARE * int(mask_HW.sum())
    return len(parts) == MIN_LETTERS and not is_much
