"""From blocks to a whole top: how they are set, turned, sashed, bordered and framed.

Lengths are in blocks: a block's side is 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wunderkammer.patchwork.quilt_blocks import Arrangement, Block
from wunderkammer.patchwork.quilt_sketch import Points, Role

Ints = npt.NDArray[np.int32]

NUM_ROLES = len(Role)
NUM_VARIANTS = 8
# Fabric slots after those of the roles.
SASH, CORNERSTONE, PLAIN, INNER_BORDER, OUTER_BORDER, BINDING = range(
    NUM_ROLES * NUM_VARIANTS, NUM_ROLES * NUM_VARIANTS + 6
)
NUM_SLOTS = BINDING + 1


@dataclass(frozen=True)
class Setting:
    """How blocks become a top.

    Attributes:
        count: blocks a side that the picture shows.
        arrangement: how neighbours are turned.
        has_plain: plain squares take every second place.
        sash: width of the strips between blocks, 0 for none.
        borders: widths of the borders from the inside, empty for none.
        binding: width of the edge's binding.
        is_whole: the whole quilt is seen; else the picture lies inside an endless one.
        is_scrappy: each block takes main fabrics of its own.
        is_on_point: the blocks stand on a corner.
    """

    count: int
    arrangement: Arrangement
    has_plain: bool
    sash: float
    borders: tuple[float, ...]
    binding: float
    is_whole: bool
    is_scrappy: bool
    is_on_point: bool

    @property
    def field(self) -> float:
        """Side of the pieced field, with a sash on both its edges."""
        return self.count * (1 + self.sash) + self.sash

    @property
    def side(self) -> float:
        """Side of the whole quilt."""
        return self.field + 2 * (sum(self.borders) + self.binding)


@dataclass(frozen=True)
class Top:
    """The pieces in painting order: corners `[sum n, 2]` about the middle, and fabric slots."""

    corners: Points
    starts: Ints
    slots: Ints
    side: float


def drawn_setting(block: Block, rng: np.random.Generator) -> Setting:
    """A setting that suits the block."""
    count = int(rng.choice(block.counts))
    is_whole = bool(rng.random() < 0.55)
    has_plain = block.takes_plain and count >= 3 and rng.random() < 0.35
    has_sash = not has_plain and block.takes_plain and rng.random() < (0.5 if count > 1 else 0.2)
    num_borders = int(rng.choice([0, 1, 1, 2])) if is_whole else 0
    return Setting(
        count=count,
        arrangement=block.arrangements[int(rng.integers(len(block.arrangements)))],
        has_plain=bool(has_plain),
        sash=float(rng.uniform(0.08, 0.22)) if has_sash else 0.0,
        borders=tuple(float(rng.uniform(0.06, 0.16)) * count**0.7 for _ in range(num_borders)),
        binding=0.02 * count,
        is_whole=is_whole,
        is_scrappy=bool(rng.random() < 0.3),
        is_on_point=not is_whole and count > 1 and bool(rng.random() < 0.3),
    )


def laid_out(block: Block, setting: Setting, rng: np.random.Generator) -> Top:
    """All pieces of a quilt top, the middle of the quilt at the origin."""
    ring = 0 if setting.is_whole else 1 + setting.is_on_point * (setting.count // 2)
    pieces = list(_frame(setting)) if setting.is_whole else []
    pieces.extend(_field(block, setting, range(-ring, setting.count + ring), rng))
    corners = [points for points, _ in pieces]
    starts = np.cumsum([0, *(len(points) for points in corners)]).astype(np.int32)
    stacked = np.concatenate(corners) - setting.field / 2
    slots = np.asarray([slot for _, slot in pieces], np.int32)
    side = setting.side if setting.is_whole else setting.field - setting.sash
    return Top(stacked, starts, slots, side)


def _frame(setting: Setting) -> Iterator[tuple[Points, int]]:
    """Binding and borders as ever smaller squares, each painted over the last."""
    slots = [BINDING, OUTER_BORDER, INNER_BORDER]
    widths = [setting.binding, *reversed(setting.borders)]
    outset = sum(widths)
    for slot, width in zip(slots[: len(widths)], widths, strict=True):
        yield _box(-outset, -outset, setting.field + outset, setting.field + outset), slot
        outset -= width


def _field(
    block: Block, setting: Setting, cells: range, rng: np.random.Generator
) -> Iterator[tuple[Points, int]]:
    pitch = 1 + setting.sash
    turned = [_turned(block, quarter_turns) for quarter_turns in range(4)]
    if setting.sash:
        yield from _sashes(setting, cells)
    for row in cells:
        for column in cells:
            x, y = setting.sash + column * pitch, setting.sash + row * pitch
            if setting.has_plain and (row + column) % 2:
                yield _box(x, y, x + 1, y + 1), PLAIN
                continue
            turns = _quarter_turns(setting, row, column)
            scrap = int(rng.integers(NUM_VARIANTS)) if setting.is_scrappy else 0
            origin = np.array([x, y])
            for points, patch in zip(turned[turns], block.patches, strict=True):
                variant = patch.variant + (scrap if patch.role != Role.GROUND else 0)
                yield points + origin, patch.role * NUM_VARIANTS + variant % NUM_VARIANTS


def _sashes(setting: Setting, cells: range) -> Iterator[tuple[Points, int]]:
    """The cloth between the blocks, and a square where two strips cross."""
    sash, pitch = setting.sash, 1 + setting.sash
    low, high = cells.start * pitch, cells.stop * pitch + sash
    yield _box(low, low, high, high), SASH
    crossings = [number * pitch for number in range(cells.start, cells.stop + 1)]
    for y in crossings:
        for x in crossings:
            yield _box(x, y, x + sash, y + sash), CORNERSTONE


def _turned(block: Block, quarter_turns: int) -> list[Points]:
    angle = quarter_turns * np.pi / 2
    cos, sin = round(np.cos(angle)), round(np.sin(angle))
    turn = np.array([[cos, -sin], [sin, cos]], np.float64)
    return [(patch.corners - 0.5) @ turn.T + 0.5 for patch in block.patches]


def _quarter_turns(setting: Setting, row: int, column: int) -> int:
    match setting.arrangement:
        case "same":
            return 0
        case "checker":
            return (row + column) % 2
        case "furrow":
            return 2 * ((row + column) % 2)
        case "barn":
            low, right = row >= setting.count / 2, column >= setting.count / 2
            return (0, 1, 3, 2)[2 * low + right]
        case "spin":
            return (0, 1, 3, 2)[2 * (row % 2) + column % 2]


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)
