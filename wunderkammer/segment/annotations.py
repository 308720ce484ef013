"""What a microscope's program or a curator puts over a picture: labels, scale bars and words.

Ink and paper are flat: near one grey, which no specimen in real light is. Beyond that a bar is
long, a label a rectangle, and letters are thin strokes.
"""

import numpy as np

from wunderkammer.segment.box import Bools, Bytes
from wunderkammer.segment.components import Component, largest_components, stroke_px
from wunderkammer.segment.layout import is_paper

MIN_BAR_ASPECT = 4.0
MIN_BAR_EXTENT = 0.75
MIN_LABEL_EXTENT = 0.9
MIN_FLAT = 0.5
# Letters that have run into one another: a long line whose strokes are thinner than it is high.
MIN_LINE_ASPECT = 6.0
MAX_LINE_STROKE = 0.6
# Ink is so much darker or brighter than what is around it.
MIN_INK_CONTRAST = 60
# Levels about its commonest grey, as a share of the contrast: blurred strokes have softer edges.
FLAT_SHARE = 0.08
MIN_FLAT_REACH, MAX_FLAT_REACH = 2, 12
# The widest stroke of letters by the square root of the area of their line.
MAX_STROKE = 0.5
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
    is_flat, contrast = _ink(inside_HW[own_HW], level)
    if is_flat and component.aspect >= MIN_BAR_ASPECT and component.extent >= MIN_BAR_EXTENT:
        return True
    height = min(component.box.width, component.box.height) / min(grey_HW.shape)
    stroke = stroke_px(own_HW) / component.area_px**0.5
    if is_flat and contrast > MIN_INK_CONTRAST and stroke < MAX_STROKE:
        return bool(height < MAX_INK_HEIGHT)
    return height < MAX_WORD_HEIGHT and _is_line_of_text(component, own_HW)


def _ink(grey: Bytes, level: float) -> tuple[bool, float]:
    """Whether most pixels are near one grey, and by how much they differ from `level`.

    Pixels at the edges of strokes, that are nearer to what is around them, do not count.
    """
    apart = np.abs(grey - level)
    grey = grey[apart >= np.percentile(apart, 90) / 2]
    contrast = abs(float(np.median(grey)) - level)
    reach = round(min(max(FLAT_SHARE * contrast, MIN_FLAT_REACH), MAX_FLAT_REACH))
    around = np.convolve(np.bincount(grey, minlength=256), np.ones(2 * reach + 1), mode="same")
    return float(around.max()) > MIN_FLAT * grey.size, contrast


def _is_line_of_text(component: Component, own_HW: Bools) -> bool:
    stroke = stroke_px(own_HW)
    height_px = min(component.box.width, component.box.height)
    if component.aspect >= MIN_LINE_ASPECT and stroke < MAX_LINE_STROKE * height_px:
        return True
    return (
        component.aspect >= MIN_WORD_ASPECT
        and stroke < MAX_WORD_STROKE * component.area_px**0.5
        and _is_of_letters(own_HW)
    )


def _is_of_letters(mask_HW: Bools) -> bool:
    """Of several parts, none of which is most of it."""
    parts = largest_components(mask_HW, num=MIN_LETTERS)
    is_much = bool(parts) and parts[0].area_px >= MAX_LETTER_SHARE * int(mask_HW.sum())
    return len(parts) == MIN_LETTERS and not is_much
