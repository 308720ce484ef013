"""By how much each pixel differs from the background, whose brightness may change across it."""

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.segment.box import Bools, Bytes
from wunderkammer.segment.levels import MEDIAN_TO_DEVIATION
from wunderkammer.segment.params import Foreground

Floats = npt.NDArray[np.float64]

# The surface is fitted to a picture of this size: light changes slowly.
FIT_SIDE_PX = 64
# Two in three hit a specimen at worst, so that one of so many misses it almost surely.
NUM_PLANES = 96
# Of the picture's side: the border where specimens seldom are.
RING = 1 / 16
# Grey levels about a first guess that are taken for background.
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

    The commonest grey of its border, or with `level_light` the paraboloid through most pixels,
    found in rounds that leave out what is farther than three standard deviations.
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
    start = terms[:, :3] @ _border_plane(terms[ring, :3], grey[ring], level)
    return _refined(terms, grey, ring, start).reshape(height, width)


def _border_plane(terms: Floats, grey: Floats, level: int) -> Floats:
    """The plane that most of the border lies near.

    Of planes through three of its pixels and the even one (Fischler, Bolles 1981, Random sample
    consensus, Communications of the ACM 24(6)).
    """
    triples = np.random.default_rng(0).integers(len(grey), size=(NUM_PLANES, 3))
    # Three in a row have no plane, but the least steep of all through them.
    planes = (np.linalg.pinv(terms[triples]) @ grey[triples][..., None])[..., 0]
    planes = np.concatenate([[[level, 0, 0]], planes])
    num_near = np.count_nonzero(np.abs(planes @ terms.T - grey) < FIRST_REACH / 2, axis=1)
    return np.asarray(planes[num_near.argmax()], np.float64)


def _refined(terms: Floats, grey: Floats, ring: Bools, start: Floats) -> Floats:
    """Planes, then paraboloids, through what is near the one before."""
    fitted = start
    near = ring & (np.abs(grey - start) < FIRST_REACH)
    everywhere = np.ones_like(ring)
    for num_terms, eligible in ((3, ring),) * 4 + ((6, ring),) * 3 + ((6, everywhere),) * 3:
        if np.count_nonzero(near) < MIN_PIXELS:
            break
        fitted = _fitted(terms[:, :num_terms], grey, near.astype(np.float64))
        rest = np.abs(grey - fitted)
        deviation = MEDIAN_TO_DEVIATION * float(np.median(rest[near])) + 0.5
        near = eligible & (rest < max(3 * deviation, 2))
    return fitted


def _fitted(terms: Floats, grey: Floats, weights: Floats) -> Floats:
    """Weighted least squares by the normal equations, which cost a tenth of all the rows."""
    weighted = terms * weights[:, None]
    factors = np.linalg.lstsq(weighted.T @ terms, weighted.T @ grey, rcond=None)[0]
    return np.asarray(terms @ factors, np.float64)
