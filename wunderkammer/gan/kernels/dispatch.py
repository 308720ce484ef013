"""The operations that have kernels: by Triton where it is sound, else by torch.

Triton needs a GPU and, at first use, a C compiler. Whether it is there and computes rightly is
found out at the first tensor on a device, by small examples; if not, a line of the log says so.
That first time must not be inside the capture of a CUDA graph.

Shapes: N samples, C channels, I and O channels in and out, H rows, W columns, K size of a kernel.
"""

import logging
import subprocess
from functools import cache

import torch
from torch import Tensor

from wunderkammer.gan.kernels import filters
from wunderkammer.gan.kernels.convolution import convolve
from wunderkammer.gan.kernels.implementation import PLAIN, Kernels
from wunderkammer.gan.kernels.plain import Activation
from wunderkammer.gan.kernels.selfcheck import find_difference

log = logging.getLogger(__name__)

LINEAR = Activation(slope=1.0, gain=1.0)


def bias_act(
    x_NCHW: Tensor,
    *,
    scale_NC11: Tensor | None = None,
    bias_C: Tensor | None = None,
    noise_N1HW: Tensor | None = None,
    activation: Activation = LINEAR,
    blur_padding: int | None = None,
) -> Tensor:
    """The activation of x · scale + bias + noise, [N, C, H, W], in the type of x.

    With `blur_padding` x is first filtered with that padding (see `plain.correlate`). The noise may
    be [H, W] as well, one for all samples.
    """
    return fused_or_plain(x_NCHW.device).bias_act(
        x_NCHW,
        scale_NC11=scale_NC11,
        bias_C=bias_C,
        noise_N1HW=noise_N1HW,
        activation=activation,
        blur_padding=blur_padding,
    )


def conv_act(
    x_NIHW: Tensor,
    weight_OIKK: Tensor,
    bias_O: Tensor | None,
    *,
    stride: int = 1,
    padding: int,
    activation: Activation,
) -> Tensor:
    """A convolution, then the activation of it plus bias, [N, O, H, W], in the type of x."""
    if fused_or_plain(x_NIHW.device) is PLAIN:  # there the convolution adds the bias at no cost
        bias = None if bias_O is None else bias_O.to(x_NIHW.dtype)
        y = convolve(x_NIHW, weight_OIKK, bias, stride=stride, padding=padding)
        return bias_act(y, activation=activation)
    y = convolve(x_NIHW, weight_OIKK, stride=stride, padding=padding)
    if bias_O is None and activation == LINEAR:
        return y
    return bias_act(y, bias_C=bias_O, activation=activation)


def correlate(x_NCHW: Tensor, *, stride: int, padding: int, gain: float) -> Tensor:
    """`plain.correlate` with derivatives of every order."""
    by = fused_or_plain(x_NCHW.device).filters
    return filters.correlate(x_NCHW, stride=stride, padding=padding, gain=gain, by=by)


def spread(x_NCHW: Tensor, *, stride: int, padding: int, gain: float) -> Tensor:
    """`plain.spread` with derivatives of every order."""
    by = fused_or_plain(x_NCHW.device).filters
    return filters.spread(x_NCHW, stride=stride, padding=padding, gain=gain, by=by)


@cache
def fused_or_plain(device: torch.device) -> Kernels:
    """The kernels to use on a device; found out once."""
    if device.type != "cuda":
        return PLAIN
    try:
        from wunderkammer.gan.kernels.fused import FUSED
    except ImportError as error:
        _say_plain(device, f"Triton can't be imported ({error})")
        return PLAIN
    difference = _difference(FUSED, device)
    if difference is not None:
        _say_plain(device, difference)
        return PLAIN
    log.info("fused Triton kernels are used on %s", device)
    return FUSED


def _difference(kernels: Kernels, device: torch.device) -> str | None:
    from triton import TritonError  # type: ignore[import-untyped]

    # Without a C compiler, or for a device that it does not know, Triton raises one of these.
    failures = (TritonError, RuntimeError, OSError, subprocess.CalledProcessError)
    try:
        return find_difference(kernels, device)
    except failures as error:
        return f"{type(error).__name__}: {error}"


def _say_plain(device: torch.device, reason: str) -> None:
    log.warning(
        "fused Triton kernels are not used on %s: %s; plain torch operations give the same results "
        "in more time (Triton needs a C compiler such as gcc on the PATH)",
        device,
        reason,
    )
