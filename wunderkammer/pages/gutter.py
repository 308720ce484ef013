"""Where a picture of two pages is to be parted.

Two signs: the shadow or line of the fold, where the paper is darker than beside it all the way
down, and the two inner margins, a gap of the print with print on either side.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

# The fold of a spread lies in this part of its width.
BAND = (0.38, 0.62)
# The fold is looked for in so many stretches of the height, and counts as much as it shows in the
# weakest tenth of them, between paper: an edge within a picture shows in some, a fold in all.
NUM_STRETCHES = 16
WEAKEST = 10
PAPER_PERCENTILE = 80
MIN_PAPER_SHARE = 0.85
MIN_PAPER_LEVEL = 145
SHADOW_SHARE = 0.05
# A fold that is darker than the paper by this share, and inner margins of this share of the width
# beyond that of a column's gap, count in full.
FULL_DIP = 0.2
VISIBLE = 0.25
COLUMN_GAP = 0.02
FULL_GAP = 0.08
# A column of px with less ink than this is empty but for specks.
EMPTY_SHARE = 0.004
MIN_SIDE_INK = 0.005


@dataclass(frozen=True)
class Gutter:
    """`x` in px from the left edge of what was looked at; `strength` is 0 (none) to 1."""

    x: float
    strength: float


def find_gutter(grey_HW: Bytes, ink_HW: Bools, *, paper_grey: int, lines_run_down: bool) -> Gutter:
    """The likeliest gutter of a deskewed sheet; its middle, with strength 0, if nothing shows.

    Where lines run down, a gap between two of them says nothing.
    """
    width = grey_HW.shape[1]
    low, high = round(BAND[0] * width), round(BAND[1] * width)
    if high - low < 8:
        return Gutter(width / 2, 0.0)
    fold = _fold(grey_HW, low, high, paper_grey)
    gap = Gutter(width / 2, 0.0) if lines_run_down else _gap(ink_HW, low, high)
    strength = max(fold.strength, gap.strength)
    # The fold is where the pages meet; the middle of the gap is, if their margins are alike.
    return Gutter(fold.x if fold.strength >= VISIBLE else gap.x, strength)


def _fold(grey_HW: Bytes, low: int, high: int, paper_grey: int) -> Gutter:
    reach = max(3, round(SHADOW_SHARE * grey_HW.shape[1]))
    paper_SW = np.stack(
        [
            np.percentile(part_HW, PAPER_PERCENTILE, axis=0)
            for part_HW in np.array_split(grey_HW, NUM_STRETCHES)
            if part_HW.size
        ]
    )
    # The paper beside the fold, on its darker side: a closing of the profile.
    beside_SW = cv2.morphologyEx(
        paper_SW.astype(np.float32), cv2.MORPH_CLOSE, np.ones((1, 2 * reach + 1), np.uint8)
    )
    dip_SW = (beside_SW - paper_SW) / np.maximum(beside_SW, 1)
    dip_SW[beside_SW < max(MIN_PAPER_SHARE * paper_grey, MIN_PAPER_LEVEL)] = 0
    dip_W = np.percentile(dip_SW[:, low:high], WEAKEST, axis=0)
    deepest = float(dip_W.max())
    # Where a shadow is flat, its middle.
    deep = np.flatnonzero(dip_W >= 0.9 * deepest)
    return Gutter(low + float(deep.mean()) + 0.5, min(1.0, deepest / FULL_DIP))


def _gap(ink_HW: Bools, low: int, high: int) -> Gutter:
    height, width = ink_HW.shape
    ink_W = ink_HW.sum(axis=0) / height
    is_empty = ink_W <= EMPTY_SHARE
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_empty.astype(np.int8), [0]))))
    gaps = [
        (start, end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if low <= (start + end) / 2 <= high and start > 0 and end < width
    ]
    if not gaps:
        return Gutter(width / 2, 0.0)
    start, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    if min(ink_W[:start].mean(), ink_W[end:].mean()) < MIN_SIDE_INK:
        return Gutter((start + end) / 2, 0.0)
    excess = (end - start) / width - COLUMN_GAP
    return Gutter((start + end) / 2, float(np.clip(excess / (FULL_GAP - COLUMN_GAP), 0, 1)))
