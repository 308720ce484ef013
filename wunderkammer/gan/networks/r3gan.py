"""R3GAN's networks (arXiv 2501.05441, section 4 and its table of configurations).

Residual blocks of an inverted bottleneck with grouped convolutions, no normalisation anywhere; a
fix-up start (arXiv 1901.09321) keeps the variance instead: each block begins as the identity.

Shapes: N samples, Z numbers of z, L labels, I and O channels in and out, C channels of images,
H rows, W columns.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.kernels.dispatch import bias_act
from wunderkammer.gan.kernels.plain import Activation
from wunderkammer.gan.networks.fir import downsample, upsample
from wunderkammer.gan.networks.interface import (
    DiscriminatorNetwork,
    GeneratorNetwork,
    NoiseMode,
)
from wunderkammer.gan.networks.labels import needed, plain_mapping
from wunderkammer.gan.networks.params import R3ganNetwork
from wunderkammer.gan.networks.precision import Block

SLOPE = 0.2
GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))  # a leaky ReLU of unit variance times this has it again
LAYERS_PER_BLOCK = 3


class _Conv(nn.Module):
    """A convolution of odd size without bias; weights from N(0, gain² / fan in)."""

    def __init__(
        self, num_in: int, num_out: int, *, size: int = 1, groups: int = 1, gain: float = 1.0
    ) -> None:
        super().__init__()
        fan_in = num_in // groups * size**2
        weight = torch.randn(num_out, num_in // groups, size, size) * (gain / math.sqrt(fan_in))
        self.weight = nn.Parameter(weight)
        self.groups = groups

    def forward(self, x_NIHW: Tensor) -> Tensor:
        weight = self.weight.to(x_NIHW.dtype)
        padding = weight.shape[-1] // 2
        return functional.conv2d(x_NIHW, weight, padding=padding, groups=self.groups)


class _BiasedActivation(nn.Module):
    """A bias a channel, then a leaky ReLU."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return bias_act(x_NCHW, bias_C=self.bias, activation=Activation(SLOPE, gain=1.0))


class _Residual(nn.Module):
    """x + W₃ φ(W₂ φ(W₁ x)), W₂ grouped and 3 by 3.

    With L blocks of m layers, all but the last layer start scaled by L^(-1 / (2 m - 2)) and the
    last one at 0 (arXiv 1901.09321, section 3).
    """

    def __init__(self, params: R3ganNetwork, width: int) -> None:
        super().__init__()
        inner = width * params.expansion
        if inner % params.group_size:
            raise ValueError(
                f"{inner} channels are no whole number of groups of {params.group_size}; "
                f"choose features that are a multiple of {params.group_size // params.expansion}"
            )
        num_blocks = params.blocks_per_side * len(params.sides_px)
        gain = GAIN * num_blocks ** (-1.0 / (2 * LAYERS_PER_BLOCK - 2))
        self.layers = nn.Sequential(
            _Conv(width, inner, gain=gain),
            _BiasedActivation(inner),
            _Conv(inner, inner, size=3, groups=inner // params.group_size, gain=gain),
            _BiasedActivation(inner),
            _Conv(inner, width, gain=0.0),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        changed: Tensor = self.layers(x_NCHW)
        return x_NCHW + changed


class _Side(Block):
    """What is computed at one side: residual blocks, and the change of features next to it.

    `other_width` is that of the side below; a convolution changes the one into the other.
    """

    def __init__(self, params: R3ganNetwork, side_px: int, *, is_up: bool) -> None:
        super().__init__(side_px)
        here, below = params.features(side_px), params.features(max(side_px // 2, 4))
        self.blocks = nn.Sequential(
            *(_Residual(params, here) for _ in range(params.blocks_per_side))
        )
        pair = (below, here) if is_up else (here, below)
        self.change = nn.Identity() if here == below else _Conv(*pair)


class _UpSide(_Side):
    """From the side below, resampled between convolution and blocks; 4 px has nothing below."""

    def __init__(self, params: R3ganNetwork, side_px: int) -> None:
        super().__init__(params, side_px, is_up=True)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        x = self.enter(x_NCHW)
        if self.side_px > 4:
            x = upsample(self.change(x))
        y_NCHW: Tensor = self.blocks(x)
        return y_NCHW


class _DownSide(_Side):
    """To the side below, resampled between blocks and convolution; 4 px has nothing below."""

    def __init__(self, params: R3ganNetwork, side_px: int) -> None:
        super().__init__(params, side_px, is_up=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.blocks(self.enter(x_NCHW))
        if self.side_px > 4:
            y_NCHW = self.change(downsample(y_NCHW))
        return y_NCHW


class R3ganSynthesis(nn.Module):
    """z, and labels beside it, to images."""

    def __init__(self, params: R3ganNetwork) -> None:
        super().__init__()
        width, z_dim = params.features(4), params.z_dim
        self.params = params
        num_in = 2 * z_dim if params.num_labels else z_dim
        self.embed = (
            nn.Parameter(torch.randn(params.num_labels, z_dim)) if params.num_labels else None
        )
        self.dense = nn.Parameter(torch.randn(width, num_in) / math.sqrt(num_in))
        self.basis = nn.Parameter(torch.randn(width, 4, 4))
        self.sides = nn.Sequential(*(_UpSide(params, side) for side in params.sides_px))
        self.to_image = _Conv(params.features(params.resolution_px), params.channels)

    def forward(
        self, w_NZ: Tensor, *, noise_mode: NoiseMode = "const", draws: Draws | None = None
    ) -> Tensor:
        """Images [N, C, H, W], about [-1, 1]; there is no noise."""
        if self.embed is not None:
            z_NZ, labels_NL = w_NZ.tensor_split([self.params.z_dim], dim=1)
            w_NZ = torch.cat([z_NZ, labels_NL @ self.embed], dim=1)
        weights_NI = functional.linear(w_NZ, self.dense)
        x = self.basis * weights_NI[:, :, None, None]
        x = self.sides(x.contiguous(memory_format=torch.channels_last))
        image_NCHW: Tensor = self.to_image(x)
        return image_NCHW.to(self.dense.dtype)


class R3ganGenerator(GeneratorNetwork):
    """z [N, Z] to images."""

    params: R3ganNetwork

    def __init__(self, params: R3ganNetwork) -> None:
        super().__init__()
        self.params = params
        self.mapping = plain_mapping(params.num_labels)
        self.synthesis = R3ganSynthesis(params)


class _Head(nn.Module):
    """Features of 4 px to scores.

    With labels, a score is <features, embedded label> / √features (arXiv 1802.05637).
    """

    def __init__(self, params: R3ganNetwork) -> None:
        super().__init__()
        width = params.features(4)
        num_out = width if params.num_labels else 1
        self.basis = nn.Parameter(torch.randn(width, 4, 4) / 4.0)
        self.dense = nn.Parameter(torch.randn(num_out, width) / math.sqrt(width))
        self.embed = (
            nn.Parameter(torch.randn(params.num_labels, width)) if params.num_labels else None
        )

    def forward(self, x_NCHW: Tensor, labels_NL: Tensor | None) -> Tensor:
        x = x_NCHW.to(self.dense.dtype)
        features_NI = functional.linear((x * self.basis).sum(dim=(2, 3)), self.dense)
        if self.embed is None:
            return features_NI[:, 0]
        embedded_NI = needed(labels_NL) @ self.embed
        return (features_NI * embedded_NI).sum(dim=1) / math.sqrt(features_NI.shape[1])


class R3ganDiscriminator(DiscriminatorNetwork):
    """Images to one score each."""

    params: R3ganNetwork

    def __init__(self, params: R3ganNetwork) -> None:
        super().__init__()
        self.params = params
        self.from_image = _Conv(params.channels, params.features(params.resolution_px))
        # From 4 px up, so that a side has the same name at any resolution.
        self.sides = nn.ModuleList(_DownSide(params, side) for side in params.sides_px)
        self.head = _Head(params)

    def forward(self, image_NCHW: Tensor, labels_NL: Tensor | None = None) -> Tensor:
        """Scores [N] of images in [-1, 1]; labels are one-hot.

        Raises:
            ValueError: the network was trained with labels and there are none.
        """
        highest = self.sides[-1]
        assert isinstance(highest, _DownSide)
        x = highest.enter(image_NCHW.contiguous(memory_format=torch.channels_last))
        x = self.from_image(x)
        for side in reversed(self.sides):
            x = side(x)
        scores_N: Tensor = self.head(x, labels_NL)
        return scores_N

    def layers_from_image(self) -> list[nn.Module]:
        """Modules with weights of their own, the nearest to the image first (for FreezeD)."""
        weighted = set(super().layers_from_image())
        parts = (self.from_image, *reversed(self.sides), self.head)
        return [layer for part in parts for layer in part.modules() if layer in weighted]
