"""A rectangle of whole pixels."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


class Box(NamedTuple):
    """Columns x0 to x1, rows y0 to y1, ends excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """In px."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """In px."""
        return self.y1 - self.y0

    @property
    def area_px(self) -> int:
        """Its number of pixels."""
        return self.width * self.height

    def of(self, array_HW: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The part of `array_HW` (not a copy) that lies in it."""
        return array_HW[self.y0 : self.y1, self.x0 : self.x1]

    def moved(self, *, x: int, y: int) -> "Box":
        """The same rectangle `x` px further right and `y` px further down."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)

    def grown(self, by_px: int, *, within: "Box") -> "Box":
        """With `by_px` more (or fewer) on each side, but nothing outside of `within`."""
        return Box(
            max(self.x0 - by_px, within.x0),
            max(self.y0 - by_px, within.y0),
            min(self.x1 + by_px, within.x1),
            min(self.y1 + by_px, within.y1),
        )


def frame_of(array_HW: npt.NDArray[Any]) -> Box:
    """All of an array."""
    height, width = array_HW.shape[:2]
    return Box(0, 0, width, height)
