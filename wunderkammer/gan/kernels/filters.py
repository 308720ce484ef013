"""The filter [1, 3, 3, 1] and its adjoint for autograd (arXiv 1912.04958, appendix B).

Both are linear, so the derivative of each is the other. Saying so keeps first and second
derivatives as cheap as the forward pass; the generic double backward of a depthwise convolution
costs 20 times as much on CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd import Function

from wunderkammer.gan.kernels import plain

# Of x [N, C, H, W], stride, padding, gain: see `plain.correlate`.
Filter = Callable[[Tensor, int, int, float], Tensor]


@dataclass(frozen=True)
class Filters:
    """The two filters by one implementation, which need not have derivatives."""

    correlate: Filter
    spread: Filter


PLAIN = Filters(plain.correlate, plain.spread)


def correlate(x_NCHW: Tensor, *, stride: int, padding: int, gain: float, by: Filters) -> Tensor:
    """`plain.correlate` with derivatives of every order."""
    y: Tensor = _Correlate.apply(x_NCHW, stride, padding, gain, by)
    return y


def spread(x_NCHW: Tensor, *, stride: int, padding: int, gain: float, by: Filters) -> Tensor:
    """`plain.spread` with derivatives of every order."""
    y: Tensor = _Spread.apply(x_NCHW, stride, padding, gain, by)
    return y


_Gradients = tuple[Tensor, None, None, None, None]


class _Correlate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int, padding: int, gain: float, by: Filters) -> Tensor:
        ctx.settings = (stride, padding, gain, by)
        return by.correlate(x, stride, padding, gain)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> _Gradients:
        return _Spread.apply(gradients[0], *ctx.settings), None, None, None, None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int, padding: int, gain: float, by: Filters) -> Tensor:
        ctx.settings = (stride, padding, gain, by)
        return by.spread(x, stride, padding, gain)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> _Gradients:
        return _Correlate.apply(gradients[0], *ctx.settings), None, None, None, None
