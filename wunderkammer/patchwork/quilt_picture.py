"""A quilt and its photograph: cloth for every piece, seams, quilting, light, camera.

Everything is drawn at twice the size and averaged down, so edges are smooth. H, W = the finished
picture, S = the canvas of twice that.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.patchwork.fabrics import Fabric, Floats, Image, as_image, ink_for, tile
from wunderkammer.patchwork.palettes import PALETTES, Palette, Rgb, dyed
from wunderkammer.patchwork.quilt_blocks import Block
from wunderkammer.patchwork.quilt_layout import (
    BINDING,
    CORNERSTONE,
    INNER_BORDER,
    NUM_SLOTS,
    NUM_VARIANTS,
    OUTER_BORDER,
    PLAIN,
    SASH,
    Ints,
    Top,
    drawn_setting,
    laid_out,
)
from wunderkammer.patchwork.quilt_sketch import Role

OVERSAMPLING = 2

LIGHT_PRINTS = ("solid", "solid", "solid", "dots", "sprigs", "stripes", "tonal")
MEDIUM_PRINTS = ("solid", "gingham", "calico", "dots", "tonal", "plaid", "stripes")
DARK_PRINTS = ("solid", "solid", "calico", "dots", "tonal", "sprigs", "plaid")

# Walls, floors and lawns that a quilt is photographed on.
BACKDROPS: tuple[Rgb, ...] = (
    (226, 222, 214),
    (203, 205, 206),
    (172, 150, 124),
    (120, 98, 78),
    (96, 116, 78),
    (60, 60, 64),
)


@dataclass(frozen=True)
class Wardrobe:
    """Every fabric of one picture, and which of them each slot of the layout takes."""

    fabrics: tuple[Fabric, ...]
    of_slot: Ints
    backdrop: int


def quilt_picture(block: Block, rng: np.random.Generator, *, side_px: int) -> Image:
    """A photograph of a quilt of this block: uint8 RGB, each side within 25 % of `side_px`."""
    width = round(side_px * rng.uniform(0.97, 1.2))
    height = round(width * rng.uniform(0.95, 1.05))
    setting = drawn_setting(block, rng)
    top = laid_out(block, setting, rng)
    wardrobe = _chosen(PALETTES[int(rng.integers(len(PALETTES)))], rng)
    view = _camera(top, rng, width=width, height=height, is_whole=setting.is_whole)
    if setting.is_on_point:
        view = view @ _rotation(np.pi / 4)
    pieces_SS = _painted(top, view, width=width * OVERSAMPLING, height=height * OVERSAMPLING)
    tint = rng.normal(1, 0.02, len(top.slots) + 1).astype(np.float32)
    shade_SS = seam_light(pieces_SS) * tint.take(pieces_SS)
    cloth_SS = _clothed(pieces_SS, top, wardrobe, rng) * shade_SS[:, :, None]
    cloth = cv2.resize(cloth_SS, (width, height), interpolation=cv2.INTER_AREA)
    relief = _quilting(rng, width=width, height=height)
    return _photographed(cloth.astype(np.float32) * relief[:, :, None], rng)


def _chosen(palette: Palette, rng: np.random.Generator) -> Wardrobe:
    """Fabrics for all slots, light against dark; now and then the pattern in the negative."""
    plain_only = palette.name == "amish solids"
    light, dark = palette.lights, palette.darks
    lights = _bought(light, dark[0], LIGHT_PRINTS, rng, count=3, plain_only=plain_only)
    darks = _bought(dark, light[0], DARK_PRINTS, rng, count=4, plain_only=plain_only)
    mediums = _bought(palette.mediums, light[0], MEDIUM_PRINTS, rng, count=2, plain_only=plain_only)
    accents = _bought(palette.accents, light[0], DARK_PRINTS, rng, count=1, plain_only=plain_only)
    if plain_only or rng.random() < 0.15:
        lights, darks = darks, lights
    backdrop = Fabric(*(BACKDROPS[int(rng.integers(len(BACKDROPS)))],) * 2, "solid")
    fabrics = (*lights, *mediums, *darks, *accents, backdrop)
    index = {id(fabric): number for number, fabric in enumerate(fabrics)}
    slots = [backdrop] * NUM_SLOTS
    for role, pool in (
        (Role.GROUND, lights[:1]),
        (Role.MAIN, darks),
        (Role.SECOND, mediums),
        (Role.ACCENT, accents),
        (Role.LIGHT_STRIP, lights),
        (Role.DARK_STRIP, darks),
    ):
        for variant in range(NUM_VARIANTS):
            slots[role * NUM_VARIANTS + variant] = pool[variant % len(pool)]
    slots[SASH] = _one_of([mediums[-1], darks[-1], lights[-1]], rng)
    slots[CORNERSTONE] = _one_of([accents[0], darks[0], mediums[0]], rng)
    slots[PLAIN] = _one_of([lights[0], lights[-1], mediums[-1]], rng)
    slots[INNER_BORDER] = _one_of([lights[-1], accents[0], mediums[-1]], rng)
    slots[OUTER_BORDER] = _one_of([darks[-1], mediums[0], darks[0], lights[-1]], rng)
    slots[BINDING] = _one_of([darks[0], accents[0]], rng)
    of_slot = np.asarray([index[id(fabric)] for fabric in slots], np.int32)
    return Wardrobe(fabrics, of_slot, index[id(backdrop)])


def _bought(
    colours: tuple[Rgb, ...],
    partner: Rgb,
    prints: tuple[str, ...],
    rng: np.random.Generator,
    *,
    count: int,
    plain_only: bool,
) -> list[Fabric]:
    """`count` fabrics of different colours where the palette has so many."""
    order = rng.permutation(len(colours))
    bought = []
    for number in range(count):
        ground = dyed(colours[int(order[number % len(order)])], rng)
        kind = "solid" if plain_only else prints[int(rng.integers(len(prints)))]
        ink = ink_for(ground, partner=partner, strength=float(rng.uniform(0.25, 0.6)))
        bought.append(Fabric(ground, ink, kind))
    return bought


def _one_of(fabrics: list[Fabric], rng: np.random.Generator) -> Fabric:
    return fabrics[int(rng.integers(len(fabrics)))]


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _camera(
    top: Top, rng: np.random.Generator, *, width: int, height: int, is_whole: bool
) -> npt.NDArray[np.float64]:
    """The homography from lengths in blocks to canvas pixels: nearly straight, nearly centred."""
    if is_whole:
        scale = min(width, height) * rng.uniform(0.93, 1.0) / top.side
    else:
        scale = max(width, height) * rng.uniform(1.0, 1.04) / top.side
    tilt = np.eye(3)
    tilt[2, :2] = rng.normal(0, 0.02, 2) / top.side
    turn = _rotation(np.radians(np.clip(rng.normal(0, 1.5), -4, 4)))
    shift = rng.normal(0, 0.008, 2) * (width, height) + (width / 2, height / 2)
    place = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
    grow = np.diag([OVERSAMPLING, OVERSAMPLING, 1.0])
    view: npt.NDArray[np.float64] = grow @ place @ turn @ tilt
    return view


def _painted(top: Top, view: npt.NDArray[np.float64], *, width: int, height: int) -> Ints:
    """Which piece covers each canvas pixel, from 1; 0 is the backdrop."""
    points = np.column_stack([top.corners, np.ones(len(top.corners))]) @ view.T
    pixels = points[:, :2] / points[:, 2:]
    fixed = np.round(pixels * 16).astype(np.int32)
    pieces_SS: Ints = np.zeros((height, width), np.int32)
    for number, (start, stop) in enumerate(zip(top.starts[:-1], top.starts[1:], strict=True)):
        corners = fixed[start:stop]
        low, high = corners.min(axis=0), corners.max(axis=0)
        if high[0] >= 0 and high[1] >= 0 and low[0] < width * 16 and low[1] < height * 16:
            cv2.fillConvexPoly(pieces_SS, corners, number + 1, cv2.LINE_8, 4)
    return pieces_SS


def _clothed(pieces_SS: Ints, top: Top, wardrobe: Wardrobe, rng: np.random.Generator) -> Image:
    """The canvas with every piece cut from its fabric at a place of its own.

    Pixels are gathered as whole 32-bit words: a third of the time of gathering rows of bytes.
    """
    height, width = pieces_SS.shape
    side = 1 << max(4, round(np.log2(0.2 * width)))
    fabric_of = np.append(wardrobe.backdrop, wardrobe.of_slot[top.slots])
    used, tile_of = np.unique(fabric_of, return_inverse=True)
    tiles = np.zeros((len(used), side, side, 4), np.uint8)
    for number, fabric in enumerate(used):
        tiles[number, :, :, :3] = tile(wardrobe.fabrics[fabric], rng, side_px=side)
    cut_y, cut_x = rng.integers(0, side, (2, len(fabric_of)), dtype=np.int32)
    origin = tile_of.astype(np.int32) * (side * side)
    rows = (np.arange(height, dtype=np.int32)[:, None] + cut_y.take(pieces_SS)) & (side - 1)
    columns = (np.arange(width, dtype=np.int32)[None, :] + cut_x.take(pieces_SS)) & (side - 1)
    words = tiles.view(np.uint32).ravel().take(origin.take(pieces_SS) + rows * side + columns)
    cloth: Image = words.view(np.uint8).reshape(height, width, 4)[:, :, :3]
    return cloth


def seam_light(pieces_SS: Ints) -> Floats:
    """Light on the pieces: a thin shadow in each seam, and the soft roll of cloth beside it."""
    edge_SS = np.zeros(pieces_SS.shape, np.bool_)
    edge_SS[:, 1:] = pieces_SS[:, 1:] != pieces_SS[:, :-1]
    edge_SS[1:] |= pieces_SS[1:] != pieces_SS[:-1]
    # One pixel wide; as the blur grows with the canvas, so must the weight.
    unit = pieces_SS.shape[1] / 320
    seam_SS = edge_SS.astype(np.float32) * np.float32(unit)
    thin = cv2.GaussianBlur(seam_SS, (0, 0), 0.8 * unit)
    wide = cv2.GaussianBlur(seam_SS, (0, 0), 3.0 * unit)
    step = max(1, round(2 * unit))
    slope = np.roll(wide, (step, step), (0, 1)) - np.roll(wide, (-step, -step), (0, 1))
    shade_SS: Floats = (1 - 0.45 * thin - 0.10 * wide + 0.35 * slope).astype(np.float32)
    return shade_SS


def _quilting(rng: np.random.Generator, *, width: int, height: int) -> Floats:
    """Light on the stitched relief: lines pull the layers together, the cloth swells between."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(width, height)
    lines = rng.uniform(7, 16)
    angle = rng.choice([0.25, 0.25, 0.5, rng.uniform(0.1, 0.4)]) * np.pi
    along = (x * np.cos(angle) + y * np.sin(angle)) * lines * np.pi
    across = (y * np.cos(angle) - x * np.sin(angle)) * lines * np.pi
    kind = rng.choice(["none", "lines", "crosshatch", "crosshatch", "fans", "meander"])
    if kind == "none":
        return np.ones((height, width), np.float32)
    if kind == "lines":
        height_HW = np.abs(np.sin(along))
    elif kind == "crosshatch":
        height_HW = np.abs(np.sin(along) * np.sin(across))
    elif kind == "fans":
        column = np.floor(y * 4)
        centre_x = (np.floor(x * 4 + 0.5 * (column % 2)) + 0.5 - 0.5 * (column % 2)) / 4
        radius = np.hypot(x - centre_x, y - (column + 1) / 4)
        height_HW = np.abs(np.sin(radius * lines * 2 * np.pi))
    else:
        noise = rng.standard_normal((height, width)).astype(np.float32)
        height_HW = np.abs(cv2.GaussianBlur(noise, (0, 0), max(width, height) / 40))
        height_HW /= max(float(height_HW.max()), 1e-6) / 2
    swell = np.sqrt(np.minimum(height_HW, 1)).astype(np.float32)
    slope = swell - np.roll(swell, (1, 1), (0, 1))
    strength = rng.uniform(0.4, 1.0)
    relief: Floats = (1 + strength * (0.10 * slope - 0.10 * (1 - swell) ** 2)).astype(np.float32)
    return relief


def _photographed(cloth: Floats, rng: np.random.Generator) -> Image:
    """Wrinkles, uneven light, a lens darker at its rim, a warm or cold cast, and grain."""
    height, width, _ = cloth.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    coarse = rng.normal(0, 0.035, (7, 7)).astype(np.float32)
    light = 1 + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    angle = rng.uniform(0, 2 * np.pi)
    light += rng.uniform(0, 0.12) * (x * np.cos(angle) + y * np.sin(angle))
    light *= 1 - rng.uniform(0.0, 0.16) * (x * x + y * y) / 2
    cast = rng.normal(1, 0.025, 3).astype(np.float32) * np.float32(rng.uniform(0.9, 1.06))
    picture = cloth * light[:, :, None] * cast
    picture += rng.normal(0, rng.uniform(1, 3), (height, width, 1)).astype(np.float32)
    return as_image(picture)
