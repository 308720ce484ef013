"""The residual discriminator of StyleGAN2 (arXiv 1912.04958, figure 7c).

Shapes: N samples, C channels, H rows, W columns.
"""

import math

import torch
from torch import Tensor, nn

from wunderkammer.gan.networks.fir import downsample
from wunderkammer.gan.networks.layers import EqualizedConv, EqualizedLinear
from wunderkammer.gan.networks.params import NetworkParams

HALF_POWER = math.sqrt(0.5)  # a sum of two branches of unit variance has variance 2


def batch_deviation(x_NCHW: Tensor, *, group: int) -> Tensor:
    """The mean standard deviation of each group of successive samples, as a map [N, 1, H, W].

    Mini-batch standard deviation (arXiv 1710.10196, section 3). Groups are successive, so that two
    batches laid one after the other do not see each other.
    """
    num, channels, height, width = x_NCHW.shape
    group = math.gcd(num, group)
    grouped = x_NCHW.reshape(num // group, group, channels, height, width)
    variance = grouped.var(dim=1, unbiased=False)
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat_interleave(group)[:, None, None, None].expand(-1, 1, height, width)


class _Block(nn.Module):
    def __init__(self, params: NetworkParams, side_px: int) -> None:
        super().__init__()
        here, below = params.features(side_px), params.features(side_px // 2)
        self.conv = EqualizedConv(here, here, size=3)
        self.conv_down = EqualizedConv(here, below, size=3, down=True, gain=HALF_POWER)
        self.skip = EqualizedConv(here, below, size=1, bias=False, activate=False, gain=HALF_POWER)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        skipped: Tensor = self.skip(downsample(x_NCHW))
        changed: Tensor = self.conv_down(self.conv(x_NCHW))
        return skipped + changed


class Discriminator(nn.Module):
    """Images to one score each; a higher one means more real."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        self.params = params
        width = params.features(4)
        self.from_image = EqualizedConv(
            params.channels, params.features(params.resolution_px), size=1
        )
        self.blocks = nn.Sequential(*(_Block(params, s) for s in params.sides_px[:0:-1]))
        self.conv = EqualizedConv(width + 1, width, size=3)
        self.dense = EqualizedLinear(width * 4 * 4, width, activate=True)
        self.score = EqualizedLinear(width, 1)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Scores [N] of images [N, C, H, W] in [-1, 1]."""
        x = image_NCHW.contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.from_image(x))
        deviation = batch_deviation(x, group=self.params.deviation_group)
        x = self.conv(torch.cat([x, deviation], dim=1))
        scores: Tensor = self.score(self.dense(x.flatten(1)))
        return scores[:, 0]
