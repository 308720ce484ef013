"""Sliced Wasserstein distance between two sets of pictures, at every level of a pyramid.

arXiv 1710.10196, section 5: each level of a Laplacian pyramid holds what pictures show at one
scale; the distributions of its patches of 7 by 7 pixels are compared. No weights are needed. The
paper's sizes are 128 patches a picture and 512 directions; its tables give the distance times
1,000.

Both sets are normalised with the mean and deviation that the reals have in each channel, where the
paper's own figures may normalise each set by itself: then a set that is too dark, or too flat,
would lose nothing.

Shapes: N pictures, C channels, H rows, W columns; P patches, D numbers of one, K directions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from wunderkammer.gan.evaluation.pictures import Floats, Pictures

PATCH_PX = 7
SMALLEST_LEVEL_PX = 16
DIRECTIONS_AT_ONCE = 64
PICTURES_AT_ONCE = 64


@dataclass(frozen=True)
class Sizes:
    """How much is looked at; equal sizes look at equal places along equal directions."""

    patches_per_image: int
    num_directions: int
    seed: int


def level_sides(side_px: int) -> tuple[int, ...]:
    """The levels of a picture's pyramid, from its own side down to 16 px: 64 gives 64, 32, 16."""
    sides = [side_px]
    while sides[-1] // 2 >= SMALLEST_LEVEL_PX:
        sides.append(sides[-1] // 2)
    return tuple(sides)


def laplacian_pyramid(picture_HWC: Pictures) -> list[Floats]:
    """What each level adds to the next smaller one, the last as it is: float32 [h, w, C] each.

    Burt and Adelson's pyramid with the 5 by 5 binomial filter.
    """
    rest_HWC: Floats = picture_HWC.astype(np.float32)
    levels: list[Floats] = []
    for _ in level_sides(picture_HWC.shape[0])[1:]:
        # OpenCV drops the axis of a single channel.
        smaller_HWC: Floats = np.atleast_3d(cv2.pyrDown(rest_HWC)).astype(np.float32)
        blurred_HWC: Floats = np.atleast_3d(cv2.pyrUp(smaller_HWC)).astype(np.float32)
        levels.append(rest_HWC - blurred_HWC)
        rest_HWC = smaller_HWC
    return [*levels, rest_HWC]


def patches(images_NCHW: Pictures, sizes: Sizes) -> dict[int, Floats]:
    """Random patches of every level, by the level's side in pixels: float32 [P, C, 49].

    The places depend on the sizes and on a picture's number in the set, not on the set.

    Raises:
        ValueError: the pictures are smaller than a patch.
    """
    num, channels, height, width = images_NCHW.shape
    if min(height, width) < PATCH_PX:
        raise ValueError(
            f"pictures of {width} by {height} px, patches are {PATCH_PX} px; "
            f"compare pictures of at least 8 px"
        )
    found: dict[int, list[Floats]] = {side: [] for side in level_sides(height)}
    places = {side: np.random.default_rng([sizes.seed, side]) for side in found}
    for start in range(0, num, PICTURES_AT_ONCE):
        block_NHWC = images_NCHW[start : start + PICTURES_AT_ONCE].transpose(0, 2, 3, 1)
        pyramids = [laplacian_pyramid(picture) for picture in block_NHWC]
        for level, side in enumerate(found):
            level_NHWC = np.stack([pyramid[level] for pyramid in pyramids])
            found[side].append(_cut(level_NHWC, sizes.patches_per_image, places[side]))
    shape = (num * sizes.patches_per_image, channels, PATCH_PX**2)
    return {side: np.concatenate(cut).reshape(shape) for side, cut in found.items()}


def pyramid_distances(
    real: Mapping[int, Floats], fake: Mapping[int, Floats], sizes: Sizes
) -> dict[int, float]:
    """The distance at each level, by its side in pixels, between what `patches` found."""
    distances = {}
    for side, real_PCX in real.items():
        # In float64: the sum of a million squares would lose digits.
        mean_C11 = real_PCX.mean(axis=(0, 2), keepdims=True, dtype=np.float64)
        std_C11 = real_PCX.std(axis=(0, 2), keepdims=True, dtype=np.float64)
        scale_C11 = (1 / np.where(std_C11 > 0, std_C11, 1)).astype(np.float32)
        shift_C11 = mean_C11.astype(np.float32)
        real_PD, fake_PD = (
            ((x_PCX - shift_C11) * scale_C11).reshape(len(x_PCX), -1)
            for x_PCX in (real_PCX, fake[side])
        )
        distances[side] = sliced_wasserstein(
            real_PD, fake_PD, num_directions=sizes.num_directions, seed=sizes.seed
        )
    return distances


def sliced_wasserstein(x_PD: Floats, y_QD: Floats, *, num_directions: int, seed: int) -> float:
    """The mean over random directions of the 1-D Wasserstein-1 distance of two point sets.

    In one dimension it is the mean distance of the sorted points, or of the quantiles where one
    set has more points.
    """
    num_dims, num_points = x_PD.shape[1], max(len(x_PD), len(y_QD))
    directions_KD = np.random.default_rng(seed).standard_normal((num_directions, num_dims))
    directions_KD /= np.linalg.norm(directions_KD, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, num_directions, DIRECTIONS_AT_ONCE):
        some_KD = directions_KD[start : start + DIRECTIONS_AT_ONCE].astype(np.float32)
        x_KP, y_KP = (
            _stretched(np.sort(some_KD @ points.T, axis=1), num_points) for points in (x_PD, y_QD)
        )
        total += float(np.abs(x_KP - y_KP).mean(axis=1, dtype=np.float64).sum())
    return total / num_directions


def _cut(level_NHWC: Floats, num_patches: int, places: np.random.Generator) -> Floats:
    """`num_patches` of each picture [N * num_patches, C, 7, 7]."""
    num, height, width, _ = level_NHWC.shape
    room = (height - PATCH_PX + 1, width - PATCH_PX + 1)
    row_NP, column_NP = np.moveaxis(places.integers(0, room, size=(num, num_patches, 2)), -1, 0)
    windows = np.lib.stride_tricks.sliding_window_view(level_NHWC, (PATCH_PX, PATCH_PX), (1, 2))
    cut: Floats = windows[np.arange(num)[:, None], row_NP, column_NP]
    return cut.reshape(-1, *cut.shape[2:])


def _stretched(sorted_KP: Floats, num: int) -> Floats:
    """As many quantiles as asked for, linear between the points."""
    num_points = sorted_KP.shape[1]
    if num_points == num:
        return sorted_KP
    place_Q = ((np.arange(num) + 0.5) * num_points / num - 0.5).clip(0, num_points - 1)
    low_Q = place_Q.astype(np.int64)
    high_Q = np.minimum(low_Q + 1, num_points - 1)
    part_Q = (place_Q - low_Q).astype(np.float32)
    low_KQ: Floats = sorted_KP[:, low_Q]
    high_KQ: Floats = sorted_KP[:, high_Q]
    quantiles_KQ: Floats = low_KQ + part_Q * (high_KQ - low_KQ)
    return quantiles_KQ
