"""Made pictures with the spectrum of photographs, and what is done to photographs."""

import io

import cv2
import numpy as np
from PIL import Image


def photo(seed: int, *, side: int = 256) -> Image.Image:
    """Noise whose amplitudes fall as 1/f, as those of photographs do, in colours."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1
    phases = rng.uniform(0, 2 * np.pi, (3, side, side))
    shared = 0.8 * phases[0] + 0.2 * phases
    waves = np.fft.ifft2(np.exp(1j * shared) / frequency**1.2).real
    waves /= np.abs(waves).max(axis=(1, 2), keepdims=True)
    return Image.fromarray(np.uint8(127.5 + 127.5 * waves.transpose(1, 2, 0)))


def jpeg(picture: Image.Image, *, quality: int = 90) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def crop(
    picture: Image.Image, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0
) -> Image.Image:
    """Without these shares of its sides."""
    width, height = picture.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop(tuple(round(edge) for edge in box))


def framed(picture: Image.Image, share: float) -> Image.Image:
    """With a black border of this share of its side."""
    border = round(share * picture.width)
    image = cv2.copyMakeBorder(np.asarray(picture), *[border] * 4, cv2.BORDER_CONSTANT)
    return Image.fromarray(image)


# What is done to a picture, and what of it a hash of the whole does not see through.
CHANGES = {
    "recompressed": lambda p: p,
    "cropped about its centre": lambda p: crop(p, left=0.07, top=0.07, right=0.07, bottom=0.07),
    "cropped at a corner": lambda p: crop(p, left=0.12, top=0.12),
    "cropped unevenly": lambda p: crop(p, left=0.08, top=0.03, right=0.04, bottom=0.09),
    "cropped at one side": lambda p: crop(p, right=0.15),
    "cropped all round": lambda p: crop(p, left=0.15, top=0.15, right=0.15, bottom=0.15),
    "framed": lambda p: framed(p, 0.08),
    "turned": lambda p: p.rotate(3, Image.Resampling.BICUBIC),
    "turned back": lambda p: p.rotate(-3, Image.Resampling.BICUBIC),
    "darkened": lambda p: p.point(lambda v: 0.7 * v),
}
