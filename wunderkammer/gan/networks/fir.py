"""Resampling with the binomial filter [1, 3, 3, 1] (arXiv 1912.04958, appendix B).

Every operation here is linear, so its derivative is its own adjoint and the adjoint's derivative
is the operation again. Saying so to autograd keeps first and second derivatives as cheap as the
forward pass; the generic double backward of a depthwise convolution costs 20 times as much on CPU.

Shapes: N samples, C channels, H rows, W columns.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(x_NCHW: Tensor, *, padding: int) -> Tensor:
    """Filter with gain 1 and zero padding; a side of H becomes H + 2 * padding - 3."""
    filtered: Tensor = _Correlate.apply(x_NCHW, 1, padding, 1.0)
    return filtered


def downsample(x_NCHW: Tensor) -> Tensor:
    """Halve both (even) sides, gain 1."""
    halved: Tensor = _Correlate.apply(x_NCHW, 2, 1, 1.0)
    return halved


def upsample(x_NCHW: Tensor) -> Tensor:
    """Double both sides, gain 1: the adjoint of `downsample` times 4, the zeros put in between."""
    doubled: Tensor = _Spread.apply(x_NCHW, 2, 1, 4.0)
    return doubled


@cache
def _kernel(gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The separable filter [1, 1, 4, 4], sum `gain`. Kept: to make it stalls a GPU."""
    taps = torch.tensor(TAPS, dtype=dtype, device=device)
    return torch.outer(taps, taps)[None, None] * (gain / sum(TAPS) ** 2)


def _kernels(x: Tensor, gain: float) -> Tensor:
    """The filter once a channel of `x`: [C, 1, 4, 4]."""
    return _kernel(gain, x.dtype, x.device).expand(x.shape[1], -1, -1, -1)


def _correlate(x: Tensor, stride: int, padding: int, gain: float) -> Tensor:
    kernels = _kernels(x, gain)
    return functional.conv2d(x, kernels, stride=stride, padding=padding, groups=x.shape[1])


def _spread(x: Tensor, stride: int, padding: int, gain: float) -> Tensor:
    if stride == 1:  # the filter is symmetric: its adjoint is itself under the other padding
        return _correlate(x, 1, len(TAPS) - 1 - padding, gain)
    kernels = _kernels(x, gain)
    return functional.conv_transpose2d(
        x, kernels, stride=stride, padding=padding, groups=x.shape[1]
    )


class _Correlate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int, padding: int, gain: float) -> Tensor:
        ctx.settings = (stride, padding, gain)
        return _correlate(x, stride, padding, gain)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _Spread.apply(gradients[0], *ctx.settings), None, None, None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int, padding: int, gain: float) -> Tensor:
        ctx.settings = (stride, padding, gain)
        return _spread(x, stride, padding, gain)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _Correlate.apply(gradients[0], *ctx.settings), None, None, None
