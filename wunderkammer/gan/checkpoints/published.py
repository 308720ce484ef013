"""The networks of a finished checkpoint, on the CPU, ready to draw and to judge.

Arguments: `tensors` are the bytes of `checkpoint.safetensors`, `config` is what `checkpoint.json`
holds under `generator`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.interface import DiscriminatorNetwork, GeneratorNetwork
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.gan.objectives.adversarial import LOSSES

_Network = TypeVar("_Network", bound=nn.Module)
_PARAMS: TypeAdapter[NetworkParams] = TypeAdapter(NetworkParams)


def load_generator(tensors: bytes, config: Mapping[str, Any]) -> GeneratorNetwork:
    """The EMA generator, in eval mode."""
    generator, _ = build_networks(network_params_of(config))
    return _loaded(generator, below(load(tensors), "average."))


def load_discriminator(tensors: bytes, config: Mapping[str, Any]) -> DiscriminatorNetwork:
    """The discriminator, in eval mode."""
    _, discriminator = build_networks(network_params_of(config))
    return _loaded(discriminator, below(load(tensors), "discriminator."))


def network_params_of(config: Mapping[str, Any]) -> NetworkParams:
    """The shapes that `checkpoint.json` tells."""
    return _PARAMS.validate_python(dict(config))


def check_checkpoint(
    tensors: bytes, config: Mapping[str, Any], images_NCHW: np.ndarray
) -> str | None:
    """What is wrong with a checkpoint, or None: it loads, draws finite images, has a finite loss.

    `images_NCHW` are some real images, uint8.
    """
    try:
        generator = load_generator(tensors, config)
        discriminator = load_discriminator(tensors, config)
    except (RuntimeError, ValueError) as error:  # torch raises RuntimeError for missing tensors
        return f"does not load: {error}"
    random = torch.Generator().manual_seed(0)
    z_NZ = torch.randn(len(images_NCHW), generator.z_dim, generator=random)
    labels_NL = some_labels(generator, len(images_NCHW))
    fake_NCHW = generator(z_NZ, labels_NL)
    if not bool(fake_NCHW.isfinite().all()):
        return "the generator draws pixels that are not finite"
    real_NCHW = torch.from_numpy(images_NCHW).float() / 127.5 - 1.0
    scores = (discriminator(image, labels_NL) for image in (real_NCHW, fake_NCHW))
    loss = LOSSES["non_saturating"].discriminator(*scores).mean()
    return None if bool(loss.isfinite()) else f"the discriminator's loss is {float(loss)}"


def some_labels(generator: GeneratorNetwork, num: int) -> Tensor | None:
    """Labels in turn, one-hot [num, L]; None for a generator without."""
    if not generator.num_labels:
        return None
    return functional.one_hot(
        torch.arange(num) % generator.num_labels, generator.num_labels
    ).float()


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _loaded(network: _Network, tensors: Mapping[str, Tensor]) -> _Network:
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
