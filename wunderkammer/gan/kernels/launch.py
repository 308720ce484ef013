"""Launches of the Triton kernels on tensors, without derivatives.

Shapes: N samples, C channels, H rows, W columns, B blocks of pixels.
"""

from dataclasses import dataclass
from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from wunderkammer.gan.kernels import triton_kernels
from wunderkammer.gan.kernels.plain import TAPS, Activation

TILE = 4096  # values that a program holds: 32 a thread
MOST_CHANNELS = 64  # of a tile
NONE = Activation(slope=1.0, gain=1.0)


@dataclass(frozen=True)
class Shift:
    """What is done to activations u before the activation: u · scale + bias + noise.

    `scale_NC`, `bias_C` and `noise_N1HW` are of the wide type; the noise may be expanded over N.
    """

    scale_NC: Tensor | None
    bias_C: Tensor | None
    noise_N1HW: Tensor | None
    activation: Activation


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type that the kernels compute with."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def activate(x_NCHW: Tensor, shift: Shift) -> Tensor:
    """The activation of the shifted x, as x lies in memory."""
    x = _dense(x_NCHW)
    y = torch.empty_like(x)
    tile = _tile(x)
    grid = (*tile.blocks, x.shape[0])
    _launch(
        triton_kernels.activate, grid, x, y, *_shift(shift), tile.num_pixels, x.shape[1],
        *_strides(x), _noise_stride(shift), **_pieces(shift.activation, x.dtype), **tile.sizes,
    )  # fmt: skip
    return y


@dataclass(frozen=True)
class Wanted:
    """Which gradients are to be computed: of x, scale, bias, noise."""

    x: bool = True
    scale: bool = False
    bias: bool = False
    noise: bool = False


def activate_backward(
    gradient_NCHW: Tensor,
    *,
    y_NCHW: Tensor | None,
    x_NCHW: Tensor | None,
    scale_NC: Tensor | None,
    activation: Activation,
    wanted: Wanted,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """The wanted gradients of x, scale [N, C], bias [C] and noise [N, 1, H, W].

    `y_NCHW` is the result of `activate`; without it there was only a scale. `x_NCHW` is needed for
    the gradient of the scale.
    """
    gradient = _dense(gradient_NCHW) if y_NCHW is None else _like(gradient_NCHW, y_NCHW)
    x = _like(x_NCHW, gradient) if x_NCHW is not None and wanted.scale else None
    num, channels, height, width = gradient.shape
    tile = _tile(gradient)
    num_blocks = tile.blocks[0]
    span = tile.blocks[1] * tile.num_channels if wanted.noise else tile.num_channels

    x_gradient = torch.empty_like(gradient) if wanted.x else None
    scale_sums = _empty(wanted.scale, gradient, num, num_blocks, channels)
    bias_sums = _empty(wanted.bias, gradient, num, num_blocks, channels)
    noise_sums = _empty(wanted.noise, gradient, num, 1, height, width)
    _launch(
        triton_kernels.activate_backward,
        (num_blocks, 1 if wanted.noise else tile.blocks[1], num),
        gradient, y_NCHW, x, None if scale_NC is None else scale_NC.contiguous(),
        x_gradient, scale_sums, bias_sums, noise_sums, tile.num_pixels, channels,
        *_strides(gradient), **_pieces(activation, gradient.dtype), SPAN=span, **tile.sizes,
    )  # fmt: skip
    return (
        x_gradient,
        None if scale_sums is None else scale_sums.sum(dim=1),
        None if bias_sums is None else bias_sums.sum(dim=(0, 1)),
        noise_sums,
    )


def _empty(is_wanted: bool, like: Tensor, *shape: int) -> Tensor | None:
    if not is_wanted:
        return None
    return torch.empty(shape, dtype=wide(like.dtype), device=like.device)


def correlate(
    x_NCHW: Tensor, stride: int, padding: int, gain: float, shift: Shift | None = None
) -> Tensor:
    """`plain.correlate`, then `activate` if there is a shift."""
    height, width = (side + 2 * padding - len(TAPS) for side in x_NCHW.shape[2:])
    sides = (height // stride + 1, width // stride + 1)
    return _filter(x_NCHW, sides, up=1, down=stride, padding=padding, gain=gain, shift=shift)


def spread(x_NCHW: Tensor, stride: int, padding: int, gain: float) -> Tensor:
    """`plain.spread` (stride 1 or 2)."""
    if stride == 1:
        return correlate(x_NCHW, 1, len(TAPS) - 1 - padding, gain)
    height, width = (side * 2 + 2 - 2 * padding for side in x_NCHW.shape[2:])
    return _filter(x_NCHW, (height, width), up=2, down=1, padding=padding, gain=gain, shift=None)


def _filter(
    x_NCHW: Tensor,
    sides: tuple[int, int],
    *,
    up: int,
    down: int,
    padding: int,
    gain: float,
    shift: Shift | None,
) -> Tensor:
    x = _dense(x_NCHW)
    num, channels, height, width = x.shape
    y = torch.empty(
        (num, channels, *sides), dtype=x.dtype, device=x.device, memory_format=_format(x)
    )
    tile = _tile(y)
    _launch(
        triton_kernels.filter_tile, (*tile.blocks, num), x, y, *_shift(shift),
        height, width, channels, *_strides(x), sides[1], tile.num_pixels, *_strides(y),
        _noise_stride(shift), UP=up, DOWN=down, PADDING=padding, FACTOR=gain / sum(TAPS) ** 2,
        ACTIVATE=shift is not None,
        **_pieces(NONE if shift is None else shift.activation, x.dtype), **tile.sizes,
    )  # fmt: skip
    return y


@dataclass(frozen=True)
class _Tile:
    num_pixels: int
    blocks: tuple[int, int]
    num_channels: int
    sizes: dict[str, Any]


def _tile(x: Tensor) -> _Tile:
    """How the kernels divide H · W pixels and C channels of a sample."""
    num_pixels = x.shape[2] * x.shape[3]
    channels = min(triton.next_power_of_2(x.shape[1]), MOST_CHANNELS)
    pixels = min(triton.next_power_of_2(num_pixels), TILE // channels)
    blocks = (triton.cdiv(num_pixels, pixels), triton.cdiv(x.shape[1], channels))
    kind = tl.float64 if wide(x.dtype) == torch.float64 else tl.float32
    return _Tile(num_pixels, blocks, channels, {"BP": pixels, "BC": channels, "WIDE": kind})


def _launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    with torch.cuda.device_of(arguments[0]):  # type: ignore[no-untyped-call]
        kernel[grid](*arguments, **constants, enable_fp_fusion=True)


def _pieces(activation: Activation, dtype: torch.dtype) -> dict[str, float | None]:
    """Constants of the kernels. What was cut off is known by its value: as it is stored."""
    limit = activation.clamp
    if limit is not None:
        limit = torch.tensor(limit, dtype=dtype).item()
    return {"SLOPE": activation.slope, "GAIN": activation.gain, "CLAMP": limit}


def _shift(shift: Shift | None) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    if shift is None:
        return None, None, None
    scale, bias, noise = shift.scale_NC, shift.bias_C, shift.noise_N1HW
    return (
        None if scale is None else scale.contiguous(),
        None if bias is None else bias.contiguous(),
        noise,
    )


def _noise_stride(shift: Shift | None) -> int:
    """Numbers from the noise of a sample to that of the next; 0 where they share it."""
    if shift is None or shift.noise_N1HW is None:
        return 0
    return shift.noise_N1HW.stride(0)


def _format(x: Tensor) -> torch.memory_format:
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return torch.contiguous_format
    return torch.channels_last


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=_format(x))


def _like(x: Tensor, other: Tensor) -> Tensor:
    return x.contiguous(memory_format=_format(other))


def _strides(x: Tensor) -> tuple[int, int, int]:
    """Of samples, pixels, channels; torch's own say nothing sure of sides of 1."""
    num_pixels, channels = x.shape[2] * x.shape[3], x.shape[1]
    if _format(x) == torch.channels_last:
        return num_pixels * channels, channels, 1
    return num_pixels * channels, 1, num_pixels
