"""Squared paper to draw quilt blocks on: convex patches in the unit square, y downwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Corner = Literal["nw", "ne", "se", "sw"]
Side = Literal["n", "e", "s", "w"]


class Role(IntEnum):
    """What a patch does in its block; a quilt gives each role its fabrics."""

    GROUND = 0
    MAIN = 1
    SECOND = 2
    ACCENT = 3
    LIGHT_STRIP = 4
    DARK_STRIP = 5


LETTERS = {"G": Role.GROUND, "M": Role.MAIN, "S": Role.SECOND, "A": Role.ACCENT}


@dataclass(frozen=True)
class Patch:
    """One convex piece: `[n, 2]` corners, its role, and which of the role's fabrics it takes."""

    corners: Points
    role: Role
    variant: int = 0


class Sketch:
    """A block under construction, `size` by `size` squares; what comes later lies on top."""

    def __init__(self, size: float) -> None:
        self.size = size
        self._patches: list[Patch] = []

    @property
    def patches(self) -> tuple[Patch, ...]:
        """What has been drawn, in the unit square."""
        return tuple(self._patches)

    def polygon(self, role: Role, points: Sequence[tuple[float, float]], variant: int = 0) -> None:
        """A convex polygon."""
        corners = np.asarray(points, np.float64) / self.size
        self._patches.append(Patch(corners, role, variant))

    def box(self, role: Role, x0: float, y0: float, x1: float, y1: float, variant: int = 0) -> None:
        """An upright rectangle."""
        self.polygon(role, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], variant)

    def square(self, role: Role, x: float, y: float, side: float = 1) -> None:
        """A square whose corner nearest the origin is at `x`, `y`."""
        self.box(role, x, y, x + side, y + side)

    def checks(self, rows: Sequence[str]) -> None:
        """A square a letter: G(round), M(ain), S(econd), A(ccent)."""
        for y, row in enumerate(rows):
            for x, letter in enumerate(row):
                self.square(LETTERS[letter], x, y)

    def halves(self, corner: Corner, role: Role, other: Role, x: float, y: float) -> None:
        """A unit square cut along a diagonal: `role` fills `corner`, `other` what is across."""
        ring = _ring(x, y)
        at = ("nw", "ne", "se", "sw").index(corner)
        before, here, after, across = (ring[(at + step) % 4] for step in (-1, 0, 1, 2))
        self.polygon(role, [before, here, after])
        self.polygon(other, [after, across, before])

    def quarters(self, letters: str, x: float, y: float) -> None:
        """A unit square cut along both diagonals; `letters` tell top, right, bottom, left."""
        ring = _ring(x, y)
        middle = (x + 0.5, y + 0.5)
        for number, letter in enumerate(letters):
            self.polygon(LETTERS[letter], [ring[number], ring[(number + 1) % 4], middle])

    def goose(
        self,
        goose: Role,
        sky: Role,
        *,
        box: tuple[float, float, float, float],
        flies: Side,
        variant: int = 0,
    ) -> None:
        """A triangle as wide as its box, whose tip touches the side that it flies to."""
        x0, y0, x1, y1 = box
        self.box(sky, x0, y0, x1, y1)
        xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
        triangles = {
            "n": [(x0, y1), (xm, y0), (x1, y1)],
            "e": [(x0, y0), (x1, ym), (x0, y1)],
            "s": [(x0, y0), (x1, y0), (xm, y1)],
            "w": [(x1, y0), (x1, y1), (x0, ym)],
        }
        self.polygon(goose, triangles[flies], variant)

    def quarter_disc(self, role: Role, corner: Corner, x: float, y: float, radius: float) -> None:
        """A quarter of a disc about a corner of the unit square at `x`, `y`."""
        at = ("nw", "ne", "se", "sw").index(corner)
        centre_x, centre_y = _ring(x, y)[at]
        turns = np.linspace(at * np.pi / 2, (at + 1) * np.pi / 2, 9)
        arc = [(centre_x + radius * np.cos(t), centre_y + radius * np.sin(t)) for t in turns]
        self.polygon(role, [(centre_x, centre_y), *arc])


def _ring(x: float, y: float) -> list[tuple[float, float]]:
    return [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
