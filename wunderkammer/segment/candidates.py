"""Regions of a field that may be a specimen: their order, their bounds and their measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wunderkammer.crops.region import Region
from wunderkammer.segment.box import Box, Bytes, frame_of
from wunderkammer.segment.components import Component
from wunderkammer.segment.mask import spread
from wunderkammer.segment.params import METHOD_CODES, Prefer
from wunderkammer.segment.settings import ThresholdSettings

# About a region, as a share of the field's shorter side: where its background is measured.
RIM = 0.02


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A region of a field: its component there, and what found it at which threshold."""

    component: Component
    threshold: int
    method: str

    def moved(self, *, x: int, y: int) -> "Candidate":
        """The same `x` px further right and `y` px further down."""
        box = self.component.box.moved(x=x, y=y)
        return replace(self, component=replace(self.component, box=box))


def tile_candidate(box: Box) -> Candidate:
    """All of a tile."""
    mask_HW = np.ones((box.height, box.width), bool)
    component = Component(box=box, area_px=box.area_px, mask_HW=mask_HW)
    return Candidate(component=component, threshold=0, method="tile")


def best_first(
    candidates: Sequence[Candidate], grey_HW: Bytes, settings: ThresholdSettings, *, frame_px: int
) -> list[Candidate]:
    """Those in bounds among the largest, in the order of preference; none if the best is not."""
    largest = sorted(candidates, key=lambda c: -c.component.area_px)[: settings.num_largest]
    ranked = ordered(largest, grey_HW, settings.prefer)
    fits = [_is_in_bounds(c.component.area_px, settings, frame_px) for c in ranked]
    if not ranked or not fits[0]:
        return []
    return [candidate for candidate, fit in zip(ranked, fits, strict=True) if fit]


def ordered(candidates: Sequence[Candidate], grey_HW: Bytes, prefer: Prefer) -> list[Candidate]:
    """The preferred first; of equal ones the first."""
    keys: dict[Prefer, Callable[[Component], float]] = {
        "largest": lambda component: component.area_px,
        "squarest": lambda component: component.minor_major,
        "most_solid": lambda component: component.solidity,
        "most_central": lambda component: -_center_shift(component.box, frame_of(grey_HW)),
        "most_contrast": lambda component: _contrast(component, grey_HW),
    }
    return sorted(candidates, key=lambda c: keys[prefer](c.component), reverse=True)


def region(candidate: Candidate, field: Box, grey_HW: Bytes) -> Region:
    """A candidate of a field as a region of the frame `grey_HW`, with its measures."""
    component = candidate.component
    field_HW = field.of(grey_HW)
    inner = frame_of(field_HW)
    box = component.box.moved(x=field.x0, y=field.y0)
    touches = any(own == edge for own, edge in zip(component.box, inner, strict=True))
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
            "center_shift": _center_shift(component.box, inner),
            "contrast": _contrast(component, field_HW),
            "threshold": float(candidate.threshold),
            "method": float(METHOD_CODES[candidate.method]),
            **{f"field_{edge}": float(at) for edge, at in field._asdict().items()},
        },
    )


def _is_in_bounds(area_px: int, settings: ThresholdSettings, frame_px: int) -> bool:
    most_px = settings.max_area * frame_px
    if settings.max_area_px is not None:
        most_px = min(most_px, settings.max_area_px)
    return max(settings.min_area * frame_px, settings.min_area_px) <= area_px <= most_px


def _center_shift(box: Box, field: Box) -> float:
    x = (box.x0 + box.x1 - field.x0 - field.x1) / 2
    y = (box.y0 + box.y1 - field.y0 - field.y1) / 2
    return float(np.hypot(x, y) / (np.hypot(field.width, field.height) / 2))


def _contrast(component: Component, grey_HW: Bytes) -> float:
    """Levels between the median grey of a component and that of a rim around it; 0 without one."""
    rim_px = max(round(RIM * min(grey_HW.shape)), 2)
    frame = frame_of(grey_HW)
    box = component.box.grown(rim_px, within=frame)
    rim_HW = spread(component, by_px=rim_px, within=frame)
    component.box.moved(x=-box.x0, y=-box.y0).of(rim_HW)[component.mask_HW] = False
    if not rim_HW.any():
        return 0.0
    own = component.box.of(grey_HW)[component.mask_HW]
    return abs(float(np.median(own)) - float(np.median(box.of(grey_HW)[rim_HW])))
