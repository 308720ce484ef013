"""Sizes of the networks. This module must not import torch: the definitions may load it."""

from collections.abc import Mapping

from wunderkammer.params import Params

MAX_DEVIATION_GROUP = 4
MIN_FEATURES = 8


class NetworkParams(Params):
    """What fixes the shape of a generator and of its discriminator.

    `deviation_group` is the number of samples that share a mini-batch standard deviation.
    """

    resolution_px: int
    channels: int
    z_dim: int
    w_dim: int
    num_mapping_layers: int
    channel_base: int
    channel_max: int
    deviation_group: int = 4

    def features(self, side_px: int) -> int:
        """Feature channels at a side of `side_px`."""
        return min(max(self.channel_base // side_px, MIN_FEATURES), self.channel_max)

    @property
    def sides_px(self) -> tuple[int, ...]:
        """4, 8, … up to the resolution."""
        return tuple(2**k for k in range(2, self.resolution_px.bit_length()))


# name: (latent size, mapping layers, channel base, most channels)
_SIZES: Mapping[str, tuple[int, int, int, int]] = {
    "tiny": (64, 2, 512, 64),
    "small": (256, 4, 8192, 256),
    "full": (512, 8, 32768, 512),
}


def network_params(
    preset: str, *, resolution_px: int, channels: int, batch_size: int
) -> NetworkParams:
    """The networks of a preset for pictures of `resolution_px` (a power of two, 8 to 1024).

    Raises:
        ValueError: the resolution or the number of channels is not one that the networks have.
    """
    if resolution_px not in (8, 16, 32, 64, 128, 256, 512, 1024):
        raise ValueError(
            f"resolution_px={resolution_px} is not a power of two from 8 to 1024; "
            f"set shard.resolution_px to one that is"
        )
    if channels not in (1, 3):
        raise ValueError(f"channels={channels} is neither 1 (grey) nor 3 (colour)")
    latent, num_mapping_layers, channel_base, channel_max = _SIZES[preset]
    return NetworkParams(
        resolution_px=resolution_px,
        channels=channels,
        z_dim=latent,
        w_dim=latent,
        num_mapping_layers=num_mapping_layers,
        channel_base=channel_base,
        channel_max=channel_max,
        deviation_group=_deviation_group(batch_size),
    )


def _deviation_group(batch_size: int) -> int:
    """The largest divisor of the batch that is at most 4; a batch without one is one group."""
    divisors = (k for k in range(MAX_DEVIATION_GROUP, 1, -1) if batch_size % k == 0)
    return next(divisors, batch_size)
