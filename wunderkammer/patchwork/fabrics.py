"""Printed cottons as small tiles that repeat without a seam."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.patchwork.palettes import Rgb, luminance

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fabric:
    """A cloth: its ground colour, the colour printed on it, and the kind of print."""

    ground: Rgb
    ink: Rgb
    print_kind: str


def tile(fabric: Fabric, rng: np.random.Generator, *, side_px: int) -> Image:
    """The fabric as `[side_px, side_px, 3]` uint8; its left edge goes on from its right edge."""
    amount_HW1 = PRINTS[fabric.print_kind](rng, side_px)[:, :, None]
    ground = np.array(fabric.ground, np.float32)
    ink = np.array(fabric.ink, np.float32)
    cloth = ground + (ink - ground) * amount_HW1
    cloth += rng.normal(0, 3, (side_px, side_px, 1)).astype(np.float32)
    return as_image(cloth)


def as_image(picture: npt.NDArray[Any]) -> Image:
    """Values clipped to 0 to 255 and cut to whole ones."""
    image: Image = np.clip(picture, 0, 255).astype(np.uint8)
    return image


def ink_for(ground: Rgb, *, partner: Rgb, strength: float) -> Rgb:
    """A printing colour between the ground and its partner; a dark ground gets a lighter ink."""
    if abs(luminance(ground) - luminance(partner)) < 25:
        partner = (20, 20, 30) if luminance(ground) > 150 else (245, 240, 230)
    red, green, blue = (round(a + (b - a) * strength) for a, b in zip(ground, partner, strict=True))
    return red, green, blue


def _solid(rng: np.random.Generator, side: int) -> Floats:
    return np.zeros((side, side), np.float32)


def _dots(rng: np.random.Generator, side: int) -> Floats:
    """Pin dots on a staggered grid."""
    count = int(rng.choice([4, 6, 8]))
    step = side / count
    dots = np.zeros((side, side), np.uint8)
    for row in range(count):
        for column in range(-1, count + 1):
            x = (column + 0.5 + 0.5 * (row % 2)) * step
            _blob(dots, x, (row + 0.5) * step, step * 0.24, wrap=False)
    return _covered(dots)


def _stripes(rng: np.random.Generator, side: int) -> Floats:
    """Shirting: narrow stripes one way."""
    wave = _wave(side, count=int(rng.choice([6, 8, 10])), sharpness=4)
    stripes = np.broadcast_to(wave, (side, side))
    return np.ascontiguousarray(stripes if rng.random() < 0.5 else stripes.T)


def _gingham(rng: np.random.Generator, side: int) -> Floats:
    """Checks of three values: both threads, one, none."""
    wave = _wave(side, count=int(rng.choice([4, 6, 8])), sharpness=6)
    return (wave[None, :] + wave[:, None]) * np.float32(0.5)


def _plaid(rng: np.random.Generator, side: int) -> Floats:
    """A broad band and a fine line each way."""
    broad = _wave(side, count=3, sharpness=3)
    fine = np.roll(_wave(side, count=3, sharpness=1) ** 6, side // 6)
    one_way = np.float32(0.55) * broad + np.float32(0.45) * fine
    return (one_way[None, :] + one_way[:, None]) * np.float32(0.5)


def _calico(rng: np.random.Generator, side: int) -> Floats:
    """Small flowers of five petals, strewn."""
    flowers = np.zeros((side, side), np.uint8)
    radius = side * rng.uniform(0.035, 0.06)
    for x, y in _strewn(rng, side, count=int(rng.integers(10, 18))):
        turn = rng.uniform(0, 2 * np.pi)
        for petal in range(5):
            angle = turn + petal * 2 * np.pi / 5
            _blob(flowers, x + radius * np.cos(angle), y + radius * np.sin(angle), radius * 0.55)
        _blob(flowers, x, y, radius * 0.4, value=110)
    return _covered(flowers)


def _sprigs(rng: np.random.Generator, side: int) -> Floats:
    """Specks and short twigs."""
    sprigs = np.zeros((side, side), np.uint8)
    for x, y in _strewn(rng, side, count=int(rng.integers(20, 36))):
        angle = rng.uniform(0, np.pi)
        reach = side * 0.05
        end = (x + reach * np.cos(angle), y + reach * np.sin(angle))
        cv2.line(sprigs, _fixed(x, y), _fixed(*end), 200, 1, cv2.LINE_AA, 4)
        _blob(sprigs, *end, side * 0.02)
    return _covered(sprigs)


def _tonal(rng: np.random.Generator, side: int) -> Floats:
    """Mottled, as hand-dyed cloth is."""
    noise = rng.standard_normal((side, side)).astype(np.float32)
    padded = np.pad(noise, side // 2, mode="wrap")
    smooth = cv2.GaussianBlur(padded, (0, 0), side * float(rng.uniform(0.03, 0.07)))
    centre = smooth[side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    low, high = float(centre.min()), float(centre.max())
    return ((centre - low) / max(high - low, 1e-6)).astype(np.float32)


PRINTS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "solid": _solid,
    "dots": _dots,
    "stripes": _stripes,
    "gingham": _gingham,
    "plaid": _plaid,
    "calico": _calico,
    "sprigs": _sprigs,
    "tonal": _tonal,
}


def _covered(drawn: Image) -> Floats:
    """How much of each pixel is printed, 0 to 1."""
    return drawn.astype(np.float32) / np.float32(255)


def _wave(side: int, *, count: int, sharpness: float) -> Floats:
    """A periodic band, 0 to 1, `count` times across the tile."""
    phase = np.arange(side, dtype=np.float32) * (2 * np.pi * count / side)
    wave: Floats = np.clip(0.5 + 0.5 * sharpness * np.sin(phase), 0, 1).astype(np.float32)
    return wave


def _strewn(rng: np.random.Generator, side: int, *, count: int) -> list[tuple[float, float]]:
    """Points on a jittered grid, so that they neither touch nor line up."""
    per_side = int(np.ceil(np.sqrt(count)))
    step = side / per_side
    return [
        (
            (column + 0.5 + rng.uniform(-0.3, 0.3)) * step,
            (row + 0.5 + rng.uniform(-0.3, 0.3)) * step,
        )
        for row in range(per_side)
        for column in range(per_side)
    ]


def _blob(
    image: Image, x: float, y: float, radius: float, *, value: int = 255, wrap: bool = True
) -> None:
    side = image.shape[0]
    shifts = (-side, 0, side) if wrap else (0,)
    for dx in shifts:
        for dy in shifts:
            if -radius <= x + dx < side + radius and -radius <= y + dy < side + radius:
                centre = _fixed(x + dx, y + dy)
                cv2.circle(image, centre, max(round(radius * 16), 8), value, -1, cv2.LINE_AA, 4)


def _fixed(x: float, y: float) -> tuple[int, int]:
    """A point in OpenCV's fixed point with four fractional bits."""
    return round(x * 16), round(y * 16)
