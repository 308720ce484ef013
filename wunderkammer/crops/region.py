"""A part of a picture that may become a crop."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Region:
    """A rectangle in px of the upright picture, ends excluded; it may reach beyond the picture.

    Attributes:
        angle_deg: by how much what lies in it is to be turned about its centre, counter-clockwise,
            to stand upright (a page that was scanned askew).
        measures: numbers about it, by name; rules are cuts through them.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    angle_deg: float = 0.0
    measures: Mapping[str, float] = field(default_factory=dict)
