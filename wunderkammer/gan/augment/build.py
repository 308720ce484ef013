"""From a recipe's section to the augmentation that it describes."""

from typing import assert_never

from wunderkammer.gan.augment.diffaugment import DiffAugmentation
from wunderkammer.gan.augment.interface import Augment
from wunderkammer.gan.augment.params import (
    AdaAugment,
    AugmentParams,
    DiffAugment,
    FixedAugment,
    NoAugment,
    RealsAugment,
    check_mirror,
    transform_names,
)
from wunderkammer.gan.augment.pipeline import AdaPipeline
from wunderkammer.gan.augment.reals import RealsAugmentation


def build_augment(params: AugmentParams, *, channels: int, mirror: bool) -> Augment | None:
    """The augmentation, on the CPU, or None for kind "none".

    Args:
        params: the recipe's section.
        channels: 1 grey, 3 colour, 4 colour and opacity.
        mirror: whether a mirrored picture is a likely one (`train.mirror`); without it nothing
            is ever flipped, be it left to right or upside down.

    Raises:
        ValueError: a flip is named and `mirror` is false, or nothing named changes such pictures.
    """
    check_mirror(params, mirror=mirror)
    match params:
        case NoAugment():
            return None
        case AdaAugment():
            names = transform_names(params, mirror=mirror)
            return AdaPipeline(names, channels=channels, strength=1.0)
        case FixedAugment():
            names = transform_names(params, mirror=mirror)
            return AdaPipeline(names, channels=channels, strength=params.strength)
        case DiffAugment():
            return DiffAugmentation(params.policy, channels=channels)
        case RealsAugment():
            return RealsAugmentation(params)
    assert_never(params)
