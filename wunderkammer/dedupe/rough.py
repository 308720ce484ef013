"""A glance at pairs of pictures: the correlation of two small greys, one of them through a view.

Most pictures whose hashes are near by chance fail it, at a thousandth of the cost of aligning them.

Shapes: N pictures, R px a side of a rough grey, M pairs, S samples of a view.
"""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.dedupe.views import VIEWS, Floats, View

ROUGH_PX = 24
SIDE = 12
# Samples along each axis for one of a view's.
OVERSAMPLED = 3
BLOCK = 1 << 16

Ints = npt.NDArray[np.int64]


def rough_of(grey_PP: Floats) -> npt.NDArray[np.uint8]:
    """The rough picture [R, R] of a grey one."""
    rough_RR = cv2.resize(grey_PP, (ROUGH_PX, ROUGH_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(rough_RR), np.uint8)


def rough_likeness(
    rough_NRR: npt.NDArray[np.uint8],
    viewed_M: Ints,
    other_M: Ints,
    *,
    view: Ints,
    is_mirrored: npt.NDArray[np.bool_],
) -> Floats:
    """Of -1 to 1: the correlation of each pair, the first through a view; 0 without contrast."""
    likeness_M = np.zeros(len(view), np.float32)
    flat_NR = rough_NRR.reshape(len(rough_NRR), -1)
    for number in np.unique(view):
        chosen = np.flatnonzero(view == number)
        for start in range(0, len(chosen), BLOCK):
            part = chosen[start : start + BLOCK]
            seen_MS = flat_NR[viewed_M[part]].astype(np.float32) @ _samples(VIEWS[number]).T
            whole = rough_NRR[other_M[part]]
            whole[is_mirrored[part]] = whole[is_mirrored[part], :, ::-1]
            other_MS = whole.reshape(len(part), -1).astype(np.float32) @ _samples(VIEWS[0]).T
            likeness_M[part] = _correlation(seen_MS, other_MS)
    return likeness_M


def _correlation(x_MS: Floats, y_MS: Floats) -> Floats:
    x_MS, y_MS = (v - v.mean(axis=1, keepdims=True) for v in (x_MS, y_MS))
    scale_M = np.sqrt((x_MS**2).sum(axis=1) * (y_MS**2).sum(axis=1))
    return np.asarray((x_MS * y_MS).sum(axis=1) / np.maximum(scale_M, 1e-6), np.float32)


@cache
def _samples(view: View) -> Floats:
    """The weights [S, R * R] by which a view's samples are read from a rough picture.

    Each is the mean of 3 by 3 bilinear samples; there are 10 by 10 of them.
    """
    steps = (np.arange(SIDE * OVERSAMPLED) + 0.5) / (SIDE * OVERSAMPLED)
    x, y = np.meshgrid(view.left + view.width * steps, view.top + view.height * steps)
    angle = np.deg2rad(view.angle_deg)
    # A picture turned against the clock has at (x, y) what lay there turned back.
    dx, dy = x - 0.5, y - 0.5
    u = 0.5 + np.cos(angle) * dx - np.sin(angle) * dy
    v = 0.5 + np.sin(angle) * dx + np.cos(angle) * dy
    column, row = (np.clip(w * ROUGH_PX - 0.5, 0, ROUGH_PX - 1).ravel() for w in (u, v))
    left, top = (np.minimum(w.astype(np.int64), ROUGH_PX - 2) for w in (column, row))
    cells = np.arange(SIDE * OVERSAMPLED) // OVERSAMPLED
    sample = (cells[:, None] * SIDE + cells).ravel()
    weights = np.zeros((SIDE**2, ROUGH_PX**2))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - (column - left)) * np.abs(1 - down - (row - top))
            place = (top + down) * ROUGH_PX + left + right
            np.add.at(weights, (sample, place), share / OVERSAMPLED**2)
    # A window a little too large shows the frame about a picture: the outermost do not count.
    inner = weights.reshape(SIDE, SIDE, -1)[1:-1, 1:-1]
    return np.ascontiguousarray(inner.reshape(-1, ROUGH_PX**2), np.float32)
