"""The layers of StyleGAN2 (arXiv 1912.04958), shared by generator and discriminator.

Every learned weight is drawn from N(0, 1) and scaled at run time by its He constant
(equalised learning rate, arXiv 1710.10196, section 4.1).

The gain √2 of the leaky ReLU is folded into what stands before it (a leaky ReLU is positively
homogeneous), which saves a pass over the activations.

Activations may have 16 bits; weights are scaled, and demodulation is computed, in those of the
parameters.

Shapes: N samples, I and O channels in and out, H rows, W columns, D numbers of a latent.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.kernels.convolution import convolve, convolve_transposed
from wunderkammer.gan.kernels.dispatch import LINEAR, bias_act, conv_act
from wunderkammer.gan.kernels.plain import Activation
from wunderkammer.gan.networks.fir import blur
from wunderkammer.gan.networks.interface import NoiseMode
from wunderkammer.gan.networks.precision import FLOAT16_CLAMP

SLOPE = 0.2
GAIN = math.sqrt(2.0)
MAPPING_LR_MULTIPLIER = 0.01


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


def unit_mean_square(x_NI: Tensor) -> Tensor:
    """Each sample divided by the root of its mean square (arXiv 1710.10196, section 4.2)."""
    return x_NI * torch.rsqrt(x_NI.square().mean(dim=1, keepdim=True) + 1e-8)


def mapping_layers(sizes: list[int]) -> nn.Sequential:
    """The dense layers of a mapping; they learn at a hundredth of the rate (arXiv 1812.04948)."""
    return nn.Sequential(
        *(
            EqualizedLinear(a, b, lr_multiplier=MAPPING_LR_MULTIPLIER, activate=True)
            for a, b in pairwise(sizes)
        )
    )


def cut_off(dtype: torch.dtype, clamp: float | None, *, gain: float = 1.0) -> float | None:
    """What activations may not exceed: `clamp` · `gain`; without a clamp only float16's may not."""
    limit = FLOAT16_CLAMP if clamp is None and dtype == torch.float16 else clamp
    return None if limit is None else limit * gain


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
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in, size, size))
        self.bias = nn.Parameter(torch.zeros(num_out)) if bias else None
        self.down = down
        self.activate = activate
        self.gain = gain
        self.clamp = clamp
        self.bias_gain = gain * (GAIN if activate else 1.0)
        self.weight_gain = self.bias_gain / math.sqrt(num_in * size**2)

    def forward(self, x_NIHW: Tensor) -> Tensor:
        """[N, I, H, W] to [N, O, H, W], or half the sides."""
        dtype, padding = x_NIHW.dtype, self.weight.shape[-1] // 2
        activation = LINEAR
        if self.activate:
            activation = Activation(SLOPE, 1.0, cut_off(dtype, self.clamp, gain=self.gain))
        return conv_act(
            blur(x_NIHW, padding=1 + padding) if self.down else x_NIHW,
            (self.weight * self.weight_gain).to(dtype),
            None if self.bias is None else self.bias * self.bias_gain,
            stride=2 if self.down else 1,
            padding=0 if self.down else padding,
            activation=activation,
        )


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
        # Demodulation divides by whatever the weights are scaled by.
        self.weight_gain = 1.0 if demodulate else 1.0 / math.sqrt(num_in * size**2)
        self.up = up
        self.demodulate = demodulate

    def forward(self, x_NIHW: Tensor, w_ND: Tensor) -> tuple[Tensor, Tensor | None]:
        """The convolved activations and what they are yet to be scaled by, [N, O, 1, 1] or None.

        The scale is left to the caller, who joins it with what it adds (noise and bias).
        """
        y, scale = self.convolve(x_NIHW, w_ND)
        return blur(y, padding=1) if self.up else y, scale

    def convolve(self, x_NIHW: Tensor, w_ND: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same before the filter that `up` needs, which the caller joins to the rest."""
        weight: Tensor = self.weight
        style_NI = self.affine(w_ND) * self.weight_gain
        if x_NIHW.dtype == torch.float16 and self.demodulate:
            # Sums stay below the largest number, and demodulation takes both scales back.
            weight = weight / weight.abs().amax(dim=(1, 2, 3), keepdim=True) / self._fan_root()
            style_NI = style_NI / style_NI.abs().amax(dim=1, keepdim=True)
        scale = None
        if self.demodulate:
            # The zeros that `up` puts in between take three quarters of the sum.
            gain = 4.0 if self.up else 1.0
            scale = (demodulation(style_NI, weight) * gain)[:, :, None, None]
        x = bias_act(x_NIHW, scale_NC11=style_NI[:, :, None, None])
        weight = weight.to(x.dtype)
        if self.up:
            return convolve_transposed(x, weight.transpose(0, 1), stride=2), scale
        return convolve(x, weight, padding=weight.shape[-1] // 2), scale

    def _fan_root(self) -> float:
        return math.sqrt(self.weight[0].numel())


class StyledConv(nn.Module):
    """Modulated 3 by 3 convolution, noise, bias, leaky ReLU (figure 2c of arXiv 1912.04958)."""

    noise_const: Tensor

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        w_dim: int,
        resolution_px: int,
        up: bool,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(num_in, num_out, w_dim=w_dim, size=3, up=up, demodulate=True)
        self.bias = nn.Parameter(torch.zeros(num_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution_px, resolution_px))
        self.clamp = clamp

    def forward(
        self, x_NIHW: Tensor, w_ND: Tensor, *, noise_mode: NoiseMode, draws: Draws | None
    ) -> Tensor:
        """[N, I, H, W] to [N, O, H, W], or twice the sides; `draws` gives random noise.

        Raises:
            ValueError: the noise is to be random and there are no draws.
        """
        y, scale = self.conv.convolve(x_NIHW, w_ND)
        noise = None
        if noise_mode != "none":
            noise = self._noise(noise_mode, draws) * self.noise_strength
        return bias_act(
            y,
            scale_NC11=scale,
            bias_C=self.bias,
            noise_N1HW=noise,
            activation=Activation(SLOPE, GAIN, cut_off(y.dtype, self.clamp)),
            blur_padding=1 if self.conv.up else None,
        )

    def _noise(self, noise_mode: NoiseMode, draws: Draws | None) -> Tensor:
        if noise_mode == "const":
            return self.noise_const
        if draws is None:
            raise ValueError("noise_mode='random' needs draws; give them or take 'const'")
        return draws.normal(1, *self.noise_const.shape)


class ToImage(nn.Module):
    """Modulated 1 by 1 convolution to colours, without demodulation (appendix B)."""

    def __init__(
        self, num_in: int, channels: int, *, w_dim: int, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(num_in, channels, w_dim=w_dim, size=1, up=False, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.clamp = clamp

    def forward(self, x_NIHW: Tensor, w_ND: Tensor) -> Tensor:
        """[N, I, H, W] to [N, channels, H, W], in the type of the parameters."""
        image_NCHW: Tensor = self.conv(x_NIHW, w_ND)[0]
        activation = Activation(1.0, 1.0, cut_off(image_NCHW.dtype, self.clamp))
        return bias_act(image_NCHW, bias_C=self.bias, activation=activation).to(self.bias.dtype)
