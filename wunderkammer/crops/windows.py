"""The square that is cut around a box: in px of the upright pictures, whole columns at once."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Rectangles: columns x0 to x1, rows y0 to y1, ends excluded.

    They may reach beyond the picture. `angle_deg` is by how much the content is turned about the
    centre, counter-clockwise. Where `shown_width` and `shown_height` are not 0, only the part of
    that size about the centre is shown.
    """

    x0: Ints
    y0: Ints
    x1: Ints
    y1: Ints
    angle_deg: Floats
    shown_width: Ints
    shown_height: Ints

    @classmethod
    def upright(cls, x0: Ints, y0: Ints, x1: Ints, y1: Ints) -> "Windows":
        """Windows of which all is shown, and nothing turned."""
        nothing = np.zeros(len(x0), np.int64)
        return cls(x0, y0, x1, y1, np.zeros(len(x0)), nothing, nothing)

    def moved(self, *, x: Ints, y: Ints) -> "Windows":
        """The same further right and further down, in px."""
        return replace(self, x0=self.x0 + x, y0=self.y0 + y, x1=self.x1 + x, y1=self.y1 + y)

    @property
    def shorter_side(self) -> Ints:
        """In px."""
        side: Ints = np.minimum(self.x1 - self.x0, self.y1 - self.y0)
        return side


@dataclass(frozen=True)
class Boxes:
    """Boxes of objects, in px, and the sizes of the pictures that they are in."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    width: Ints
    height: Ints

    @property
    def longer_side(self) -> Floats:
        """In px."""
        return np.maximum(self.x1 - self.x0, self.y1 - self.y0)


def centre_squares(width: Ints, height: Ints) -> Windows:
    """The largest centred square of each picture (half a pixel to the upper left if odd)."""
    side = np.minimum(width, height)
    x0, y0 = (width - side) // 2, (height - side) // 2
    return Windows.upright(x0, y0, x0 + side, y0 + side)


def squares_around(boxes: Boxes, side: Ints, *, slide: bool) -> Windows:
    """Squares of `side` about the centres of boxes, slid into the picture as far as they fit.

    Without `slide` they stay where they are, and so does with it the direction in which a square
    is larger than the picture: centred.
    """
    x0 = np.round((boxes.x0 + boxes.x1 - side) / 2).astype(np.int64)
    y0 = np.round((boxes.y0 + boxes.y1 - side) / 2).astype(np.int64)
    if slide:
        x0 = _slid(x0, side, boxes.width)
        y0 = _slid(y0, side, boxes.height)
    return Windows.upright(x0, y0, x0 + side, y0 + side)


def cover(boxes: Boxes, side: Ints) -> Floats:
    """How much of a square of `side` its object can fill: min(w, s) min(h, s) / s²."""
    width, height = boxes.x1 - boxes.x0, boxes.y1 - boxes.y0
    share: Floats = np.minimum(width, side) * np.minimum(height, side) / np.maximum(side, 1) ** 2
    return share


def centre_shift(boxes: Boxes, windows: Windows) -> Floats:
    """How far the square's centre lies from the object's: the larger share of width and height."""
    x = (windows.x0 + windows.x1 - boxes.x0 - boxes.x1) / 2 / np.maximum(boxes.width, 1)
    y = (windows.y0 + windows.y1 - boxes.y0 - boxes.y1) / 2 / np.maximum(boxes.height, 1)
    shift: Floats = np.maximum(np.abs(x), np.abs(y))
    return shift


def _slid(start: Ints, side: Ints, size: Ints) -> Ints:
    inside = np.clip(start, 0, np.maximum(size - side, 0))
    return np.where(side <= size, inside, (size - side) // 2)
