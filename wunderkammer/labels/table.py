"""What an import yields: labelled pictures by name, and what was refused."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite

# Reasons of a refused box or picture.
BAD_RECORD = "bad_record"
NO_CLASS = "no_class"
LEFT_OUT = "left_out"
EMPTY_BOX = "empty_box"
CROWD = "crowd"
PREDICTED = "predicted"
NO_IMAGE = "no_image"
AMBIGUOUS_IMAGE = "ambiguous_image"
OTHER_SIZE = "other_size"
OUTSIDE = "outside"

MAX_PX = 1 << 20


class LabelsError(ValueError):
    """Labels that can't be read or used at all."""


@dataclass(frozen=True)
class Refused:
    """A box, or a picture with all its boxes, that is not used.

    Attributes:
        where: the file and, where it helps, the line or the number within it.
        reason: one of this module's constants, or one of `DecodeError`.
        detail: the value, and what was expected.
    """

    where: str
    reason: str
    detail: str


@dataclass(frozen=True)
class LabelledBox:
    """A box in px, ends excluded, or in shares of the picture's sides (`LabelledImage`)."""

    x0: float
    y0: float
    x1: float
    y1: float
    name: str


@dataclass(frozen=True)
class LabelledImage:
    """The boxes of a picture that an annotation names.

    Attributes:
        name: the picture's file name, perhaps with folders before it or without its ending.
        boxes: in px of a picture of `size`, or in shares if `is_relative`.
        size: width and height in px as the annotation has them, or None.
        is_spoilt: a box of it was refused; without others it is no background.
    """

    name: str
    boxes: tuple[LabelledBox, ...]
    size: tuple[int, int] | None = None
    is_relative: bool = False
    is_spoilt: bool = False


@dataclass
class Found:
    """The images of an import, gathered by name, and what was refused on the way."""

    refused: list[Refused] = field(default_factory=list)
    _boxes: dict[str, list[LabelledBox]] = field(default_factory=dict)
    _sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    _spoilt: set[str] = field(default_factory=set)
    is_relative: bool = False

    def image(self, name: str, size: tuple[int, int] | None = None) -> None:
        """Note a picture, with or without boxes to come."""
        self._boxes.setdefault(name, [])
        self._sizes[name] = size or self._sizes.get(name)

    def box(self, image: str, box: LabelledBox, *, where: str) -> None:
        """Note a box of a picture, unless it has no area."""
        edges = (box.x0, box.y0, box.x1, box.y1)
        if not all(isfinite(edge) and abs(edge) <= MAX_PX for edge in edges):
            detail = f"edges {edges}; expected: finite numbers of px"
            self.refuse(where, BAD_RECORD, detail, image=image)
        elif box.x1 <= box.x0 or box.y1 <= box.y0:
            detail = f"edges {edges}; expected: x0 < x1 and y0 < y1"
            self.refuse(where, EMPTY_BOX, detail, image=image)
        else:
            self.image(image)
            self._boxes[image].append(box)

    def refuse(self, where: str, reason: str, detail: str, *, image: str | None = None) -> None:
        """Note what is not used, and of which picture it is, if that is known."""
        self.refused.append(Refused(where, reason, detail))
        if image is not None:
            self.image(image)
            self._spoilt.add(image)

    @property
    def images(self) -> list[LabelledImage]:
        """The pictures by name, each once."""
        return [
            LabelledImage(
                name, tuple(boxes), self._sizes.get(name), self.is_relative, name in self._spoilt
            )
            for name, boxes in sorted(self._boxes.items())
        ]


def bounds(xs: Iterable[float], ys: Iterable[float]) -> tuple[float, float, float, float]:
    """The box about points: x0, y0, x1, y1.

    Raises:
        ValueError: there are no points.
    """
    x, y = list(xs), list(ys)
    return min(x), min(y), max(x), max(y)
