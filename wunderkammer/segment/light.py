"""By how much each pixel differs from the background, whose brightness may change across it."""

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.segment.box import Bools, Bytes
from wunderkammer.segment.params import Foreground

Floats = npt.NDArray[np.float64]

# The surface is fitted to a picture of this size: light changes slowly.
FIT_SIDE_PX = 64
NUM_FITS = 6
# Of the picture's side: the border where specimens seldom are.
RING = 1 / 16
# Grey levels about the commonest of the border that are taken for background at first.
FIRST_REACH = 12
# Of a parabolic surface: fewer pixels say nothing about it.
MIN_PIXELS = 20


def differences(grey_HW: Bytes, *, foreground: Foreground, level_light: bool) -> Bytes:
    """What is brighter than the background, darker, or (`auto`) either, in levels of grey.

    In even light nothing has to be known of the background for `bright` and `dark`: the picture
    itself, or its negative.
    """
    if not level_light and foreground != "auto":
        return grey_HW if foreground == "bright" else 255 - grey_HW
    background_HW = background(grey_HW, level_light=level_light)
    if foreground == "auto":
        return np.asarray(cv2.absdiff(grey_HW, background_HW), np.uint8)
    pair = (grey_HW, background_HW) if foreground == "bright" else (background_HW, grey_HW)
    return np.asarray(cv2.subtract(*pair), np.uint8)


def background(grey_HW: Bytes, *, level_light: bool) -> Bytes:
    """The picture without its specimens.

    The commonest grey of its border, or with `level_light` the paraboloid through all pixels that
    lie near it, found in rounds that leave out what is farther than three standard deviations.
    """
    height, width = grey_HW.shape
    scale = min(FIT_SIDE_PX / max(height, width), 1)
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    small_HW = np.asarray(cv2.resize(grey_HW, size, interpolation=cv2.INTER_AREA), np.uint8)
    ring = max(round(min(small_HW.shape) * RING), 2)
    ring_HW = np.ones(small_HW.shape, bool)
    ring_HW[ring:-ring, ring:-ring] = False
    level = _border_level(small_HW, ring_HW)
    if not level_light:
        return np.full_like(grey_HW, level)
    surface_HW = _surface(small_HW.astype(np.float64), ring_HW, level)
    smooth_HW = cv2.resize(
        surface_HW.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return np.clip(np.round(smooth_HW), 0, 255).astype(np.uint8)


def _border_level(small_HW: Bytes, ring_HW: Bools) -> int:
    """The commonest grey of the border, by a smoothed histogram."""
    counts = np.bincount(small_HW[ring_HW], minlength=256)
    return int(np.convolve(counts, np.hanning(13), mode="same").argmax())


def _surface(small_HW: Floats, ring_HW: Bools, level: int) -> Floats:
    height, width = small_HW.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    grey, ring = small_HW.ravel(), ring_HW.ravel()
    near = ring & (np.abs(grey - level) < FIRST_REACH)
    fitted = np.full_like(grey, level)
    for num_terms, eligible in ((3, ring),) * 4 + ((6, ring),) * 3 + ((6, ring | True),) * 3:
        if near.sum() < MIN_PIXELS:
            break
        used = terms[:, :num_terms]
        chosen = used[near]
        # The normal equations, of six unknowns at most, that cost a tenth of all the rows.
        factors = np.linalg.lstsq(chosen.T @ chosen, chosen.T @ grey[near], rcond=None)[0]
        fitted = used @ factors
        rest = np.abs(grey - fitted)
        deviation = 1.4826 * float(np.median(rest[near])) + 0.5
        near = eligible & (rest < max(3 * deviation, 2))
    return fitted.reshape(height, width)
