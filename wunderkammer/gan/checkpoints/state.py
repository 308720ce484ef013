"""What a training holds, to tensors and facts and back; and a generator out of a checkpoint.

Names of tensors: `generator.*`, `discriminator.*` and `average.*` (the EMA generator) as in their
state dicts, `adam.<network>.<parameter>.<moment>`, and `random` (the state of torch's stream).
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn

from wunderkammer.gan.checkpoints.archive import Facts, Saved, Tensors, Tick
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.gan.networks.stylegan2_discriminator import Discriminator
from wunderkammer.gan.networks.stylegan2_generator import Generator
from wunderkammer.gan.objectives.adversarial import discriminator_loss
from wunderkammer.gan.training.loader import ShuffledLoader
from wunderkammer.gan.training.meter import Meter

log = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """All that the next step depends on, and the history. Mutable: steps change it in place."""

    generator: Generator
    discriminator: Discriminator
    average: Generator
    adams: Mapping[str, torch.optim.Adam]
    random: torch.Generator
    loader: ShuffledLoader
    meter: Meter
    num_images: int = 0
    elapsed_s: float = 0.0
    ticks: list[Tick] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.random.device

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The three networks by name."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }


def capture(state: TrainingState) -> tuple[Facts, Tensors]:
    """The state as facts and tensors on the CPU."""
    tensors: dict[str, Tensor] = {"random": state.random.get_state()}
    for name, network in state.networks.items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for name, adam in state.adams.items():
        for key, parameter in state.networks[name].named_parameters():
            moments = adam.state[parameter]
            tensors |= {f"adam.{name}.{key}.{kind}": value for kind, value in moments.items()}
    facts = Facts(
        num_images=state.num_images,
        networks=state.generator.params,
        loader_seed=state.loader.seed,
        device=state.device.type,
        elapsed_s=state.elapsed_s,
        num_training_images=len(state.loader),
        ticks=tuple(state.ticks),
        partials=state.meter.partials(),
    )
    return facts, {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def restore(state: TrainingState, saved: Saved) -> None:
    """Put a checkpoint into a freshly made state.

    On another kind of device torch's stream cannot go on; it is seeded anew from the place
    reached, and a log line says so.

    Raises:
        ValueError: the checkpoint is of other networks.
    """
    facts = saved.facts
    if facts.networks != state.generator.params:
        raise ValueError(
            f"the checkpoint at {facts.num_images} images is of {facts.networks!r}, not "
            f"{state.generator.params!r}; remove {facts.tensors_key.rsplit('/', 1)[0]}"
        )
    tensors = load(saved.content)
    for name, network in state.networks.items():
        network.load_state_dict(_below(tensors, f"{name}."))
    for name, adam in state.adams.items():
        _restore_adam(adam, state.networks[name], _below(tensors, f"adam.{name}."))
    if facts.device == state.device.type:
        state.random.set_state(tensors["random"])
    else:
        text = f"{facts.loader_seed}/{facts.num_images}"
        state.random.manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]))
        log.warning("goes on on %s, was on %s: random numbers differ", state.device, facts.device)
    state.loader.position = facts.num_images
    state.num_images = facts.num_images
    state.elapsed_s = facts.elapsed_s
    state.ticks = list(facts.ticks)
    state.meter.resume(facts.partials)


def load_generator(tensors: bytes, config: Mapping[str, Any]) -> Generator:
    """The EMA generator of a checkpoint, on the CPU, in eval mode.

    Args:
        tensors: the bytes of `checkpoint.safetensors`.
        config: what `checkpoint.json` holds under `generator`.
    """
    generator = Generator(NetworkParams.model_validate(config))
    generator.load_state_dict(_below(load(tensors), "average."))
    return generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_discriminator(tensors: bytes, config: Mapping[str, Any]) -> Discriminator:
    """The discriminator of a checkpoint, on the CPU, in eval mode; arguments as above."""
    discriminator = Discriminator(NetworkParams.model_validate(config))
    discriminator.load_state_dict(_below(load(tensors), "discriminator."))
    return discriminator.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@torch.no_grad()
def check_checkpoint(
    tensors: bytes, config: Mapping[str, Any], images_NCHW: np.ndarray
) -> str | None:
    """What is wrong with a checkpoint, or None: it loads, draws finite images, has a finite loss.

    Args:
        tensors: the bytes of `checkpoint.safetensors`.
        config: what `checkpoint.json` holds under `generator`.
        images_NCHW: some real images, uint8.
    """
    try:
        generator = load_generator(tensors, config)
        discriminator = load_discriminator(tensors, config)
    except (RuntimeError, ValueError) as error:  # torch raises RuntimeError for missing tensors
        return f"does not load: {error}"
    random = torch.Generator().manual_seed(0)
    z_NZ = torch.randn(len(images_NCHW), generator.z_dim, generator=random)
    fake_NCHW = generator(z_NZ)
    if not bool(fake_NCHW.isfinite().all()):
        return "the generator draws pixels that are not finite"
    real_NCHW = torch.from_numpy(images_NCHW).float() / 127.5 - 1.0
    loss = discriminator_loss(discriminator(real_NCHW), discriminator(fake_NCHW)).mean()
    return None if bool(loss.isfinite()) else f"the discriminator's loss is {float(loss)}"


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _restore_adam(
    adam: torch.optim.Adam, network: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for index, (name, _) in enumerate(network.named_parameters()):
        found = _below(tensors, f"{name}.")
        if found:
            moments[index] = found
    plain = adam.state_dict()
    adam.load_state_dict({"state": moments, "param_groups": plain["param_groups"]})
