"""Convolution for autograd: every derivative of it is a convolution again.

y = x ⋆ w is linear in x and in w. Its adjoint in x is the transposed convolution, that in w is the
gradient of the weights, and each derivative of any of the three is one of the three. Torch's own
second derivatives go over convolutions with kernels as large as the images: on an H200 R1 took
three times as long with them.

Shapes: N samples, I and O channels in and out, H rows, W columns, K size of a kernel.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.nn.grad import conv2d_weight


def convolve(
    x_NIHW: Tensor,
    weight_OIKK: Tensor,
    bias_O: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Tensor:
    """`conv2d`; the padded sides less K must be multiples of the stride."""
    y: Tensor = _Convolve.apply(x_NIHW, weight_OIKK, bias_O, stride, padding)
    return y


def convolve_transposed(
    x_NIHW: Tensor, weight_IOKK: Tensor, *, stride: int = 1, padding: int = 0
) -> Tensor:
    """`conv_transpose2d`: the adjoint of `convolve` with the same arguments."""
    y: Tensor = _Transposed.apply(x_NIHW, weight_IOKK, stride, padding)
    return y


# Not a thread's own: the backward pass on a GPU runs in another thread.
_are_weights_asked_for = True


def input_gradient(y: Tensor, x: Tensor) -> Tensor:
    """∂y/∂x of a scalar y, itself differentiable; no weight of a convolution may depend on x.

    Autograd has a function compute what any of its inputs could need, so that the gradients of all
    weights would be computed and thrown away. Here they are left out.
    """
    global _are_weights_asked_for
    _are_weights_asked_for = False
    try:
        (gradient,) = torch.autograd.grad(y, x, create_graph=True)
    finally:
        _are_weights_asked_for = True
    return gradient


def _laid_out_like(gradient: Tensor, x: Tensor) -> Tensor:
    """A gradient may come in another order of memory, and all before would go on in it."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return gradient.contiguous(memory_format=torch.channels_last)
    return gradient


def _weight_gradient(x: Tensor, gradient: Tensor, shape: torch.Size, *steps: int) -> Tensor:
    stride, padding = steps
    if x.device.type == "cpu" and x.dtype == torch.float32 and stride > 1:
        # With channels last oneDNN takes two to three times as long here.
        x, gradient = x.contiguous(), gradient.contiguous()
    summed: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
        x, shape, gradient, stride=stride, padding=padding
    )
    return summed


class _Convolve(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *steps: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = steps
        return functional.conv2d(x, weight, bias, *steps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), needed = ctx.saved_tensors, ctx.needs_input_grad
        gradient = _laid_out_like(gradients[0], x)
        by_x = _Transposed.apply(gradient, weight, *ctx.steps) if needed[0] else None
        by_weight = None
        if needed[1] and _are_weights_asked_for:
            by_weight = _WeightGradient.apply(x, gradient, weight.shape, *ctx.steps)
        return by_x, by_weight, gradient.sum(dim=(0, 2, 3)) if needed[2] else None, None, None


class _Transposed(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, *steps: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = steps
        return functional.conv_transpose2d(x, weight, None, *steps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), needed = ctx.saved_tensors, ctx.needs_input_grad
        gradient = _laid_out_like(gradients[0], x)
        by_x = _Convolve.apply(gradient, weight, None, *ctx.steps) if needed[0] else None
        by_weight = None
        if needed[1] and _are_weights_asked_for:
            by_weight = _WeightGradient.apply(gradient, x, weight.shape, *ctx.steps)
        return by_x, by_weight, None, None


class _WeightGradient(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gradient: Tensor, shape: torch.Size, *steps: int) -> Tensor:
        ctx.save_for_backward(x, gradient)
        ctx.steps = steps
        return _weight_gradient(x, gradient, shape, *steps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x, gradient), (weight,), needed = ctx.saved_tensors, gradients, ctx.needs_input_grad
        by_x = _Transposed.apply(gradient, weight, *ctx.steps) if needed[0] else None
        by_gradient = _Convolve.apply(x, weight, None, *ctx.steps) if needed[1] else None
        return by_x, by_gradient, None, None, None
