"""The discriminator of StyleGAN2 (arXiv 1912.04958, figure 7c), conditional or not.

Shapes: N samples, C channels, H rows, W columns, K labels.
"""

import math

import torch
from torch import Tensor, nn

from wunderkammer.gan.networks.fir import downsample
from wunderkammer.gan.networks.interface import DiscriminatorNetwork
from wunderkammer.gan.networks.layers import (
    EqualizedConv,
    EqualizedLinear,
    mapping_layers,
    unit_mean_square,
)
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.networks.precision import Block

HALF_POWER = math.sqrt(0.5)  # a sum of two branches of unit variance has variance 2


def batch_deviation(x_NCHW: Tensor, *, group: int) -> Tensor:
    """The mean standard deviation of each group of successive samples, as a map [N, 1, H, W].

    Mini-batch standard deviation (arXiv 1710.10196, section 3). Groups are successive, so that two
    batches laid one after the other do not see each other, and a batch may be split between groups.
    """
    num, channels, height, width = x_NCHW.shape
    group = math.gcd(num, group)
    grouped = x_NCHW.reshape(num // group, group, channels, height, width)
    variance = grouped.var(dim=1, unbiased=False)
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat_interleave(group)[:, None, None, None].expand(-1, 1, height, width)


class _Block(Block):
    """One halving of the side, with a skip connection or without."""

    def __init__(self, params: StyleGan2Network, side_px: int) -> None:
        super().__init__(side_px)
        here, below = params.features(side_px), params.features(side_px // 2)
        gain, clamp = HALF_POWER if params.residual else 1.0, params.clamp
        self.conv = EqualizedConv(here, here, size=3, clamp=clamp)
        self.conv_down = EqualizedConv(here, below, size=3, down=True, gain=gain, clamp=clamp)
        self.skip = (
            EqualizedConv(here, below, size=1, bias=False, activate=False, gain=gain)
            if params.residual
            else None
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        x = self.enter(x_NCHW)
        changed: Tensor = self.conv_down(self.conv(x))
        if self.skip is None:
            return changed
        skipped: Tensor = self.skip(downsample(x))
        return skipped + changed


class LabelMapping(nn.Module):
    """Labels to the vectors that features are projected on."""

    def __init__(self, num_labels: int, width: int, *, num_layers: int) -> None:
        super().__init__()
        self.embed = EqualizedLinear(num_labels, width)
        self.layers = mapping_layers([width] * (num_layers + 1))

    def forward(self, labels_NK: Tensor) -> Tensor:
        """[N, K] to [N, W]."""
        mapped_NW: Tensor = self.layers(unit_mean_square(self.embed(labels_NK)))
        return mapped_NW


class StyleGan2Discriminator(DiscriminatorNetwork):
    """Images to one score each; a higher one means more real.

    With labels, the score is <features, mapped label> / √W: the projection discriminator (arXiv
    1802.05637) in the form of arXiv 2006.06676, appendix D.1.
    """

    params: StyleGan2Network

    def __init__(self, params: StyleGan2Network) -> None:
        super().__init__()
        self.params = params
        width, side_px = params.features(4), params.resolution_px
        self.from_image = EqualizedConv(
            params.channels, params.features(side_px), size=1, clamp=params.clamp
        )
        self.blocks = nn.Sequential(*(_Block(params, s) for s in params.sides_px[:0:-1]))
        self.conv = EqualizedConv(width + 1, width, size=3, clamp=params.clamp)
        self.dense = EqualizedLinear(width * 4 * 4, width, activate=True)
        self.score = EqualizedLinear(width, width if params.num_labels else 1)
        self.mapping = (
            LabelMapping(params.num_labels, width, num_layers=params.num_label_layers)
            if params.num_labels
            else None
        )

    def forward(self, image_NCHW: Tensor, labels_NK: Tensor | None = None) -> Tensor:
        """Scores [N] of images [N, C, H, W] in [-1, 1]; labels are one-hot.

        Raises:
            ValueError: the network was trained with labels and there are none.
        """
        highest = self.blocks[0]
        assert isinstance(highest, _Block)
        x = highest.enter(image_NCHW.contiguous(memory_format=torch.channels_last))
        x = self.blocks(self.from_image(x)).to(self.score.weight.dtype)
        deviation = batch_deviation(x, group=self.params.deviation_group)
        x = self.conv(torch.cat([x, deviation], dim=1))
        features_NW: Tensor = self.score(self.dense(x.flatten(1)))
        if self.mapping is None:
            return features_NW[:, 0]
        if labels_NK is None:
            raise ValueError("this network was trained with labels: give one-hot labels")
        mapped_NW: Tensor = self.mapping(labels_NK)
        return (features_NW * mapped_NW).sum(dim=1) / math.sqrt(mapped_NW.shape[1])
