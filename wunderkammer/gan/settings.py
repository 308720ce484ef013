"""What a `train` section leaves open, resolved to numbers. No torch here: the definitions load it.

A number comes from the recipe, else from the preset that `network` names. Nothing depends on the
device, so that one recipe gives one training everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from wunderkammer.gan.growth import growth_stages
from wunderkammer.gan.networks.params import (
    DCGAN_SANE_SIDES_PX,
    DcganNetwork,
    NetworkParams,
    ProgressiveNetwork,
    R3ganNetwork,
    StyleGan2Network,
    check_picture,
)
from wunderkammer.gan.objectives.schedules import heuristic_gamma
from wunderkammer.gan.params import (
    DcganParams,
    ProgressiveParams,
    StyleGan2Params,
    TrainParams,
)
from wunderkammer.params import Params

MAX_DEVIATION_GROUP = 4
R3GAN_Z_DIM = 64
DEFAULT_TICK_KIMG = StyleGan2Params.model_fields["tick_kimg"].default
KINDS_WITH_W = ("stylegan2",)


class _Picture(TypedDict):
    resolution_px: int
    channels: int
    num_labels: int


class StyleGan2Settings(Params):
    """Every number of a StyleGAN2 training. A weight of 0 is "none"; so is `ema_rampup`.

    Rates are Adam's before the correction for lazy regularisation, gammas and weights before the
    multiplication by their interval (arXiv 1912.04958, section 3.1 and appendix B).
    """

    network: StyleGan2Network
    batch_size: int
    generator_rate: float
    discriminator_rate: float
    loss: Literal["non_saturating", "hinge", "relativistic"]
    r1_gamma: float
    r1_interval: int
    r2_gamma: float
    path_length_weight: float
    path_length_interval: int
    ema_images: float
    ema_rampup: float
    style_mixing: float


@dataclass(frozen=True)
class _Preset:
    """`deviation_group` None is the largest divisor of the batch that is at most 4."""

    latent: int = 512
    num_mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    channel_min: int = 1
    batch_size: int = 32
    rate: float = 0.002
    r1_gamma: float = 10.0
    ema_kimg: float = 10.0
    ema_rampup: float = 0.0
    path_length_weight: float = 2.0
    style_mixing: float = 0.9
    deviation_group: int | None = None
    residual: bool = True


_OWN = _Preset(channel_min=8, ema_rampup=0.05)
_PAPER = _Preset(batch_size=64, rate=0.0025, ema_kimg=20.0, deviation_group=8)

# Ours, and table 4 of the ADA paper (arXiv 2006.06676, appendix).
_STYLEGAN2: Mapping[str, _Preset] = {
    "tiny": replace(
        _OWN,
        latent=64,
        num_mapping_layers=2,
        channel_base=512,
        channel_max=64,
        path_length_weight=0.0,
    ),
    "small": replace(_OWN, latent=256, num_mapping_layers=4, channel_base=8192, channel_max=256),
    "full": _OWN,
    "stylegan2": _Preset(deviation_group=4),
    "paper256": replace(_PAPER, channel_base=16384, r1_gamma=1.0),
    "paper512": replace(_PAPER, r1_gamma=0.5),
    "paper1024": _Preset(r1_gamma=2.0, deviation_group=4),
    "cifar": replace(
        _PAPER,
        num_mapping_layers=2,
        r1_gamma=0.01,
        ema_kimg=500.0,
        ema_rampup=0.05,
        path_length_weight=0.0,
        style_mixing=0.0,
        deviation_group=32,
        residual=False,
    ),
}

# Features by side: base / side, at most max, at least min.
_Widths = tuple[int, int, int]
_PROGRESSIVE: Mapping[str, tuple[int, _Widths]] = {  # with the numbers of a z
    "zine": (128, (4096, 128, 1)),
    "paper": (512, (16384, 512, 1)),  # arXiv 1710.10196, table 2
    "tiny": (64, (512, 64, 8)),
}
_R3GAN: Mapping[str, _Widths] = {
    "tiny": (1024, 64, 8),
    "small": (8192, 256, 8),
    "full": (24576, 768, 8),  # arXiv 2501.05441, appendix: 768 up to 32 px, 96 at 256 px
}
_BATCH_SIZES: Mapping[tuple[str, str], int] = {
    ("progressive", "zine"): 16,
    ("progressive", "paper"): 16,
    ("progressive", "tiny"): 16,
    ("dcgan", "quilt"): 16,
    ("dcgan", "sane"): 128,
    ("r3gan", "tiny"): 32,
    ("r3gan", "small"): 64,
    ("r3gan", "full"): 256,
}


def stylegan2_settings(
    train: StyleGan2Params, *, resolution_px: int, channels: int, num_labels: int
) -> StyleGan2Settings:
    """The numbers of a StyleGAN2 training on pictures of this size.

    Raises:
        ValueError: there are no networks for such pictures.
    """
    check_picture(resolution_px=resolution_px, channels=channels)
    preset = _stylegan2_preset(train, resolution_px=resolution_px)
    batch_size = train.batch_size or preset.batch_size
    rate = train.learning_rate or preset.rate
    network = StyleGan2Network(
        resolution_px=resolution_px,
        channels=channels,
        num_labels=num_labels,
        z_dim=preset.latent,
        w_dim=preset.latent,
        num_mapping_layers=preset.num_mapping_layers,
        channel_base=preset.channel_base,
        channel_max=preset.channel_max,
        channel_min=preset.channel_min,
        deviation_group=preset.deviation_group or _divisor(batch_size),
        residual=preset.residual,
    )
    return StyleGan2Settings(
        network=network,
        batch_size=batch_size,
        generator_rate=rate,
        discriminator_rate=train.discriminator_rate or rate,
        loss=train.loss,
        r1_gamma=_or(train.r1_gamma, preset.r1_gamma),
        r1_interval=train.r1_interval,
        r2_gamma=train.r2_gamma,
        path_length_weight=_or(train.path_length_weight, preset.path_length_weight),
        path_length_interval=train.path_length_interval,
        ema_images=(train.ema_kimg or preset.ema_kimg) * 1000,
        ema_rampup=_or(train.ema_rampup, preset.ema_rampup),
        style_mixing=_or(train.style_mixing, preset.style_mixing),
    )


def _or(value: float | None, preset: float) -> float:
    """The preset where the recipe is silent; 0 is no silence."""
    return preset if value is None else value


def _stylegan2_preset(train: StyleGan2Params, *, resolution_px: int) -> _Preset:
    if train.network != "auto":
        return _STYLEGAN2[train.network]
    # As one GPU has it: more of them change how fast a training is, not what it comes to.
    batch_size = min(4096 // resolution_px, 32)
    used = train.batch_size or batch_size
    return _Preset(
        num_mapping_layers=2,
        channel_base=32768 if resolution_px >= 512 else 16384,
        batch_size=batch_size,
        rate=0.002 if resolution_px >= 1024 else 0.0025,
        r1_gamma=heuristic_gamma(resolution_px=resolution_px, batch_size=used),
        ema_kimg=used * 10 / 32,
        ema_rampup=0.05,
    )


def _divisor(batch_size: int) -> int:
    """The largest divisor of the batch that is at most 4; a batch without one is one group."""
    divisors = (k for k in range(MAX_DEVIATION_GROUP, 1, -1) if batch_size % k == 0)
    return next(divisors, batch_size)


def network_params(
    train: TrainParams, *, resolution_px: int, channels: int, num_labels: int
) -> NetworkParams:
    """The networks that a `train` section of any kind asks for.

    Raises:
        ValueError: there are none for such pictures.
    """
    check_picture(resolution_px=resolution_px, channels=channels)
    picture: _Picture = {
        "resolution_px": resolution_px,
        "channels": channels,
        "num_labels": num_labels,
    }
    if isinstance(train, StyleGan2Params):
        return stylegan2_settings(train, **picture).network
    if isinstance(train, ProgressiveParams):
        z_dim, widths = _PROGRESSIVE[train.network]
        return ProgressiveNetwork(
            **picture,
            z_dim=train.z_dim or z_dim,
            features_by_side=_features(widths, resolution_px),
            deviation_group=_divisor(_smallest_batch(train, resolution_px=resolution_px)),
        )
    if isinstance(train, DcganParams):
        is_sane = train.network == "sane"
        return DcganNetwork(
            **picture, z_dim=train.z_dim, layout=train.network, spectral_norm=is_sane
        )
    features = _features(_R3GAN[train.network], resolution_px)
    return R3ganNetwork(**picture, z_dim=R3GAN_Z_DIM, features_by_side=features)


def _features(widths: _Widths, resolution_px: int) -> dict[str, int]:
    base, most, least = widths
    sides_px = (2**k for k in range(2, resolution_px.bit_length()))
    return {str(side): min(max(base // side, least), most) for side in sides_px}


def batch_size(train: TrainParams, *, resolution_px: int) -> int:
    """Samples a step; of a progressive training, before it reaches `large_from_px`."""
    if train.batch_size is not None:
        return train.batch_size
    if isinstance(train, StyleGan2Params):
        return _stylegan2_preset(train, resolution_px=resolution_px).batch_size
    return _BATCH_SIZES[train.kind, train.network]


def _smallest_batch(train: ProgressiveParams, *, resolution_px: int) -> int:
    batch = batch_size(train, resolution_px=resolution_px)
    is_large = resolution_px >= train.large_from_px
    return min(batch, train.batch_size_large or batch) if is_large else batch


def tick_images(train: TrainParams, *, resolution_px: int) -> int:
    """Images of a tick."""
    images = round(train.tick_kimg * 1000)
    if train.tick_kimg != DEFAULT_TICK_KIMG:
        return images
    # Not every preset's batch divides 4,000.
    batch = batch_size(train, resolution_px=resolution_px)
    return max(images // batch, 1) * batch


def total_images(train: TrainParams, *, resolution_px: int) -> int:
    """Images shown in the whole training."""
    asked = 0 if train.total_kimg is None else round(train.total_kimg * 1000)
    if not isinstance(train, ProgressiveParams):
        return asked
    batch = batch_size(train, resolution_px=resolution_px)
    stages = growth_stages(train, resolution_px=resolution_px, batch_size=batch)
    return max(asked, stages[-1].end_image)


def check_train(train: TrainParams, *, resolution_px: int, channels: int) -> None:
    """That a `train` section suits pictures of this size.

    Raises:
        ValueError: it does not; with the setting, its value and one that would do.
    """
    network = network_params(train, resolution_px=resolution_px, channels=channels, num_labels=0)
    _check_kind(train, resolution_px=resolution_px)
    batch = last_batch = batch_size(train, resolution_px=resolution_px)
    if isinstance(train, ProgressiveParams):
        last_batch = _check_stages(train, resolution_px=resolution_px, batch=batch)
    _check_whole("total_kimg", total_images(train, resolution_px=resolution_px), last_batch)
    _check_whole("tick_kimg", tick_images(train, resolution_px=resolution_px), batch)
    _check_groups(train, network, batch=batch)


def _check_kind(train: TrainParams, *, resolution_px: int) -> None:
    least, most = DCGAN_SANE_SIDES_PX
    is_sane = isinstance(train, DcganParams) and train.network == "sane"
    if is_sane and not least <= resolution_px <= most:
        raise ValueError(
            f"train.network 'sane' of train.kind 'dcgan' is made for {least} to {most} px, not for "
            f"shard.resolution_px={resolution_px}; choose another kind"
        )
    if isinstance(train, DcganParams) and train.micro_batch is not None:
        raise ValueError(
            f"train.micro_batch={train.micro_batch}: train.kind 'dcgan' normalises by statistics "
            f"of whole batches, so they can't be split; leave it out"
        )
    is_wasserstein = isinstance(train, ProgressiveParams) and train.loss == "wgan_gp"
    if is_wasserstein and train.augment.kind == "ada":
        raise ValueError(
            "train.augment.kind 'ada' follows the sign of scores, and train.loss 'wgan_gp' has no "
            "zero to tell signs by; set train.augment.kind to fixed, or train.loss to logistic"
        )


def _check_stages(train: ProgressiveParams, *, resolution_px: int, batch: int) -> int:
    """That stages and ticks end with a step; returns the batch of the last stage."""
    stages = growth_stages(train, resolution_px=resolution_px, batch_size=batch)
    for stage in stages:
        _check_whole("stage_kimg", stage.num_images, stage.batch_size)
    last_batch = stages[-1].batch_size
    if batch % last_batch:
        raise ValueError(
            f"train.batch_size_large={last_batch} does not divide train.batch_size={batch}; choose "
            f"one that does, so that ticks end with a step at every side"
        )
    return last_batch


def _check_whole(name: str, images: int, batch: int) -> None:
    if images % batch:
        whole = max(images // batch, 1) * batch / 1000
        raise ValueError(
            f"train.{name}={images / 1000} is not a whole number of batches of {batch}; "
            f"the nearest that is: {whole}"
        )


def _check_groups(train: TrainParams, network: NetworkParams, *, batch: int) -> None:
    group = 1
    if isinstance(network, StyleGan2Network | ProgressiveNetwork):
        group = network.deviation_group
    if batch % group:
        raise ValueError(
            f"train.batch_size={batch} is not a whole number of the groups of {group} that "
            f"network {train.network!r} takes a mini-batch deviation over; choose a multiple"
        )
    micro = train.micro_batch
    allowed = [k for k in range(group, batch + 1, group) if batch % k == 0]
    if micro is not None and micro not in allowed:
        raise ValueError(
            f"train.micro_batch={micro} does not divide the batch of {batch} into whole groups of "
            f"{group}; allowed: {', '.join(map(str, allowed))}"
        )
