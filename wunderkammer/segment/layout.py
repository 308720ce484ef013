"""What a frame is made of: strips with writing along its edges, and pictures on a flat canvas."""

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.segment.box import Bools, Box, Bytes, frame_of
from wunderkammer.segment.components import Component, largest_components, stroke_px

Floats = npt.NDArray[np.float64]

# Levels about the commonest that are a strip's paper: in a clean file, and where JPEG has rung.
PAPER_REACHES = (4, 10)
# A strip starts where the share of paper in a row jumps by so much within three rows …
MIN_JUMP = 0.6
# … to so much on average, from rows that have at most so much.
MIN_PAPER = 0.5
MAX_PAPER_BEFORE = 0.35
ROWS_BEFORE = 12
MIN_STRIP_PX = 6
# Writing differs from its paper by so many levels, on so much of the strip; a blank one is canvas.
MIN_INK_CONTRAST = 40
MIN_INK = 0.002
# Of a strip's depth: what is larger both ways, or has so thick a stroke, is no letter.
MAX_LETTER = 0.6
MAX_STROKE = 0.2
MAX_PARTS = 8
# Strips on all four sides, and a second one behind the first.
NUM_ROUNDS = 2

# Levels about a canvas that still are canvas, and what of the border and of all must be so.
CANVAS_REACH = 3
MIN_CANVAS_BORDER = 0.25
MIN_FLAT_CANVAS = 0.9
MAX_TILES = 16
# A tile fills so much of its box, and of a row or column of it; it is so large a part of all.
MIN_TILE_EXTENT = 0.93
MIN_TILE_SIDE = 0.6
TILE_SIDE_PX = 3
MIN_TILE_SHARE = 0.01
MIN_TILE_PX = 32
MIN_TILE_SIDE_SHARE = 0.05
MAX_TILE_SHARE = 0.97
# With canvas on one side only it is a picture above a strip.
MAX_SHARED_EDGES = 2
# Paper holds so much of a label within so many levels, paper and ink so much; no tile's canvas is
# so far from its paper's grey.
PAPER_REACH = 8
MIN_PAPER_SHARE = 0.4
MIN_BOTH_SHARE = 0.7
MIN_PAPER_CONTRAST = 60


def peeled(grey_HW: Bytes, *, max_strip: float) -> list[Box]:
    """The frame, then what is left of it strip by strip.

    A strip is flat paper with writing that runs along an edge; it takes at most `max_strip` of the
    frame's side.
    """
    frame = box = frame_of(grey_HW)
    boxes = [frame]
    num_bare = 0
    for turn in range(4 * NUM_ROUNDS):
        if num_bare == 4:
            break
        # Turned so that the bottom, the left, the top, the right edge is the last row.
        part_HW = np.ascontiguousarray(np.rot90(box.of(grey_HW), turn))
        side_px = frame.height if turn % 2 == 0 else frame.width
        depth = _strip_depth(part_HW, max_px=int(max_strip * side_px))
        num_bare = 0 if depth > 0 else num_bare + 1
        if depth > 0:
            x0, y0, x1, y1 = box
            box = (
                Box(x0, y0, x1, y1 - depth),
                Box(x0 + depth, y0, x1, y1),
                Box(x0, y0 + depth, x1, y1),
                Box(x0, y0, x1 - depth, y1),
            )[turn % 4]
            boxes.append(box)
    return boxes


def tiles(grey_HW: Bytes) -> list[Box]:
    """The rectangular pictures on a canvas of one exact colour (a few levels off in a JPEG)."""
    frame = frame_of(grey_HW)
    canvas = _canvas_level(grey_HW)
    if canvas is None:
        return []
    far_HW = _far_from(grey_HW, canvas, CANVAS_REACH)
    clean_HW = cv2.medianBlur(far_HW.view(np.uint8), 5)
    whole_HW = cv2.morphologyEx(clean_HW, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    # A square opening leaves a rectangle as it is, and nothing of strokes that touch it.
    least_px = 2 * round(MIN_TILE_SIDE_SHARE / 2 * min(grey_HW.shape)) + 1
    whole_HW = cv2.morphologyEx(whole_HW, cv2.MORPH_OPEN, np.ones((least_px,) * 2, np.uint8))
    parts = largest_components(whole_HW > 0, num=MAX_TILES)
    boxes = [box for part in parts if (box := _rectangle(part)) is not None]
    found = [
        box
        for box in boxes
        if MIN_TILE_SHARE <= box.area_px / grey_HW.size <= MAX_TILE_SHARE
        and min(box.width, box.height) >= MIN_TILE_PX
        and _num_shared_edges(box, frame) <= MAX_SHARED_EDGES
        and not _is_label(box.of(grey_HW), canvas)
    ]
    rest_HW = whole_HW.copy()
    num_outside = grey_HW.size
    for box in found:
        around = box.grown(TILE_SIDE_PX, within=frame)
        around.of(rest_HW)[:] = 0
        num_outside -= around.area_px
    is_flat = np.count_nonzero(rest_HW) <= (1 - MIN_FLAT_CANVAS) * num_outside
    return found if is_flat else []


def _num_shared_edges(box: Box, frame: Box) -> int:
    return sum(abs(own - its) <= TILE_SIDE_PX for own, its in zip(box, frame, strict=True))


def is_paper(grey: Bytes) -> bool:
    """Whether pixels are flat paper with writing: two narrow ranges of grey hold most of them."""
    counts = _counts(grey)
    around = np.convolve(counts, np.ones(2 * PAPER_REACH + 1), mode="same")
    paper = int(around.argmax())
    beside = np.abs(np.arange(256) - paper) > 2 * PAPER_REACH
    both = around[paper] + (around * beside).max()
    return bool(around[paper] >= MIN_PAPER_SHARE * grey.size and both >= MIN_BOTH_SHARE * grey.size)


def _is_label(grey_HW: Bytes, canvas: int) -> bool:
    paper = int(_counts(grey_HW).argmax())
    return abs(paper - canvas) >= MIN_PAPER_CONTRAST and is_paper(grey_HW)


def _strip_depth(grey_HW: Bytes, *, max_px: int) -> int:
    """How many of the last rows are a strip; 0 if there is none."""
    height, width = grey_HW.shape
    if height < 2 * MIN_STRIP_PX or width < 2 * MIN_STRIP_PX:
        return 0
    edge = _counts(grey_HW[-max(height // 100, 2) :])
    paper = int(np.convolve(edge, np.ones(5), mode="same").argmax())
    for reach in PAPER_REACHES:
        # Most pictures have no strip on most sides, and this is all that they cost.
        if _share_of_rows(grey_HW[-3:], paper, reach).mean() < MIN_JUMP:
            continue
        first = max(height - max_px, 1)
        start = _strip_start(_share_of_rows(grey_HW, paper, reach), first=first)
        if start is None:
            continue
        # Neither the strip's border nor what another strip has left of itself is writing.
        inner_HW = np.ascontiguousarray(grey_HW[start + 4 :, 3:-3])
        if _is_writing(_far_from(inner_HW, paper, MIN_INK_CONTRAST)):
            return int(height - start)
    return 0


def _share_of_rows(grey_HW: Bytes, level: int, reach: int) -> Floats:
    """The share of each row's pixels that lie within `reach` of a level."""
    near_HW = ~_far_from(grey_HW, level, reach)
    return np.asarray(near_HW.mean(axis=1), np.float64)


def _far_from(grey_HW: Bytes, level: int, reach: int) -> Bools:
    """Where the grey is more than `reach` away from a level."""
    table = np.abs(np.arange(256) - level) > reach
    return np.asarray(cv2.LUT(grey_HW, table.view(np.uint8)), np.uint8).view(np.bool_)


def _counts(grey_HW: Bytes) -> npt.NDArray[np.int64]:
    return np.bincount(grey_HW.ravel(), minlength=256)


def _is_writing(ink_HW: Bools) -> bool:
    """Whether there is ink, and no part of it is so large that it is rather a specimen."""
    if ink_HW.size == 0 or float(ink_HW.mean()) < MIN_INK:
        return False
    depth = ink_HW.shape[0]
    parts = largest_components(ink_HW, num=MAX_PARTS)
    return all(
        min(part.box.width, part.box.height) <= MAX_LETTER * depth
        and stroke_px(part.mask_HW) <= MAX_STROKE * depth
        for part in parts
    )


def _strip_start(paper: Floats, *, first: int) -> int | None:
    """The first row of a strip that reaches to the last row, by the share of paper in each row."""
    height = len(paper)
    jump = np.zeros(height)
    jump[2:-1] = paper[3:] - paper[:-3]
    for row in np.flatnonzero(jump >= MIN_JUMP):
        strip = paper[row + 1 :]
        if row < first or len(strip) < MIN_STRIP_PX:
            continue
        before = paper[max(row - ROWS_BEFORE, 0) : row - 1]
        if float(strip.mean()) >= MIN_PAPER and float(before.mean()) <= MAX_PAPER_BEFORE:
            return max(int(row) - 1, 0)
    return None


def _canvas_level(grey_HW: Bytes) -> int | None:
    """The grey of much of the border, None if there is no such."""
    px = max(min(grey_HW.shape) // 100, 2)
    sides = (grey_HW[:px], grey_HW[-px:], grey_HW[px:-px, :px], grey_HW[px:-px, -px:])
    counts = np.sum([_counts(side) for side in sides], axis=0)
    level = int(counts.argmax())
    near = int(counts[max(level - 1, 0) : level + 2].sum())
    return level if near >= MIN_CANVAS_BORDER * int(counts.sum()) else None


def _rectangle(part: Component) -> Box | None:
    """The rectangle that a component is but for what sticks out of it; None if it is none."""
    rows = np.flatnonzero(part.mask_HW.mean(axis=1) >= MIN_TILE_SIDE)
    columns = np.flatnonzero(part.mask_HW.mean(axis=0) >= MIN_TILE_SIDE)
    if rows.size == 0 or columns.size == 0:
        return None
    inner = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    num_inside = np.count_nonzero(inner.of(part.mask_HW))
    is_full = num_inside >= MIN_TILE_EXTENT * inner.area_px
    is_all = num_inside >= MIN_TILE_EXTENT * part.area_px
    return inner.moved(x=part.box.x0, y=part.box.y0) if is_full and is_all else None
