"""The Triton kernels for autograd, with derivatives of every order. To import this needs Triton.

The activation is linear in pieces: its derivative depends on the result's sign (and on whether it
was cut off) alone, and the second derivative through it is zero. So a backward pass is linear in
the incoming gradient; where it is itself to be differentiated, it is done in differentiable steps,
and else in one pass over the activations.

Shapes: N samples, C channels, H rows, W columns.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from wunderkammer.gan.kernels import launch
from wunderkammer.gan.kernels.filters import Filters, spread
from wunderkammer.gan.kernels.implementation import Kernels
from wunderkammer.gan.kernels.launch import Shift, Wanted, wide
from wunderkammer.gan.kernels.plain import Activation

FILTERS = Filters(launch.correlate, launch.spread)


def bias_act(
    x_NCHW: Tensor,
    *,
    scale_NC11: Tensor | None,
    bias_C: Tensor | None,
    noise_N1HW: Tensor | None,
    activation: Activation,
    blur_padding: int | None,
) -> Tensor:
    """`plain.bias_act` in one pass; with `blur_padding` of x filtered with that padding."""
    kind = wide(x_NCHW.dtype)
    num, channels, height, width = x_NCHW.shape
    grown = 0 if blur_padding is None else 2 * blur_padding - 3
    scale, bias, noise = scale_NC11, bias_C, noise_N1HW
    if scale is not None:
        scale = scale.to(kind).reshape(-1, channels).expand(num, channels)
    if bias is not None:
        bias = bias.to(kind)
    if noise is not None:
        noise = noise.to(kind).contiguous().expand(num, 1, height + grown, width + grown)
    y: Tensor = _BiasAct.apply(x_NCHW, scale, bias, noise, activation, blur_padding)
    return y


FUSED = Kernels(bias_act, FILTERS)


_Backward = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]


class _BiasAct(Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor | None,
        bias: Tensor | None,
        noise: Tensor | None,
        activation: Activation,
        blur_padding: int | None,
    ) -> Tensor:
        shift = Shift(scale, bias, noise, activation)
        if blur_padding is None:
            y = launch.activate(x, shift)
        else:
            y = launch.correlate(x, 1, blur_padding, 1.0, shift)
        ctx.save_for_backward(None if scale is None else x, scale, y)
        ctx.settings = (activation, blur_padding)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, y = ctx.saved_tensors
        wanted = Wanted(*ctx.needs_input_grad[:4])
        descend = _in_steps if torch.is_grad_enabled() else _at_once
        return (*descend(gradients[0], x, scale, y, wanted, *ctx.settings), None, None)


def _at_once(
    gradient: Tensor,
    x: Tensor | None,
    scale: Tensor | None,
    y: Tensor,
    wanted: Wanted,
    activation: Activation,
    blur_padding: int | None,
) -> _Backward:
    if blur_padding is None:
        return launch.activate_backward(
            gradient, y_NCHW=y, x_NCHW=x, scale_NC=scale, activation=activation, wanted=wanted
        )
    beyond = wanted.x or wanted.scale
    masked, _, for_bias, for_noise = launch.activate_backward(
        gradient,
        y_NCHW=y,
        x_NCHW=None,
        scale_NC=None,
        activation=activation,
        wanted=Wanted(beyond, False, wanted.bias, wanted.noise),
    )
    for_x, for_scale = None, None
    if masked is not None:
        for_x = launch.spread(masked, 1, blur_padding, 1.0)
        if scale is not None:
            for_x, for_scale, _, _ = launch.activate_backward(
                for_x,
                y_NCHW=None,
                x_NCHW=x,
                scale_NC=scale,
                activation=activation,
                wanted=Wanted(wanted.x, wanted.scale),
            )
    return for_x, for_scale, for_bias, for_noise


def _in_steps(
    gradient: Tensor,
    x: Tensor | None,
    scale: Tensor | None,
    y: Tensor,
    wanted: Wanted,
    activation: Activation,
    blur_padding: int | None,
) -> _Backward:
    kind = wide(y.dtype)
    masked: Tensor = _Masked.apply(gradient, y, activation)
    for_bias = masked.sum(dim=(0, 2, 3), dtype=kind) if wanted.bias else None
    for_noise = masked.sum(dim=1, keepdim=True, dtype=kind) if wanted.noise else None
    for_x, for_scale = masked, None
    if blur_padding is not None:
        for_x = spread(masked, stride=1, padding=blur_padding, gain=1.0, by=FILTERS)
    if scale is not None:
        if wanted.scale and x is not None:
            for_scale = (for_x * x).sum(dim=(2, 3), dtype=kind)
        for_x = for_x * scale.to(for_x.dtype)[:, :, None, None]
    return for_x, for_scale, for_bias, for_noise


class _Masked(Function):
    """g times the activation's derivative at y: linear in g, its own adjoint."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, y: Tensor, activation: Activation) -> Tensor:
        ctx.save_for_backward(y)
        ctx.activation = activation
        masked, *_ = launch.activate_backward(
            gradient, y_NCHW=y, x_NCHW=None, scale_NC=None, activation=activation, wanted=Wanted()
        )
        assert masked is not None
        return masked

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return _Masked.apply(gradients[0], y, ctx.activation), None, None
