"""The layers of StyleGAN2 (arXiv 1912.04958), shared by generator and discriminator.

Every learned weight is drawn from N(0, 1) and scaled at run time by its He constant
(equalised learning rate, arXiv 1710.10196, section 4.1).

The gain √2 of the leaky ReLU is folded into what stands before it (a leaky ReLU is positively
homogeneous), which saves a pass over the activations.

Shapes: N samples, I and O channels in and out, H rows, W columns, D numbers of a latent.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.networks.fir import blur

NoiseMode = Literal["const", "random", "none"]

SLOPE = 0.2
GAIN = math.sqrt(2.0)


class EqualizedLinear(nn.Module):
    """y = activation(x Wᵀ / √I · lr + b · lr), W ~ N(0, 1) / lr."""

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        bias: float = 0.0,
        lr_multiplier: float = 1.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((num_out,), bias / lr_multiplier))
        self.activate = activate
        gain = GAIN if activate else 1.0
        self.weight_gain = gain * lr_multiplier / math.sqrt(num_in)
        self.bias_gain = gain * lr_multiplier

    def forward(self, x_NI: Tensor) -> Tensor:
        """[N, I] to [N, O]."""
        y = functional.linear(x_NI, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return functional.leaky_relu(y, SLOPE) if self.activate else y


class EqualizedConv(nn.Module):
    """A convolution of odd size, optionally after a blur and with stride 2.

    `gain` scales the output (a residual branch needs 1/√2).
    """

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        size: int,
        down: bool = False,
        bias: bool = True,
        activate: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in, size, size))
        self.bias = nn.Parameter(torch.zeros(num_out)) if bias else None
        self.down = down
        self.activate = activate
        self.bias_gain = gain * (GAIN if activate else 1.0)
        self.weight_gain = self.bias_gain / math.sqrt(num_in * size**2)

    def forward(self, x_NIHW: Tensor) -> Tensor:
        """[N, I, H, W] to [N, O, H, W], or half the sides."""
        size = self.weight.shape[-1]
        weight = self.weight * self.weight_gain
        bias = None if self.bias is None else self.bias * self.bias_gain
        if self.down:
            y = functional.conv2d(blur(x_NIHW, padding=1 + size // 2), weight, bias, stride=2)
        else:
            y = functional.conv2d(x_NIHW, weight, bias, padding=size // 2)
        return functional.leaky_relu(y, SLOPE) if self.activate else y


def demodulation(style_NI: Tensor, weight_OIKK: Tensor) -> Tensor:
    """d = rsqrt(Σ_i s_i² Σ_k W_oik² + ε), [N, O]: equation 3 of arXiv 1912.04958.

    As Σ_ik (s_i W_oik)² = Σ_i s_i² (Σ_k W_oik²), no weights a sample are ever made.
    """
    power_OI = weight_OIKK.square().sum(dim=(2, 3))
    return torch.rsqrt(style_NI.square() @ power_OI.T + 1e-8)


class ModulatedConv(nn.Module):
    """Convolution whose input channels each sample's style scales (equations 1 to 3).

    Scaling activations before and after one shared convolution equals convolving each sample with
    its own weights. `up` doubles the sides: a transposed convolution, then the filter.
    """

    def __init__(
        self, num_in: int, num_out: int, *, w_dim: int, size: int, up: bool, demodulate: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in, size, size))
        self.affine = EqualizedLinear(w_dim, num_in, bias=1.0)
        self.weight_gain = 1.0 / math.sqrt(num_in * size**2)
        self.up = up
        self.demodulate = demodulate

    def forward(self, x_NIHW: Tensor, w_ND: Tensor) -> tuple[Tensor, Tensor | None]:
        """The convolved activations and what they are yet to be scaled by, [N, O, 1, 1] or None.

        The scale is left to the caller, who joins it with what it adds (noise and bias).
        """
        style_NI = self.affine(w_ND) * self.weight_gain
        x_NIHW = x_NIHW * style_NI[:, :, None, None]
        if self.up:
            weight_IOKK = self.weight.transpose(0, 1)
            y = functional.conv_transpose2d(x_NIHW, weight_IOKK * 4.0, stride=2)
            y = blur(y, padding=1)
        else:
            y = functional.conv2d(x_NIHW, self.weight, padding=self.weight.shape[-1] // 2)
        if not self.demodulate:
            return y, None
        return y, demodulation(style_NI, self.weight)[:, :, None, None]


class StyledConv(nn.Module):
    """Modulated 3 by 3 convolution, noise, bias, leaky ReLU (figure 2c of arXiv 1912.04958)."""

    noise_const: Tensor

    def __init__(
        self, num_in: int, num_out: int, *, w_dim: int, resolution_px: int, up: bool
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(num_in, num_out, w_dim=w_dim, size=3, up=up, demodulate=True)
        self.bias = nn.Parameter(torch.zeros(num_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution_px, resolution_px))

    def forward(
        self,
        x_NIHW: Tensor,
        w_ND: Tensor,
        *,
        noise_mode: NoiseMode,
        generator: torch.Generator | None,
    ) -> Tensor:
        """[N, I, H, W] to [N, O, H, W], or twice the sides; `generator` draws random noise."""
        y, scale = self.conv(x_NIHW, w_ND)
        assert scale is not None
        offset = self.bias[:, None, None] * GAIN
        if noise_mode != "none":
            noise = self.noise_const
            if noise_mode == "random":
                noise = torch.randn(
                    (y.shape[0], 1, *noise.shape), generator=generator, device=y.device
                )
            offset = offset + noise * (self.noise_strength * GAIN)
        return functional.leaky_relu(torch.addcmul(offset, y, scale * GAIN), SLOPE)


class ToImage(nn.Module):
    """Modulated 1 by 1 convolution to colours, without demodulation (appendix B)."""

    def __init__(self, num_in: int, channels: int, *, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(num_in, channels, w_dim=w_dim, size=1, up=False, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_NIHW: Tensor, w_ND: Tensor) -> Tensor:
        """[N, I, H, W] to [N, channels, H, W]."""
        image_NCHW: Tensor = self.conv(x_NIHW, w_ND)[0]
        return image_NCHW + self.bias[:, None, None]
