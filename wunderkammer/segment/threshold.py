"""Specimens in a frame, by a threshold of grey."""

import cv2
import numpy as np

from wunderkammer.crops.region import Region
from wunderkammer.segment.annotations import is_annotation
from wunderkammer.segment.box import Bools, Box, Bytes, frame_of
from wunderkammer.segment.candidates import (
    Candidate,
    best_first,
    ordered,
    region,
    tile_candidate,
)
from wunderkammer.segment.components import Component, largest_components
from wunderkammer.segment.layout import peeled, tiles
from wunderkammer.segment.levels import above, histogram, threshold
from wunderkammer.segment.light import differences
from wunderkammer.segment.mask import closed, leave_out
from wunderkammer.segment.params import Method
from wunderkammer.segment.settings import ThresholdSettings

# A threshold is found anew without what it took for annotations, so often at most.
NUM_PASSES = 4
# Of a picture's area: what is smaller is not looked at more closely.
MIN_LOOK = 0.0005
NUM_LOOKS = 12
LEAST_AROUND_PX = 3
# What blurring and JPEG leave of a tile's edge.
TILE_EDGE_PX = 3
# Less blur than this is none, more costs small specimens.
MIN_SIGMA_PX = 0.8


def threshold_regions(image_HWC: Bytes, settings: ThresholdSettings) -> list[Region]:
    """The specimens in a frame (uint8 RGB), best first; none if none is in bounds.

    Boxes are as tight as the regions, and end at the frame's edges.

    Measures:
        area_px, area_share: its area, in px and of the frame.
        minor_major: ratio of the axes of the ellipse with the same second moments.
        solidity, extent: its area by that of its convex hull, and of its box.
        touches_border: 1 where it reaches an edge of the frame or of a strip, else 0.
        center_shift: distance of its box's centre from the field's, by half the field's diagonal.
        contrast: levels between its median grey and that of a rim around it.
        threshold, method: what found it (`METHOD_CODES`).
        field_x0, field_y0, field_x1, field_y1: the frame without strips, in px.

    Raises:
        ValueError: the image is not such an array.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise ValueError(
            f"a {image_HWC.dtype} array of shape {image_HWC.shape} can't be segmented; "
            f"allowed: uint8 of shape (height, width, 3)"
        )
    grey_HW = np.asarray(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY), np.uint8)
    field, on_canvas = _layout(grey_HW, settings)
    found = _find(field.of(grey_HW), on_canvas, settings, frame_px=grey_HW.size)
    return [region(candidate, field, grey_HW) for candidate in found]


def _layout(grey_HW: Bytes, settings: ThresholdSettings) -> tuple[Box, list[Box]]:
    """The field, which is the frame without strips, and the tiles in it."""
    boxes = [frame_of(grey_HW)]
    if settings.leave_out_annotations and settings.max_strip > 0:
        boxes = peeled(grey_HW, max_strip=settings.max_strip)
    if settings.tiles != "ignore":
        # Words on a canvas make a strip of its margin, without which no canvas may be left.
        for box in boxes:
            found = tiles(box.of(grey_HW))
            if found:
                return box, found
    return boxes[-1], []


def _find(
    grey_HW: Bytes, on_canvas: list[Box], settings: ThresholdSettings, *, frame_px: int
) -> list[Candidate]:
    if settings.tiles == "whole":
        whole = [tile_candidate(box) for box in on_canvas]
        found = best_first(whole, grey_HW, settings, frame_px=frame_px)
        return found or _search(grey_HW, settings, frame_px=frame_px)
    if not on_canvas:
        return _search(grey_HW, settings, frame_px=frame_px)
    inner = [box.grown(-TILE_EDGE_PX, within=frame_of(grey_HW)) for box in on_canvas]
    found = [
        candidate.moved(x=box.x0, y=box.y0)
        for box in inner
        for candidate in _search(box.of(grey_HW), settings, frame_px=frame_px)
    ]
    return ordered(found, grey_HW, settings.prefer)


def _search(grey_HW: Bytes, settings: ThresholdSettings, *, frame_px: int) -> list[Candidate]:
    """What the first method finds whose best region is in bounds."""
    smooth_HW = grey_HW
    if settings.smooth > 0:
        sigma = max(settings.smooth * min(grey_HW.shape), MIN_SIGMA_PX)
        smooth_HW = np.asarray(cv2.GaussianBlur(grey_HW, (0, 0), sigma), np.uint8)
    apart_HW = differences(
        smooth_HW, foreground=settings.foreground, level_light=settings.level_light
    )
    for method in settings.methods:
        candidates = _segment(apart_HW, grey_HW, settings, method)
        found = best_first(candidates, grey_HW, settings, frame_px=frame_px)
        if found:
            return found
    return []


def _segment(
    apart_HW: Bytes, grey_HW: Bytes, settings: ThresholdSettings, method: Method
) -> list[Candidate]:
    """The largest regions above a method's threshold, found anew without annotations."""
    close_px = round(settings.close * min(grey_HW.shape))
    use_HW: Bools | None = None
    for _ in range(NUM_PASSES):
        counts = histogram(apart_HW, use_HW=use_HW)
        level = threshold(counts, method=method, contrast_share=settings.contrast_share)
        raw_HW = above(apart_HW, level)
        if use_HW is not None:
            raw_HW &= use_HW
        mask_HW = closed(raw_HW, close_px=close_px, fill_holes=settings.fill_holes)
        if settings.leave_out_annotations:
            found, annotations = _told_apart(mask_HW, raw_HW, grey_HW, num=settings.num_largest)
        else:
            found, annotations = largest_components(mask_HW, num=settings.num_largest), []
        if not annotations:
            break
        use_HW = np.ones(grey_HW.shape, bool) if use_HW is None else use_HW
        for annotation in annotations:
            leave_out(use_HW, annotation, by_px=max(close_px, LEAST_AROUND_PX))
        if not use_HW.any():
            break
    return [Candidate(component=part, threshold=level, method=method) for part in found]


def _told_apart(
    mask_HW: Bools, raw_HW: Bools, grey_HW: Bytes, *, num: int
) -> tuple[list[Component], list[Component]]:
    """The `num` largest components that may be specimens, and annotations among the largest."""
    level = float(np.median(grey_HW[::4, ::4]))
    found: list[Component] = []
    annotations: list[Component] = []
    for component in largest_components(mask_HW, num=max(NUM_LOOKS, num)):
        if component.area_px < MIN_LOOK * grey_HW.size:
            break
        is_one = is_annotation(component, grey_HW=grey_HW, raw_HW=raw_HW, level=level)
        (annotations if is_one else found).append(component)
    return found[:num], annotations
