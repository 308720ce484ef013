"""The pictures of the benchmark of crops: made ones, or those of a folder."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from wunderkammer.crops.render import RenderSettings, Window
from wunderkammer.images.decode import DecodeError, probe

SIZES_PX = ((1080, 1350), (1600, 1200))
QUALITY = 90
CROP_QUALITY = 95
BACKGROUND = (255, 255, 255)
MAX_PIXELS = 10**9

# Amplitudes fall with the frequency about as in photographs (Field, J. Opt. Soc. Am. A 4, 1987), a
# little faster and through a lens, so that a pixel takes 2 bits of JPEG, as it does in photographs.
EXPONENT, LENS_PX = 1.3, 0.5
CONTRAST, COLOURFULNESS = 42.0, 0.25


@dataclass(frozen=True)
class Picture:
    """A file, and the square in its middle."""

    data: bytes
    window: Window

    @property
    def bits_a_pixel(self) -> float:
        """Of the file."""
        return 8 * len(self.data) / (self.window.width * self.window.height)


def settings(size_px: int) -> RenderSettings:
    """How all crops of a size are made."""
    return RenderSettings(size_px, BACKGROUND, "jpeg", CROP_QUALITY)


def square(data: bytes, *, sha256: str = "") -> Picture:
    """The picture with its middle square, which `sha256` names.

    Raises:
        DecodeError: the data are no picture.
    """
    facts = probe(data, max_pixels=MAX_PIXELS)
    side = min(facts.width, facts.height)
    x0, y0 = (facts.width - side) // 2, (facts.height - side) // 2
    edges = (x0, y0, x0 + side, y0 + side)
    return Picture(data, Window(sha256, facts.width, facts.height, *edges))


def made(num: int, *, sizes_px: Sequence[tuple[int, int]] = SIZES_PX) -> list[Picture]:
    """JPEGs of the sizes (width, height) in turn, the same each time."""
    return [square(_jpeg(natural(*sizes_px[seed % len(sizes_px)], seed))) for seed in range(num)]


def found(folder: Path, *, min_side_px: int) -> list[Picture]:
    """The JPEGs below a folder that are large enough."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg"))
    pictures = []
    for file in files:
        try:
            picture = square(file.read_bytes())
        except DecodeError:
            continue
        if min(picture.window.width, picture.window.height) >= min_side_px:
            pictures.append(picture)
    return pictures


def natural(width: int, height: int, seed: int) -> Image.Image:
    """A random picture with the frequencies of a photograph."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    amplitude = frequency**-EXPONENT
    amplitude[0, 0] = 0.0
    frequency[0, 0] = 0.0
    amplitude *= np.exp(-((2 * np.pi * LENS_PX * frequency) ** 2) / 2)

    def field() -> npt.NDArray[np.float64]:
        noise = np.fft.rfft2(rng.normal(size=(height, width)))
        values = np.fft.irfft2(noise * amplitude, s=(height, width))
        return np.asarray(values / values.std())

    strengths = (CONTRAST, CONTRAST * COLOURFULNESS, CONTRAST * COLOURFULNESS)
    planes = np.stack([128 + strength * field() for strength in strengths], axis=-1)
    return Image.frombytes(
        "YCbCr", (width, height), np.clip(planes, 0, 255).astype(np.uint8).tobytes()
    ).convert("RGB")


def _jpeg(picture: Image.Image) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()
