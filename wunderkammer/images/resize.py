"""Pillow's anti-aliased Lanczos resize, bit for bit, at a multiple of its pace.

Pillow filters a row's pixels one after the other. Here whole rows are weighted and summed, which
compiles to vector instructions; for the horizontal pass the picture lies on its side. The sums are
Pillow's: weights in steps of 2^-22, whole numbers, bytes between the passes; no order of additions
changes them, so which of the two did the work can't be told from the result.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from time import thread_time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from wunderkammer.compiled import compiled

LOBES = 3
WEIGHT_BITS = 22
# The kernel takes this many rows at once; what it makes of so many fits into a core's own cache.
ROWS_AT_ONCE = 4
STRIP_ROWS = 128

# To load numba and the kernel takes about this long. A process that has spent as much in Pillow's
# resize loads them: at most twice what would have been best, for one picture or a million.
PATIENCE_S = 1.0

LANCZOS = Image.Resampling.LANCZOS

Image8 = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass
class _Spent:
    pillow_s: float = 0.0


_spent = _Spent()


@dataclass(frozen=True)
class Taps:
    """What each pixel of a line is made of: sources from `first` [N], `weights` [N, K] of 2^22."""

    first: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int32]

    @property
    def span(self) -> tuple[int, int]:
        """The sources that are needed at all, from and to."""
        return int(self.first.min()), int(self.first.max()) + self.weights.shape[1]


def resize(picture: Image8, *, size_px: int, box: Box) -> Image8:
    """The box of a picture (HWC of RGB, or HW) as a square of `size_px` px a side.

    `box` is (x0, y0, x1, y1) in px within the picture, fractions allowed.
    """
    if _spent.pillow_s >= PATIENCE_S:
        return resize_by_kernel(picture, size_px=size_px, box=box)
    start = thread_time()
    resized = resize_by_pillow(picture, size_px=size_px, box=box)
    _spent.pillow_s += thread_time() - start
    return resized


def resize_by_pillow(picture: Image8, *, size_px: int, box: Box) -> Image8:
    """As `resize`; at once, and slowly."""
    x0, y0, x1, y1 = box
    width = picture.shape[1]
    # A pass a call: in one call, Pillow chooses which comes first by what it takes for faster.
    low = Image.fromarray(picture).resize((width, size_px), LANCZOS, box=(0, y0, width, y1))
    return np.asarray(low.resize((size_px, size_px), LANCZOS, box=(x0, 0, x1, size_px)))


def resize_by_kernel(picture: Image8, *, size_px: int, box: Box) -> Image8:
    """As `resize`; fast, after numba has been loaded."""
    height, width = picture.shape[:2]
    down = _taps(height, box[1], box[3], size_px)
    across = _taps(width, box[0], box[2], size_px)
    left, right = across.span
    rows = np.ascontiguousarray(picture).reshape(height, -1)
    num_channels = rows.shape[1] // width
    resized = np.empty((size_px, size_px, *picture.shape[2:]), np.uint8)
    for start in range(0, size_px, STRIP_ROWS):
        strip = slice(start, min(start + STRIP_ROWS, size_px))
        low = np.empty((strip.stop - start, right - left, *picture.shape[2:]), np.uint8)
        _filter(rows, left * num_channels, down.first[strip], down.weights[strip], low)
        lying = np.asarray(cv2.transpose(low), np.uint8)
        narrow = np.empty((size_px, *lying.shape[1:]), np.uint8)
        _filter(lying.reshape(right - left, -1), 0, across.first - left, across.weights, narrow)
        cv2.transpose(narrow, dst=resized[strip])
    return resized


def _filter(
    rows: Image8,
    start: int,
    first: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int32],
    out: Image8,
) -> None:
    _kernel()(rows, start, first, weights, out.reshape(len(out), -1))


@lru_cache(maxsize=64)
def _taps(num_in: int, low: float, high: float, num_out: int) -> Taps:
    """Lanczos windowed sinc (Duchon, J. Appl. Meteor. 18, 1979), widened by the reduction.

    What lies beyond the edge of the picture has no weight; the others sum to 1.
    """
    # Pillow holds boxes in 32 bits.
    scale = float(np.float32(high) - np.float32(low)) / num_out
    stretch = max(scale, 1.0)
    centres = float(np.float32(low)) + (np.arange(num_out) + 0.5) * scale
    begins = np.maximum((centres - LOBES * stretch + 0.5).astype(np.int64), 0)
    ends = np.minimum((centres + LOBES * stretch + 0.5).astype(np.int64), num_in)
    num_taps = -(-int((ends - begins).max()) // ROWS_AT_ONCE) * ROWS_AT_ONCE
    num_taps = min(num_taps, num_in)
    first = np.minimum(begins, num_in - num_taps)
    places = first[:, None] + np.arange(num_taps)
    x = (places + 0.5 - centres[:, None]) / stretch
    is_near = (places >= begins[:, None]) & (places < ends[:, None]) & (np.abs(x) < LOBES)
    weights = np.where(is_near, np.sinc(x) * np.sinc(x / LOBES), 0.0)
    weights *= 2.0**WEIGHT_BITS / weights.sum(axis=1, keepdims=True)
    return Taps(first, (np.sign(weights) * np.floor(np.abs(weights) + 0.5)).astype(np.int32))


@cache
def _kernel() -> Any:
    from numba import types

    # What Pillow decodes can't be written to.
    rows = types.Array(types.uint8, 2, "C", readonly=True)
    first, weights, out = types.int64[::1], types.int32[:, ::1], types.uint8[:, ::1]
    return compiled(_filter_rows, types.void(rows, types.int64, first, weights, out))


def _filter_rows(rows, start, first, weights, out):  # type: ignore[no-untyped-def]
    """Each row of `out` is the weighted sum of parts of rows, from column `start`, rounded."""
    num_taps = weights.shape[1]
    num_whole = num_taps // 4 * 4
    stop = start + out.shape[1]
    sums = np.empty(out.shape[1], np.int32)
    for y in range(len(first)):
        sums[:] = 1 << 21
        for k in range(0, num_whole, 4):
            row = first[y] + k
            a, b, c, d = weights[y, k], weights[y, k + 1], weights[y, k + 2], weights[y, k + 3]
            row_a, row_b = rows[row, start:stop], rows[row + 1, start:stop]
            row_c, row_d = rows[row + 2, start:stop], rows[row + 3, start:stop]
            for x in range(len(sums)):
                sums[x] += np.int32(a * row_a[x] + b * row_b[x] + c * row_c[x] + d * row_d[x])
        for k in range(num_whole, num_taps):
            for x in range(len(sums)):
                sums[x] += np.int32(weights[y, k] * rows[first[y] + k, start + x])
        for x in range(len(sums)):
            out[y, x] = np.uint8(min(max(sums[x] >> 22, 0), 255))
