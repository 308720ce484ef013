"""Specimens in a frame, by a threshold of grey."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from wunderkammer.crops.region import Region
from wunderkammer.segment.annotations import is_annotation
from wunderkammer.segment.box import Bools, Box, Bytes, frame_of
from wunderkammer.segment.components import Component, largest_components
from wunderkammer.segment.layout import peeled, tiles
from wunderkammer.segment.levels import histogram, threshold
from wunderkammer.segment.light import differences
from wunderkammer.segment.params import Method, Prefer
from wunderkammer.segment.settings import ThresholdSettings

# The values of the measure `method`.
METHOD_CODES = {"tile": 0, "contrast": 1, "otsu": 2, "yen": 3}
# A threshold is found anew without what it took for annotations, so often at most.
NUM_PASSES = 4
# Of a picture's area: what is smaller is not looked at more closely.
MIN_LOOK = 0.0005
NUM_LOOKS = 12
# What blurring and JPEG leave of a tile's edge.
TILE_EDGE_PX = 3
MIN_SMOOTH_PX = 0.8
# About a region, as a share of the picture's shorter side: where its background is measured.
RIM = 0.02


def threshold_regions(image_HWC: Bytes, settings: ThresholdSettings) -> list[Region]:
    """The specimens in a frame (uint8 RGB), best first; none if none is in bounds.

    Boxes are as tight as the regions, and end at the frame's edges.

    Measures:
        area_px, area_share: its area, in px and of the frame.
        minor_major: ratio of its axes, those of the ellipse with the same second moments.
        solidity, extent: its area by that of its convex hull, and of its box.
        touches_border: 1 where it reaches an edge of the frame or of a strip, else 0.
        center_shift: distance of its box's centre from the field's, by half the field's diagonal.
        contrast: levels between its median grey and that of a rim around it.
        threshold, method: what found it; see `METHOD_CODES`.
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
    return [_region(candidate, field, grey_HW) for candidate in found]


def _layout(grey_HW: Bytes, settings: ThresholdSettings) -> tuple[Box, list[Box]]:
    """The frame without strips, and the tiles in it."""
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


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A region of a field: its component there, and what found it."""

    component: Component
    threshold: int
    method: str


def _find(
    grey_HW: Bytes, on_canvas: list[Box], settings: ThresholdSettings, *, frame_px: int
) -> list[_Candidate]:
    if settings.tiles == "whole":
        found = _best_first([_tile(box) for box in on_canvas], grey_HW, settings, frame_px)
        if found:
            return found
    if settings.tiles == "inside" and on_canvas:
        inner = [box.grown(-TILE_EDGE_PX, within=frame_of(grey_HW)) for box in on_canvas]
        found = [
            _moved(candidate, box)
            for box in inner
            for candidate in _search(box.of(grey_HW), settings, frame_px=frame_px)
        ]
        return _ordered(found, grey_HW, settings.prefer)
    return _search(grey_HW, settings, frame_px=frame_px)


def _search(grey_HW: Bytes, settings: ThresholdSettings, *, frame_px: int) -> list[_Candidate]:
    """What the first method finds whose best region is in bounds."""
    side_px = min(grey_HW.shape)
    smooth_HW = grey_HW
    if settings.smooth > 0:
        sigma = max(settings.smooth * side_px, MIN_SMOOTH_PX)
        smooth_HW = np.asarray(cv2.GaussianBlur(grey_HW, (0, 0), sigma), np.uint8)
    apart_HW = differences(
        smooth_HW, foreground=settings.foreground, level_light=settings.level_light
    )
    for method in settings.methods:
        candidates = _segment(apart_HW, grey_HW, settings, method)
        found = _best_first(candidates, grey_HW, settings, frame_px)
        if found:
            return found
    return []


def _segment(
    apart_HW: Bytes, grey_HW: Bytes, settings: ThresholdSettings, method: Method
) -> list[_Candidate]:
    """The largest regions above a method's threshold, found anew without annotations."""
    use_HW: Bools | None = None
    grey_level = float(np.median(grey_HW[::4, ::4])) if settings.leave_out_annotations else 0.0
    close_px = round(settings.close * min(grey_HW.shape))
    found: list[Component] = []
    level = 0
    for _ in range(NUM_PASSES if settings.leave_out_annotations else 1):
        counts = histogram(apart_HW, use_HW=use_HW)
        level = threshold(counts, method=method, contrast_share=settings.contrast_share)
        raw_HW = apart_HW > level
        if use_HW is not None:
            raw_HW &= use_HW
        mask_HW = _closed(raw_HW, close_px=close_px, fill_holes=settings.fill_holes)
        if not settings.leave_out_annotations:
            found = largest_components(mask_HW, num=settings.num_largest)
            break
        looked = [
            component
            for component in largest_components(mask_HW, num=max(NUM_LOOKS, settings.num_largest))
            if component.area_px >= MIN_LOOK * grey_HW.size
        ]
        flags = [
            is_annotation(component, grey_HW=grey_HW, raw_HW=raw_HW, level=grey_level)
            for component in looked
        ]
        found = [c for c, flag in zip(looked, flags, strict=True) if not flag]
        if not any(flags):
            break
        if use_HW is None:
            use_HW = np.ones(grey_HW.shape, bool)
        for component, flag in zip(looked, flags, strict=True):
            if flag:
                _leave_out(use_HW, component, by_px=max(close_px, 3))
        if not use_HW.any():
            break
    return [
        _Candidate(component=component, threshold=level, method=method)
        for component in found[: settings.num_largest]
    ]


def _closed(mask_HW: Bools, *, close_px: int, fill_holes: bool) -> Bools:
    """The mask with gaps of up to twice `close_px` closed, and with what it encloses."""
    if close_px > 0:
        # Nothing is beyond the edges, or all that is near them would grow together with them.
        padded_HW = np.pad(mask_HW, close_px).view(np.uint8)
        kernel = np.ones((2 * close_px + 1,) * 2, np.uint8)
        closed_HW = cv2.morphologyEx(padded_HW, cv2.MORPH_CLOSE, kernel)
        inner = slice(close_px, -close_px)
        mask_HW = np.ascontiguousarray(closed_HW[inner, inner]).view(np.bool_)
    if not fill_holes:
        return mask_HW
    outlines, _ = cv2.findContours(
        mask_HW.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    filled_HW = np.zeros(mask_HW.shape, np.uint8)
    cv2.drawContours(filled_HW, outlines, -1, 1, cv2.FILLED)
    return filled_HW.view(np.bool_)


def _leave_out(use_HW: Bools, component: Component, *, by_px: int) -> None:
    """Take a component, and what lies within `by_px` of it, out of `use_HW`."""
    box = component.box.grown(by_px, within=frame_of(use_HW))
    own_HW = np.zeros((box.height, box.width), np.uint8)
    component.box.moved(x=-box.x0, y=-box.y0).of(own_HW)[:] = component.mask_HW
    near_HW = cv2.dilate(own_HW, np.ones((2 * by_px + 1,) * 2, np.uint8)) > 0
    box.of(use_HW)[near_HW] = False


def _best_first(
    candidates: list[_Candidate], grey_HW: Bytes, settings: ThresholdSettings, frame_px: int
) -> list[_Candidate]:
    """The candidates in bounds in the order of preference; none if the best is out of bounds."""
    largest = sorted(candidates, key=lambda c: -c.component.area_px)[: settings.num_largest]
    ordered = _ordered(largest, grey_HW, settings.prefer)
    in_bounds = [_is_in_bounds(c.component.area_px, settings, frame_px) for c in ordered]
    if not ordered or not in_bounds[0]:
        return []
    return [candidate for candidate, fits in zip(ordered, in_bounds, strict=True) if fits]


def _is_in_bounds(area_px: int, settings: ThresholdSettings, frame_px: int) -> bool:
    most_px = settings.max_area * frame_px
    if settings.max_area_px is not None:
        most_px = min(most_px, settings.max_area_px)
    return max(settings.min_area * frame_px, settings.min_area_px) <= area_px <= most_px


def _ordered(candidates: list[_Candidate], grey_HW: Bytes, prefer: Prefer) -> list[_Candidate]:
    keys: dict[Prefer, Callable[[Component], float]] = {
        "largest": lambda component: component.area_px,
        "squarest": lambda component: component.minor_major,
        "most_solid": lambda component: component.solidity,
        "most_central": lambda component: -_centre_shift(component.box, frame_of(grey_HW)),
        "most_contrast": lambda component: _contrast(component, grey_HW),
    }
    return sorted(candidates, key=lambda c: keys[prefer](c.component), reverse=True)


def _tile(box: Box) -> _Candidate:
    mask_HW = np.ones((box.height, box.width), bool)
    component = Component(box=box, area_px=box.area_px, mask_HW=mask_HW)
    return _Candidate(component=component, threshold=0, method="tile")


def _moved(candidate: _Candidate, to: Box) -> _Candidate:
    box = candidate.component.box.moved(x=to.x0, y=to.y0)
    return replace(candidate, component=replace(candidate.component, box=box))


def _region(candidate: _Candidate, field: Box, grey_HW: Bytes) -> Region:
    component = candidate.component
    inner = frame_of(field.of(grey_HW))
    box = component.box.moved(x=field.x0, y=field.y0)
    touches = component.box != component.box.grown(1, within=inner).grown(-1, within=inner)
    return Region(
        x0=box.x0,
        y0=box.y0,
        x1=box.x1,
        y1=box.y1,
        measures={
            "area_px": float(component.area_px),
            "area_share": component.area_px / grey_HW.size,
            "minor_major": component.minor_major,
            "solidity": component.solidity,
            "extent": component.extent,
            "touches_border": float(touches),
            "center_shift": _centre_shift(component.box, inner),
            "contrast": _contrast(component, field.of(grey_HW)),
            "threshold": float(candidate.threshold),
            "method": float(METHOD_CODES[candidate.method]),
            "field_x0": float(field.x0),
            "field_y0": float(field.y0),
            "field_x1": float(field.x1),
            "field_y1": float(field.y1),
        },
    )


def _centre_shift(box: Box, field: Box) -> float:
    x = (box.x0 + box.x1 - field.x0 - field.x1) / 2
    y = (box.y0 + box.y1 - field.y0 - field.y1) / 2
    return float(np.hypot(x, y) / (np.hypot(field.width, field.height) / 2))


def _contrast(component: Component, grey_HW: Bytes) -> float:
    """Levels between the median grey of a component and that of a rim around it; 0 without one."""
    rim_px = max(round(RIM * min(grey_HW.shape)), 2)
    box = component.box.grown(rim_px, within=frame_of(grey_HW))
    own_HW = np.zeros((box.height, box.width), bool)
    component.box.moved(x=-box.x0, y=-box.y0).of(own_HW)[:] = component.mask_HW
    kernel = np.ones((2 * rim_px + 1,) * 2, np.uint8)
    rim_HW = (cv2.dilate(own_HW.view(np.uint8), kernel) > 0) & ~own_HW
    if not rim_HW.any():
        return 0.0
    inside_HW = box.of(grey_HW)
    return abs(float(np.median(inside_HW[own_HW])) - float(np.median(inside_HW[rim_HW])))
