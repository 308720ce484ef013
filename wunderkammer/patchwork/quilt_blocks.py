"""Traditional quilt blocks. Every block dictionary has them; none is anyone's property."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wunderkammer.patchwork.quilt_sketch import Corner, Patch, Role, Side, Sketch

GROUND, MAIN, SECOND, ACCENT = Role.GROUND, Role.MAIN, Role.SECOND, Role.ACCENT

Arrangement = Literal["same", "checker", "furrow", "barn", "spin"]


@dataclass(frozen=True)
class Block:
    """A block, how many make a quilt's side, and how neighbours may be turned.

    Attributes:
        counts: blocks a side, each as likely as the others.
        arrangements: ways to turn neighbours (`quilt_layout` knows them), each as likely.
        takes_plain: whether plain squares may stand between such blocks.
    """

    label: str
    patches: tuple[Patch, ...]
    counts: tuple[int, ...]
    arrangements: tuple[Arrangement, ...] = ("same",)
    takes_plain: bool = True

    @property
    def title(self) -> str:
        """The label as a person writes it."""
        return self.label.replace("_", " ").capitalize()


def _drawn(size: float, draw: Callable[[Sketch], None]) -> tuple[Patch, ...]:
    sketch = Sketch(size)
    draw(sketch)
    return sketch.patches


def _nine_patch(sketch: Sketch) -> None:
    sketch.checks(["MGM", "GMG", "MGM"])


def _irish_chain(sketch: Sketch) -> None:
    sketch.checks(["MSGSM", "SMSMS", "GSMSG", "SMSMS", "MSGSM"])


def _log_cabin(sketch: Sketch) -> None:
    """Strips wound round a hearth, light on two sides and dark on two."""
    num_rounds = int(sketch.size) // 2
    x0 = y0 = float(num_rounds)
    x1 = y1 = num_rounds + 1.0
    sketch.box(ACCENT, x0, y0, x1, y1)
    for number in range(num_rounds):
        first, second = 2 * number, 2 * number + 1
        sketch.box(Role.LIGHT_STRIP, x0, y0 - 1, x1, y0, first)
        y0 -= 1
        sketch.box(Role.LIGHT_STRIP, x1, y0, x1 + 1, y1, second)
        x1 += 1
        sketch.box(Role.DARK_STRIP, x0, y1, x1, y1 + 1, first)
        y1 += 1
        sketch.box(Role.DARK_STRIP, x0 - 1, y0, x0, y1, second)
        x0 -= 1


def _courthouse_steps(sketch: Sketch) -> None:
    """Strips laid on opposite sides of a hearth in turn."""
    num_rounds = int(sketch.size) // 2
    low, high = float(num_rounds), num_rounds + 1.0
    sketch.box(ACCENT, low, low, high, high)
    for number in range(num_rounds):
        for y in (low - 1, high):
            sketch.box(Role.LIGHT_STRIP, low, y, high, y + 1, number)
        for x in (low - 1, high):
            sketch.box(Role.DARK_STRIP, x, low - 1, x + 1, high + 1, number)
        low, high = low - 1, high + 1


def _flying_geese(sketch: Sketch) -> None:
    """Two flights of four geese, each goose of a cloth of its own."""
    for y in range(4):
        for x in (0, 2):
            sketch.goose(MAIN, GROUND, box=(x, y, x + 2, y + 1), flies="n", variant=y)


def _pinwheel(sketch: Sketch) -> None:
    sketch.halves("sw", MAIN, GROUND, 0, 0)
    sketch.halves("nw", MAIN, GROUND, 1, 0)
    sketch.halves("ne", MAIN, GROUND, 1, 1)
    sketch.halves("se", MAIN, GROUND, 0, 1)


def _broken_dishes(sketch: Sketch) -> None:
    sketch.halves("se", GROUND, MAIN, 0, 0)
    sketch.halves("sw", MAIN, GROUND, 1, 0)
    sketch.halves("nw", GROUND, MAIN, 1, 1)
    sketch.halves("ne", MAIN, GROUND, 0, 1)


def _hourglass(sketch: Sketch) -> None:
    for x, y in ((0, 0), (1, 1)):
        sketch.quarters("MGMG", x, y)
    for x, y in ((1, 0), (0, 1)):
        sketch.quarters("GMGM", x, y)


def _ohio_star(sketch: Sketch) -> None:
    sketch.checks(["GGG", "GSG", "GGG"])
    sketch.quarters("GMAM", 1, 0)
    sketch.quarters("MGMA", 2, 1)
    sketch.quarters("AMGM", 1, 2)
    sketch.quarters("MAMG", 0, 1)


def _sawtooth_star(sketch: Sketch) -> None:
    sketch.box(GROUND, 0, 0, 4, 4)
    sketch.box(SECOND, 1, 1, 3, 3)
    sides: tuple[tuple[tuple[float, float, float, float], Side], ...] = (
        ((1, 0, 3, 1), "s"),
        ((3, 1, 4, 3), "w"),
        ((1, 3, 3, 4), "n"),
        ((0, 1, 1, 3), "e"),
    )
    for box, inwards in sides:
        sketch.goose(GROUND, MAIN, box=box, flies=inwards)


def _friendship_star(sketch: Sketch) -> None:
    sketch.checks(["GGG", "GMG", "GGG"])
    sketch.halves("se", MAIN, GROUND, 1, 0)
    sketch.halves("sw", MAIN, GROUND, 2, 1)
    sketch.halves("nw", MAIN, GROUND, 1, 2)
    sketch.halves("ne", MAIN, GROUND, 0, 1)


def _churn_dash(sketch: Sketch) -> None:
    corners: tuple[tuple[Corner, int, int], ...] = (
        ("se", 0, 0),
        ("sw", 2, 0),
        ("nw", 2, 2),
        ("ne", 0, 2),
    )
    sketch.box(GROUND, 0, 0, 3, 3)
    for inner, x, y in corners:
        sketch.halves(inner, MAIN, GROUND, x, y)
    sketch.box(MAIN, 1, 0.5, 2, 1)
    sketch.box(MAIN, 2, 1, 2.5, 2)
    sketch.box(MAIN, 1, 2, 2, 2.5)
    sketch.box(MAIN, 0.5, 1, 1, 2)


def _rail_fence(sketch: Sketch) -> None:
    for y, (role, variant) in enumerate(
        [(Role.DARK_STRIP, 0), (SECOND, 0), (ACCENT, 0), (Role.LIGHT_STRIP, 0)]
    ):
        sketch.box(role, 0, y, 4, y + 1, variant)


def _bear_paw(sketch: Sketch) -> None:
    """Four paws of a pad and four claws each, about a cross."""
    sketch.box(GROUND, 0, 0, 7, 7)
    sketch.square(SECOND, 3, 3)
    paws: tuple[tuple[int, int, Corner, Corner], ...] = (
        (0, 0, "sw", "ne"),
        (1, 0, "se", "nw"),
        (1, 1, "ne", "sw"),
        (0, 1, "nw", "se"),
    )
    for right, low, claw_across, claw_along in paws:
        x, y = 4 * right, 4 * low
        pad_x, pad_y = x + 1 - right, y + 1 - low
        sketch.square(MAIN, pad_x, pad_y, 2)
        for step in (0, 1):
            sketch.halves(claw_across, MAIN, GROUND, pad_x + step, y + 2 * low)
            sketch.halves(claw_along, MAIN, GROUND, x + 2 * right, pad_y + step)


def _mill_wheel(sketch: Sketch) -> None:
    """Quarter discs about the middle, light on dark and dark on light in turn."""
    corners: tuple[tuple[Corner, int, int], ...] = (
        ("se", 0, 0),
        ("sw", 1, 0),
        ("nw", 1, 1),
        ("ne", 0, 1),
    )
    for number, (middle, x, y) in enumerate(corners):
        disc, ground = (MAIN, GROUND) if number % 2 else (GROUND, MAIN)
        sketch.square(ground, x, y)
        sketch.quarter_disc(disc, middle, x, y, 0.7)


BLOCKS: tuple[Block, ...] = (
    Block("nine_patch", _drawn(3, _nine_patch), (1, 2, 3, 4)),
    Block(
        "log_cabin", _drawn(7, _log_cabin), (1, 2, 2, 4), ("same", "furrow", "barn", "spin"), False
    ),
    Block("flying_geese", _drawn(4, _flying_geese), (1, 2, 3), ("same", "checker"), False),
    Block("pinwheel", _drawn(2, _pinwheel), (1, 2, 3, 4)),
    Block("ohio_star", _drawn(3, _ohio_star), (1, 2, 3)),
    Block("churn_dash", _drawn(3, _churn_dash), (1, 2, 3)),
    Block("hourglass", _drawn(2, _hourglass), (1, 2, 3)),
    Block("rail_fence", _drawn(4, _rail_fence), (2, 3, 4), ("checker",), False),
    Block("bear_paw", _drawn(7, _bear_paw), (1, 1, 2)),
    Block("sawtooth_star", _drawn(4, _sawtooth_star), (1, 2, 3)),
    Block("friendship_star", _drawn(3, _friendship_star), (1, 2, 3)),
    Block("broken_dishes", _drawn(2, _broken_dishes), (2, 3, 4)),
    Block("irish_chain", _drawn(5, _irish_chain), (1, 2, 3)),
    Block("courthouse_steps", _drawn(7, _courthouse_steps), (1, 2, 3), ("same", "checker"), False),
    Block("mill_wheel", _drawn(2, _mill_wheel), (1, 2, 3)),
)
