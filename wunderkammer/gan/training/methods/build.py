"""The method that a `train` section asks for, before its first step."""

import logging

import torch
from torch import Tensor

from wunderkammer.gan.interop.portable import Portable
from wunderkammer.gan.interop.transfer import freeze_first_layers, transfer
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.dcgan import DcganDiscriminator, DcganGenerator
from wunderkammer.gan.networks.interface import DiscriminatorNetwork, GeneratorNetwork
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.gan.networks.precision import has_fast_bfloat16, set_precision
from wunderkammer.gan.networks.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from wunderkammer.gan.networks.r3gan import R3ganDiscriminator, R3ganGenerator
from wunderkammer.gan.networks.stylegan2_discriminator import StyleGan2Discriminator
from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator
from wunderkammer.gan.params import (
    DcganParams,
    ProgressiveParams,
    R3ganParams,
    StyleGan2Params,
    TrainParams,
)
from wunderkammer.gan.settings import network_params, stylegan2_settings
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.methods.dcgan import DcganMethod
from wunderkammer.gan.training.methods.progressive import ProgressiveMethod
from wunderkammer.gan.training.methods.r3gan import R3ganMethod
from wunderkammer.gan.training.methods.shared import Augmenter, LabelSource
from wunderkammer.gan.training.methods.stylegan2 import StyleGan2Method
from wunderkammer.gan.training.phases import Method

log = logging.getLogger(__name__)


def build_method(
    train: TrainParams, data: TrainingImages, *, device: torch.device, start: Portable | None
) -> Method:
    """Networks, optimizers and phases; `train.seed` fixes every number in them."""
    num_labels = data.num_labels if train.conditional else 0
    picture = {
        "resolution_px": data.side_px,
        "channels": data.channels,
        "num_labels": num_labels,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        params = network_params(train, **picture)
        generator, discriminator = build_networks(params)
    if start is not None:
        _copy(start, params, generator, discriminator)
    if train.freeze_discriminator:
        freeze_first_layers(discriminator, train.freeze_discriminator)
    dtype = precision(train, device)
    for network in (generator, discriminator):
        network.to(device)
        if dtype is not None:
            set_precision(network, dtype)
    augmenter = Augmenter(train.augment, channels=data.channels, mirror=train.mirror, device=device)
    labels = LabelSource(_label_indices(data, num_labels, device), num_labels)
    if isinstance(train, StyleGan2Params):
        assert isinstance(generator, StyleGan2Generator)
        assert isinstance(discriminator, StyleGan2Discriminator)
        return StyleGan2Method(
            stylegan2_settings(train, **picture),
            generator,
            discriminator,
            augmenter=augmenter,
            labels=labels,
            has_start=start is not None,
        )
    return _alternating(train, generator, discriminator, augmenter)


def _alternating(
    train: ProgressiveParams | DcganParams | R3ganParams,
    generator: GeneratorNetwork,
    discriminator: DiscriminatorNetwork,
    augmenter: Augmenter,
) -> Method:
    """The methods without lazy regularisation."""
    if isinstance(train, ProgressiveParams):
        assert isinstance(generator, ProgressiveGenerator)
        assert isinstance(discriminator, ProgressiveDiscriminator)
        return ProgressiveMethod(train, generator, discriminator, augmenter=augmenter)
    if isinstance(train, DcganParams):
        assert isinstance(generator, DcganGenerator)
        assert isinstance(discriminator, DcganDiscriminator)
        return DcganMethod(train, generator, discriminator, augmenter=augmenter)
    assert isinstance(generator, R3ganGenerator)
    assert isinstance(discriminator, R3ganDiscriminator)
    return R3ganMethod(train, generator, discriminator, augmenter=augmenter)


def precision(train: TrainParams, device: torch.device) -> torch.dtype | None:
    """The type of number of the large images' layers; None is 32 bits everywhere.

    Layers of "tiny" are so short that converting numbers takes longer than computing with them.

    Raises:
        ValueError: float16 is asked for on a CPU, which has no instructions for it.
    """
    if train.precision == "float16" and device.type == "cpu":
        raise ValueError(
            "train.precision='float16' on a CPU would take hundreds of times as long; "
            "set it to bfloat16, float32 or auto"
        )
    if train.precision == "auto":
        is_worth_it = isinstance(train, StyleGan2Params) and train.network != "tiny"
        return torch.bfloat16 if is_worth_it and has_fast_bfloat16(device) else None
    names = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return names[train.precision]


def _label_indices(data: TrainingImages, num_labels: int, device: torch.device) -> Tensor:
    if data.labels_N is None or not num_labels:
        return torch.zeros(0, dtype=torch.int64, device=device)
    return torch.from_numpy(data.labels_N).to(device)


def _copy(
    start: Portable,
    params: NetworkParams,
    generator: GeneratorNetwork,
    discriminator: DiscriminatorNetwork,
) -> None:
    """What fits of a start; the log says what did not."""
    drawn = start.network("generator") or start.network("average")
    for network, found in (generator, drawn), (discriminator, start.network("discriminator")):
        if found:
            log.info("%s", transfer(found, start.networks, network, params))
