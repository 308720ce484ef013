"""Networks that grow while they train (arXiv 1710.10196).

At a level k, an integer, they are those of 4 · 2^k px. Between k and k + 1 the next side's layers
are faded in: its images, and in the discriminator its features, are mixed with those of the side
below. Layers of sides that are not reached yet take no part.

Shapes: N samples, Z numbers of z (and of labels), L labels, C channels, H rows, W columns.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.interface import (
    DiscriminatorNetwork,
    GeneratorNetwork,
    NoiseMode,
)
from wunderkammer.gan.networks.labels import chosen_score, plain_mapping
from wunderkammer.gan.networks.layers import EqualizedConv, EqualizedLinear, unit_mean_square
from wunderkammer.gan.networks.params import ProgressiveNetwork
from wunderkammer.gan.networks.precision import Block
from wunderkammer.gan.networks.stylegan2_discriminator import batch_deviation


class Growth(nn.Module):
    """How far a network has grown: a number for Python's branches, a buffer for checkpoints."""

    stored: Tensor

    def __init__(self, num_sides: int) -> None:
        super().__init__()
        self.last = num_sides - 1
        self.level = float(self.last)
        self.register_buffer("stored", torch.tensor(self.level))
        self.register_load_state_dict_post_hook(_read_level)  # type: ignore[no-untyped-call]

    def set(self, level: float) -> None:
        """Grow, or shrink, to `level`.

        Raises:
            ValueError: there are no layers for it.
        """
        if not 0.0 <= level <= self.last:
            raise ValueError(f"level={level} is not within 0 to {self.last}, the network's sides")
        level = float(np.float32(level))  # as the buffer keeps it
        if level != self.level:
            self.level = level
            self.stored.fill_(level)

    @property
    def below(self) -> int:
        """The level whose layers all take part."""
        return int(self.level)

    @property
    def share(self) -> float:
        """The weight of the next level; 0 if none is faded in."""
        return self.level - self.below

    @property
    def side_px(self) -> int:
        """Side of what the network makes, or looks at, now."""
        return 4 << math.ceil(self.level)


def _read_level(growth: nn.Module, _: Any) -> None:
    assert isinstance(growth, Growth)
    growth.level = float(growth.stored)


def shrunk(image_NCHW: Tensor, *, side_px: int) -> Tensor:
    """Images of `side_px`, each pixel the mean of those that it covers.

    Raises:
        ValueError: they are smaller than that.
    """
    factor, rest = divmod(image_NCHW.shape[-1], side_px)
    if factor < 1 or rest:
        raise ValueError(
            f"images of {image_NCHW.shape[-1]} px can't be shrunk to {side_px} px; "
            f"give some of {side_px} px times a power of two"
        )
    return image_NCHW if factor == 1 else functional.avg_pool2d(image_NCHW, factor)


def enlarged(image_NCHW: Tensor, *, side_px: int) -> Tensor:
    """Images of `side_px`, each pixel repeated."""
    factor = side_px // image_NCHW.shape[-1]
    if factor == 1:
        return image_NCHW
    return functional.interpolate(image_NCHW, scale_factor=float(factor), mode="nearest")


class _NormedConv(nn.Module):
    """3 by 3 convolution, leaky ReLU, pixel-wise normalisation (section 4.2)."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.conv = EqualizedConv(num_in, num_out, size=3)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return unit_mean_square(self.conv(x_NCHW))


class _UpBlock(Block):
    """One doubling of the side (table 2)."""

    def __init__(self, params: ProgressiveNetwork, side_px: int) -> None:
        super().__init__(side_px)
        below, here = params.features(side_px // 2), params.features(side_px)
        self.conv_up = _NormedConv(below, here)
        self.conv = _NormedConv(here, here)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        x = enlarged(self.enter(x_NCHW), side_px=self.side_px)
        y_NCHW: Tensor = self.conv(self.conv_up(x))
        return y_NCHW


class ProgressiveSynthesis(nn.Module):
    """z, and labels beside it, to images."""

    def __init__(self, params: ProgressiveNetwork) -> None:
        super().__init__()
        width = params.features(4)
        self.params = params
        self.growth = Growth(len(params.sides_px))
        self.dense = EqualizedLinear(params.z_dim + params.num_labels, width * 4 * 4, activate=True)
        self.conv = _NormedConv(width, width)
        self.blocks = nn.ModuleList(_UpBlock(params, side) for side in params.sides_px[1:])
        self.to_images = nn.ModuleList(
            EqualizedConv(params.features(side), params.channels, size=1, activate=False)
            for side in params.sides_px
        )

    def forward(
        self, w_NZ: Tensor, *, noise_mode: NoiseMode = "const", draws: Draws | None = None
    ) -> Tensor:
        """Images [N, C, H, W] of the full side, however far it has grown; there is no noise."""
        return enlarged(self.grown_image(w_NZ), side_px=self.params.resolution_px)

    def grown_image(self, w_NZ: Tensor) -> Tensor:
        """Images of the side that it has grown to; during a fade, of the side faded in."""
        below, share = self.growth.below, self.growth.share
        x = self.dense(unit_mean_square(w_NZ)).unflatten(1, (-1, 4, 4))
        x = self.conv(unit_mean_square(x).contiguous(memory_format=torch.channels_last))
        for block in self.blocks[:below]:
            x = block(x)
        image: Tensor = self._image(x, below)
        if share:
            fresh = self._image(self.blocks[below](x), below + 1)
            image = torch.lerp(enlarged(image, side_px=fresh.shape[-1]), fresh, share)
        return image.tanh() if self.params.tanh else image

    def _image(self, x_NCHW: Tensor, level: int) -> Tensor:
        image: Tensor = self.to_images[level](x_NCHW)
        return image.to(self.dense.weight.dtype)


class ProgressiveGenerator(GeneratorNetwork):
    """z [N, Z] to images; it starts fully grown."""

    params: ProgressiveNetwork
    synthesis: ProgressiveSynthesis

    def __init__(self, params: ProgressiveNetwork) -> None:
        super().__init__()
        self.params = params
        self.mapping = plain_mapping(params.num_labels)
        self.synthesis = ProgressiveSynthesis(params)

    @property
    def growth(self) -> Growth:
        """How far it has grown."""
        return self.synthesis.growth


class _DownBlock(Block):
    """One halving of the side (table 2)."""

    def __init__(self, params: ProgressiveNetwork, side_px: int) -> None:
        super().__init__(side_px)
        here, below = params.features(side_px), params.features(side_px // 2)
        self.conv = EqualizedConv(here, here, size=3)
        self.conv_down = EqualizedConv(here, below, size=3)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        x = self.conv_down(self.conv(self.enter(x_NCHW)))
        return functional.avg_pool2d(x, 2)


class ProgressiveDiscriminator(DiscriminatorNetwork):
    """Images to one score each; it starts fully grown."""

    params: ProgressiveNetwork

    def __init__(self, params: ProgressiveNetwork) -> None:
        super().__init__()
        width = params.features(4)
        self.params = params
        self.growth = Growth(len(params.sides_px))
        self.from_images = nn.ModuleList(
            EqualizedConv(params.channels, params.features(side), size=1)
            for side in params.sides_px
        )
        self.blocks = nn.ModuleList(_DownBlock(params, side) for side in params.sides_px[1:])
        self.conv = EqualizedConv(width + 1, width, size=3)
        self.dense = EqualizedLinear(width * 4 * 4, width, activate=True)
        self.score = EqualizedLinear(width, max(params.num_labels, 1))

    def forward(self, image_NCHW: Tensor, labels_NL: Tensor | None = None) -> Tensor:
        """Scores [N] of images in [-1, 1], of the full side or of the one that it has grown to.

        Larger ones are shrunk by means of areas, as the training images of the paper are.

        Raises:
            ValueError: the images are too small, or labels are missing.
        """
        below, share = self.growth.below, self.growth.share
        image_NCHW = shrunk(image_NCHW, side_px=self.growth.side_px)
        image_NCHW = image_NCHW.contiguous(memory_format=torch.channels_last)
        x = self.from_images[math.ceil(self.growth.level)](image_NCHW)
        if share:
            plain = self.from_images[below](shrunk(image_NCHW, side_px=4 << below))
            fresh = self.blocks[below](x)
            x = torch.lerp(plain.to(fresh.dtype), fresh, share)
        for level in range(below, 0, -1):
            x = self.blocks[level - 1](x)
        x = x.to(self.score.weight.dtype)
        deviation = batch_deviation(x, group=self.params.deviation_group)
        x = self.dense(self.conv(torch.cat([x, deviation], dim=1)).flatten(1))
        return chosen_score(self.score(x), labels_NL)

    def layers_from_image(self) -> list[nn.Module]:
        """Modules with weights of their own, the nearest to the image first (for FreezeD)."""
        weighted = set(super().layers_from_image())
        parts = [self.from_images[0], self.conv, self.dense, self.score]
        for block, from_image in zip(self.blocks, self.from_images[1:], strict=True):
            parts = [from_image, block, *parts]
        return [layer for part in parts for layer in part.modules() if layer in weighted]
