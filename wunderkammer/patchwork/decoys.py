"""Pictures that are no quilts: landscapes, pages of text and cloudy skies, drawn from a seed."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.patchwork.fabrics import Floats, Image, as_image

SYLLABLES = ("an", "be", "cor", "del", "en", "fa", "gri", "hol", "im", "ka", "lum", "mor", "no")


def landscape(rng: np.random.Generator, *, width: int, height: int) -> Image:
    """A sky, a sun, and ridges that grow paler with their distance."""
    horizon = rng.uniform(0.35, 0.55)
    high = rng.uniform((70, 120, 190), (120, 160, 230))
    low = rng.uniform((220, 200, 180), (250, 225, 215))
    fall = np.linspace(0, 1, height)[:, None] / (horizon + 0.1)
    sky = high + (low - high) * np.clip(fall, 0, 1)
    picture = np.repeat(sky[:, None, :], width, axis=1).astype(np.float32)
    sun = (int(width * rng.uniform(0.15, 0.85)), int(height * horizon * rng.uniform(0.2, 0.8)))
    cv2.circle(picture, sun, max(height // 14, 2), (255.0, 244.0, 214.0), -1, cv2.LINE_AA)
    green = rng.uniform((40, 80, 40), (80, 110, 60))
    num_ridges = 4
    rows = np.arange(height)[:, None]
    for number in range(num_ridges):
        nearness = (number + 1) / num_ridges
        crest = _ridge(rng, width) * 0.12 * height * (1.3 - nearness)
        level = height * (horizon + (0.95 - horizon) * (nearness - 0.25)) - crest
        colour = low * 0.8 * (1 - nearness) + green * nearness
        picture[rows >= level[None, :]] = colour
    return _developed(picture, rng)


def page(rng: np.random.Generator, *, width: int, height: int) -> Image:
    """A page of printed words in lines, with a heading."""
    paper = rng.uniform((225, 220, 205), (250, 245, 235))
    picture = np.full((height, width, 3), paper, np.uint8)
    line = max(8, height // 18)
    margin = line + height // 20
    _print_line(picture, rng, baseline=margin + line, size=line * 1.4, margin=margin)
    for baseline in range(margin + 3 * line, height - margin // 2, line):
        if rng.random() > 0.08:
            _print_line(picture, rng, baseline=baseline, size=line * 0.8, margin=margin)
    return _developed(picture, rng)


def sky(rng: np.random.Generator, *, width: int, height: int) -> Image:
    """Clouds: noise of falling frequency between a blue and a white."""
    cover = np.zeros((height, width), np.float32)
    for octave in range(6):
        cells = 2 ** (octave + 1)
        noise = rng.standard_normal((cells, cells * 2)).astype(np.float32)
        cover += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / cells**0.8
    cover = np.clip((cover - cover.mean()) / (2.5 * cover.std()) + rng.uniform(0.3, 0.6), 0, 1)
    blue = rng.uniform((60, 110, 170), (110, 150, 220))
    white = np.array([246.0, 246.0, 248.0])
    return _developed(blue + (white - blue) * cover[:, :, None], rng)


DECOYS: dict[str, Callable[..., Image]] = {"landscape": landscape, "page": page, "sky": sky}


def _ridge(rng: np.random.Generator, width: int) -> Floats:
    x = np.linspace(0, 1, width, dtype=np.float32)
    crest = np.zeros(width, np.float32)
    for waves in (1.5, 3.7, 9.1, 23.0):
        crest += np.sin(2 * np.pi * (waves * x + rng.random())) / np.float32(waves**0.8)
    return crest


def _print_line(
    picture: Image, rng: np.random.Generator, *, baseline: int, size: float, margin: int
) -> None:
    width = picture.shape[1]
    ink = (40.0, 38.0, 42.0)
    scale = size / 30
    x = margin
    end = width - margin
    while True:
        word = "".join(SYLLABLES[int(n)] for n in rng.integers(len(SYLLABLES), size=3))
        word = word[: int(rng.integers(2, 9))]
        (word_width, _), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_TRIPLEX, scale, 1)
        if x + word_width > end:
            return
        cv2.putText(
            picture, word, (x, baseline), cv2.FONT_HERSHEY_TRIPLEX, scale, ink, 1, cv2.LINE_AA
        )
        x += word_width + int(size * 0.4)


def _developed(picture: npt.NDArray[Any], rng: np.random.Generator) -> Image:
    return as_image(picture + rng.normal(0, 2, (*picture.shape[:2], 1)))
