"""Moving pictures about: by whole pixels exactly, otherwise between two wavelet filters.

What lies outside a picture is its reflection, without the edge pixels repeated. It is found by
folding coordinates back, for ever, so that no shape depends on a move and nothing waits for the
device. Everything is linear in the picture: gradients flow through all of it, to any order.

Shapes: N samples, C channels, S px of a side, T = 2 S + 10 samples of a side between the filters.
"""

from functools import cache
from itertools import product
from math import gcd, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from wunderkammer.gan.augment.geometry import apply, is_identity
from wunderkammer.gan.augment.wavelets import Taps, symlet

NUM_MOMENTS = 6
NUM_TAPS = 2 * NUM_MOMENTS
# Samples of the doubled picture that the lower filter reaches beyond each edge, and pixels that
# the upper one does.
MARGIN = NUM_MOMENTS - 1
REACH = NUM_MOMENTS // 2
MIN_SIDE_PX = REACH + 1
# Lines are filtered in tiles, each a product with one small matrix: on a CPU the fastest way from
# 64 to 256 px (measured against other tiles, the whole line at once and convolutions).
TILE_PX = 16


def gather_pixels(images_NCSS: Tensor, inverse_N33: Tensor) -> Tensor:
    """Move whole pixels: flips, quarter turns and shifts by whole pixels come out exactly.

    Args:
        images_NCSS: the pictures.
        inverse_N33: from output to input positions, in pixels from the centre.
    """
    side = images_NCSS.shape[-1]
    middle = (side - 1) / 2
    axis_S = torch.arange(side, dtype=inverse_N33.dtype, device=inverse_N33.device) - middle
    places_NSS2 = (apply(inverse_N33, axis_S) + middle).round().long()
    x_NP, y_NP = _fold(places_NSS2, side).flatten(1, 2).unbind(-1)
    index = (y_NP * side + x_NP)[:, None].expand(-1, images_NCSS.shape[1], -1)
    return images_NCSS.flatten(2).gather(2, index).view_as(images_NCSS)


def resample(images_NCSS: Tensor, inverse_N33: Tensor) -> Tensor:
    """Move between pixels (arXiv 2006.06676, appendix B).

    The picture is doubled with the symlet sym6, read bilinearly and halved with the same filter
    turned round. Pictures that the identity moves come out bit for bit.

    Args:
        images_NCSS: the pictures.
        inverse_N33: from output to input positions, in pixels from the centre.

    Raises:
        ValueError: a side of less than 4 px, which the filters' reach would reflect twice.
    """
    side = images_NCSS.shape[-1]
    if side < MIN_SIDE_PX:
        raise ValueError(f"a side of {side} px is too small to resample; use {MIN_SIDE_PX} or more")
    tile = gcd(side, TILE_PX)
    up, down = _tile_matrices(tile, images_NCSS.dtype, images_NCSS.device)
    doubled = _filter(_reflected(images_NCSS), up, stride=tile)[..., :-1, :-1]
    # The samples' places in px from the centre; the filters' delay puts them ¼ px off its axes.
    num = 2 * (side + MARGIN)
    axis_T = (torch.arange(num, device=images_NCSS.device) - (MARGIN + side - 1)) / 2
    # -1 and 1 are the middles of the edge pixels, the axes of reflection.
    grid_NTT2 = apply(inverse_N33, axis_T).to(images_NCSS.dtype) * (2 / (side - 1))
    read_NCTT: Tensor = _Read.apply(doubled, grid_NTT2)
    stays_N111 = is_identity(inverse_N33).view(-1, 1, 1, 1)
    return torch.where(stays_N111, images_NCSS, _filter(read_NCTT, down, stride=2 * tile))


@cache
def _tile_matrices(tile: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The doubling and the halving of one tile of a line, [tile + 6, 2 tile], [2 tile + 10, tile].

    Sample k is √2 sum_n h[k - 2 n + 5] x[n], and pixel n is sum_k h[k - 2 n + 5] s[k] / √2. The
    filter's delay is 4.6 to 5.1 over its passband, so pixel n lies at 2 n of the doubled line.
    Kept: to make them stalls a GPU.
    """
    up = _banded(tile + 2 * REACH, 2 * tile, row_step=-2, column_step=1, first=MARGIN + 2 * REACH)
    down = _banded(2 * (tile + MARGIN), tile, row_step=1, column_step=-2, first=0)
    with torch.inference_mode(False):  # what is kept must serve training too
        return (
            torch.tensor(up * sqrt(2), dtype=dtype, device=device),
            torch.tensor(down / sqrt(2), dtype=dtype, device=device),
        )


def _banded(rows: int, columns: int, *, row_step: int, column_step: int, first: int) -> Taps:
    """The matrix with tap `first + row_step * row + column_step * column` of the symlet."""
    row, column = np.ogrid[:rows, :columns]
    tap = first + row_step * row + column_step * column
    taps = symlet(NUM_MOMENTS)[tap.clip(0, NUM_TAPS - 1)]
    return np.where((tap >= 0) & (tap < NUM_TAPS), taps, 0.0)


def _reflected(images_NCSS: Tensor) -> Tensor:
    """With REACH pixels more on every side."""
    x = images_NCSS
    for _ in range(2):
        before, after = x[..., 1 : REACH + 1].flip(-1), x[..., -REACH - 1 : -1].flip(-1)
        x = torch.cat([before, x, after], dim=-1).mT
    return x


def _filter(images_NCHW: Tensor, matrix: Tensor, *, stride: int) -> Tensor:
    """`matrix` on every window of every row, then of every column: a product of matrices."""
    x = images_NCHW
    for _ in range(2):
        windows = x.unfold(-1, len(matrix), stride)
        lines = windows.reshape(-1, len(matrix)) @ matrix  # one product, not one an image
        x = lines.view(*x.shape[:-1], -1).mT
    return x


class _Read(Function):
    """Bilinear reading at a grid, reflected at -1 and 1; linear in the images [N, C, H, H]."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return functional.grid_sample(
            images, grid, mode="bilinear", padding_mode="reflection", align_corners=True
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradients[0], grid, ctx.shape), None


class _Spread(Function):
    """The adjoint of `_Read`: each value goes to the four samples that it was read from."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        if values.is_cuda and torch.are_deterministic_algorithms_enabled():
            return spread_in_order(values, grid, side=shape[-1])
        return spread(values, grid, side=shape[-1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _Read.apply(gradients[0], grid), None, None


def spread(values_NCTT: Tensor, grid_NTT2: Tensor, *, side: int) -> Tensor:
    """The adjoint of bilinear reading from [N, C, side, side]; on CUDA in whatever order."""
    shape = (*values_NCTT.shape[:2], side, side)
    images: Tensor = torch.ops.aten.grid_sampler_2d_backward(
        values_NCTT,
        values_NCTT.new_empty(()).expand(shape),  # for its shape; linear, so its values are unused
        grid_NTT2,
        0,  # bilinear
        2,  # reflection
        True,  # -1 and 1 are the middles of the edge samples
        [True, False],
    )[0]
    return images


def spread_in_order(values_NCTT: Tensor, grid_NTT2: Tensor, *, side: int) -> Tensor:
    """The same sums, by an operation that CUDA can do in a fixed order, at some cost."""
    num, channels = values_NCTT.shape[:2]
    places = (grid_NTT2 + 1.0) * ((side - 1) / 2)
    lower = places.floor()
    upper_share = places - lower
    images = values_NCTT.new_zeros((num, channels, side * side))
    for x_step, y_step in product((0, 1), repeat=2):
        column = _fold(lower[..., 0].long() + x_step, side)
        row = _fold(lower[..., 1].long() + y_step, side)
        x_share = (1.0 - x_step - upper_share[..., 0]).abs()
        y_share = (1.0 - y_step - upper_share[..., 1]).abs()
        index = (row * side + column).flatten(1)[:, None].expand(-1, channels, -1)
        shares = (x_share * y_share)[:, None]
        images = images.scatter_add(2, index, (values_NCTT * shares).flatten(2))
    return images.view(num, channels, side, side)


def _fold(places: Tensor, side: int) -> Tensor:
    """The indices that reflection at the edge pixels brings between 0 and side - 1."""
    period = 2 * (side - 1)
    places = places.remainder(period)
    return torch.minimum(places, period - places)
