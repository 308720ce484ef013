"""How near crops come to an exact anti-aliased resize of the whole decoded picture."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.crops.pictures import Picture, settings, square
from wunderkammer.crops.render import render
from wunderkammer.images.decode import decode_rgb

Image8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Quality:
    """Against the exact crops: signal to noise in dB, and the largest shift in px of the crop."""

    num: int
    min_db: float
    median_db: float
    max_shift_px: float


def exact(picture: Picture, *, size_px: int) -> Image8:
    """Everything decoded, and Lanczos of the window in one go."""
    window = picture.window
    rgb_HWC = decode_rgb(
        picture.data, max_pixels=window.width * window.height, background=(255, 255, 255)
    )
    box = (window.x0, window.y0, window.x1, window.y1)
    whole = Image.fromarray(rgb_HWC)
    return np.asarray(whole.resize((size_px, size_px), Image.Resampling.LANCZOS, box=box))


def psnr(one: Image8, other: Image8) -> float:
    """Peak signal to noise ratio in dB; infinite for equal pictures."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def shift(one: Image8, other: Image8) -> float:
    """By how many px one lies beside the other: the peak of their phase correlation."""
    if np.array_equal(one, other):
        return 0.0
    a, b = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float32) for x in (one, other))
    (dx, dy), _ = cv2.phaseCorrelate(a, b, cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F))
    return float(np.hypot(dx, dy))


def quality(pictures: Sequence[Picture], *, size_px: int) -> Quality:
    """Of all pictures at one size."""
    ratios, shifts = [], []
    for picture in pictures:
        crop_HWC = render(picture.data, window=picture.window, settings=settings(size_px))
        reference_HWC = exact(picture, size_px=size_px)
        ratios.append(psnr(crop_HWC, reference_HWC))
        shifts.append(shift(crop_HWC, reference_HWC))
    return Quality(len(pictures), min(ratios), median(ratios), max(shifts))


def zone_plate(side_px: int) -> Image8:
    """cos of the squared radius: frequencies rise from 0 in the middle to half a cycle a px."""
    y, x = np.mgrid[:side_px, :side_px] - (side_px - 1) / 2
    wave = 128 + 110 * np.cos(np.pi * (x**2 + y**2) / side_px)
    return np.repeat(np.rint(wave).astype(np.uint8)[..., None], 3, axis=-1)


def aliasing(size_px: int) -> tuple[float, float]:
    """What is left of rings too fine for the crop, in grey levels (rms): ours, and exactly done."""
    sink = io.BytesIO()
    side_px = 4 * size_px
    Image.fromarray(zone_plate(side_px)).save(sink, "JPEG", quality=98, subsampling=0)
    picture = square(sink.getvalue())
    y, x = np.mgrid[:size_px, :size_px] - (size_px - 1) / 2
    # Frequencies reach what the crop can hold at an eighth of its side from the middle; from twice
    # that on all should be grey, up to the corners, where the plate itself is too fine.
    radius = np.hypot(x, y)
    too_fine = (radius > size_px / 4) & (radius < size_px / 2)
    ours = render(picture.data, window=picture.window, settings=settings(size_px))
    return _rms(ours[too_fine]), _rms(exact(picture, size_px=size_px)[too_fine])


def _rms(values: Image8) -> float:
    return float(np.std(values.astype(np.float64)))
