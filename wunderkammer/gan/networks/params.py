"""Shapes of the networks, a class a family. No torch here: the definitions load this module."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params

RESOLUTIONS_PX = (8, 16, 32, 64, 128, 256, 512, 1024)
CHANNELS = (1, 3, 4)
DCGAN_SANE_SIDES_PX = (16, 256)


class _Network(Params):
    resolution_px: int
    channels: int
    z_dim: int
    num_labels: int = 0

    @property
    def sides_px(self) -> tuple[int, ...]:
        """4, 8, … up to the resolution."""
        return tuple(2**k for k in range(2, self.resolution_px.bit_length()))


class StyleGan2Network(_Network):
    """StyleGAN2 (arXiv 1912.04958).

    `deviation_group` is the number of samples that share a mini-batch standard deviation.
    `residual` is the discriminator of figure 7c; without it, the plain one (the reference's
    "orig"). `num_label_layers` is the depth of the discriminator's label mapping. `clamp` cuts off
    activations beyond it in every type of number; without it only float16 is cut off, at 256.
    """

    kind: Literal["stylegan2"] = "stylegan2"
    w_dim: int
    num_mapping_layers: int
    channel_base: int
    channel_max: int
    channel_min: int = 1
    deviation_group: int = 4
    residual: bool = True
    num_label_layers: int = 8
    clamp: float | None = None

    def features(self, side_px: int) -> int:
        """Feature channels at a side of `side_px`."""
        return min(max(self.channel_base // side_px, self.channel_min), self.channel_max)


class ProgressiveNetwork(_Network):
    """Progressively grown networks (arXiv 1710.10196); `features_by_side` is per side in px.

    `deviation_group` is the number of samples that share a mini-batch standard deviation.
    """

    kind: Literal["progressive"] = "progressive"
    features_by_side: Mapping[str, int]
    deviation_group: int = 4
    tanh: bool = False

    def features(self, side_px: int) -> int:
        """Feature channels at a side of `side_px`."""
        return self.features_by_side[str(side_px)]


class DcganNetwork(_Network):
    """DCGAN (arXiv 1511.06434): `quilt` is the layers of the quilt GAN, `sane` the paper's.

    `channel_base` and `channel_max` shape `sane` only. So does `spectral_norm`: with it the
    discriminator's weights have norm 1 (arXiv 1802.05957), without it batches are normalised.
    """

    kind: Literal["dcgan"] = "dcgan"
    layout: Literal["quilt", "sane"]
    channel_base: int = 4096
    channel_max: int = 1024
    spectral_norm: bool = False

    def features(self, side_px: int) -> int:
        """Feature channels at a side of `side_px`; of `sane` only."""
        return min(self.channel_base // side_px, self.channel_max)


class R3ganNetwork(_Network):
    """R3GAN's networks (arXiv 2501.05441): residual, grouped, no normalisation.

    Within a residual block there are `expansion` times the features of its side, convolved in
    groups of `group_size`.
    """

    kind: Literal["r3gan"] = "r3gan"
    features_by_side: Mapping[str, int]
    blocks_per_side: int = 2
    expansion: int = 2
    group_size: int = 16

    def features(self, side_px: int) -> int:
        """Feature channels at a side of `side_px`."""
        return self.features_by_side[str(side_px)]


NetworkParams = Annotated[
    StyleGan2Network | ProgressiveNetwork | DcganNetwork | R3ganNetwork,
    Field(discriminator="kind"),
]


def check_picture(*, resolution_px: int, channels: int) -> None:
    """That networks exist for pictures of this size.

    Raises:
        ValueError: they do not.
    """
    if resolution_px not in RESOLUTIONS_PX:
        raise ValueError(
            f"resolution_px={resolution_px} is not a power of two from 8 to 1024; "
            f"set shard.resolution_px to one that is"
        )
    if channels not in CHANNELS:
        raise ValueError(
            f"channels={channels} is none of 1 (grey), 3 (colour) and 4 (colour and opacity)"
        )
