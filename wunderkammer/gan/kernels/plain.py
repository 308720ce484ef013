"""What the kernels compute, in torch's own operations: on CPUs, and where Triton is not to be had.

Shapes: N samples, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)


@dataclass(frozen=True)
class Activation:
    """y = gain · leaky ReLU of slope `slope`, cut off at ± `clamp`; slope 1 is no activation.

    `slope` is not negative and `gain` positive, so that y has the sign of what it is computed from.
    """

    slope: float
    gain: float
    clamp: float | None = None


def bias_act(
    x_NCHW: Tensor,
    *,
    scale_NC11: Tensor | None,
    bias_C: Tensor | None,
    noise_N1HW: Tensor | None,
    activation: Activation,
) -> Tensor:
    """The activation of x · scale + bias + noise, [N, C, H, W], in the type of x."""
    gain = activation.gain  # a leaky ReLU is positively homogeneous: its gain may come first
    y = x_NCHW
    bias = None if bias_C is None else (bias_C * gain).to(y.dtype)[:, None, None]
    scale = None if scale_NC11 is None else (scale_NC11 * gain).to(y.dtype)
    if scale is not None and bias is not None:
        y = torch.addcmul(bias, y, scale)
    elif scale is not None:
        y = y * scale
    elif bias is not None:
        y = torch.add(bias, y, alpha=gain)
    elif gain != 1.0:
        y = y * gain
    if noise_N1HW is not None:  # by itself: with the bias it would be as large as y
        y = y + (noise_N1HW * gain).to(y.dtype)
    if activation.slope != 1.0:
        y = functional.leaky_relu(y, activation.slope)
    return y if activation.clamp is None else y.clamp(-activation.clamp, activation.clamp)


def correlate(x_NCHW: Tensor, stride: int, padding: int, gain: float) -> Tensor:
    """Filter with [1, 3, 3, 1] in both directions, sum `gain`, zeros around; keep each `stride`-th.

    A side of H becomes (H + 2 · padding - 4) // stride + 1.
    """
    kernels = _kernels(x_NCHW, gain)
    channels = x_NCHW.shape[1]
    return functional.conv2d(x_NCHW, kernels, stride=stride, padding=padding, groups=channels)


def spread(x_NCHW: Tensor, stride: int, padding: int, gain: float) -> Tensor:
    """The adjoint of `correlate`; a side of H becomes (H - 1) · stride + 4 - 2 · padding."""
    if stride == 1:  # the filter is symmetric: its adjoint is itself under the other padding
        return correlate(x_NCHW, 1, len(TAPS) - 1 - padding, gain)
    if x_NCHW.device.type == "cpu" and x_NCHW.dtype in (torch.bfloat16, torch.float16):
        # There is no fast transposed convolution a channel in 16 bits: it takes 15 times as long.
        return spread(x_NCHW.float(), stride, padding, gain).to(x_NCHW.dtype)
    kernels = _kernels(x_NCHW, gain)
    channels = x_NCHW.shape[1]
    return functional.conv_transpose2d(
        x_NCHW, kernels, stride=stride, padding=padding, groups=channels
    )


def _kernels(x: Tensor, gain: float) -> Tensor:
    """The filter once a channel of `x`: [C, 1, 4, 4]."""
    kernel = (_kept_kernel if x.is_cuda else _kernel)(gain, x.dtype, x.device)
    return kernel.expand(x.shape[1], -1, -1, -1)


def _kernel(gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The filter [1, 1, 4, 4], sum `gain`."""
    taps = torch.tensor(TAPS, dtype=dtype, device=device)
    return torch.outer(taps, taps)[None, None] * (gain / sum(TAPS) ** 2)


# To make it stalls a GPU. On a CPU it is not kept: an export would leave one without numbers here.
_kept_kernel = cache(_kernel)
