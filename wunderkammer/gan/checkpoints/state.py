"""What a training holds, to tensors and facts and back.

Names of tensors: `generator.*`, `discriminator.*` and `average.*` (the EMA generator) as in their
state dicts, `adam.<network>.<parameter>.<moment>`, `scalar.<name>`, and `random` (the state of
torch's stream).
"""

import hashlib
import logging
from collections.abc import Mapping

import torch
from safetensors.torch import load
from torch import Tensor, nn

from wunderkammer.gan.checkpoints.archive import Facts, Saved, Tensors
from wunderkammer.gan.checkpoints.published import below
from wunderkammer.gan.training.state import TrainingState

log = logging.getLogger(__name__)


def capture(state: TrainingState) -> tuple[Facts, Tensors]:
    """The state as facts and tensors on the CPU."""
    tensors: dict[str, Tensor] = {"random": state.random.get_state()}
    tensors |= {f"scalar.{name}": value for name, value in state.method.scalars.items()}
    for name, network in state.networks.items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for name, adam in state.method.adams.items():
        for key, parameter in state.networks[name].named_parameters():
            moments = adam.state.get(parameter, {})
            tensors |= {f"adam.{name}.{key}.{kind}": value for kind, value in moments.items()}
    facts = Facts(
        num_images=state.num_images,
        num_steps=state.num_steps,
        networks=state.method.generator.params,
        loader_seed=state.loader.seed,
        loader_position=state.loader.position,
        device=state.device.type,
        elapsed_s=state.elapsed_s,
        num_training_images=len(state.loader),
        ticks=tuple(state.ticks),
        partials=state.meter.partials(),
        interventions=tuple(state.interventions),
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
    params = state.method.generator.params
    if facts.networks != params:
        raise ValueError(
            f"the checkpoint at {facts.num_images} images is of {facts.networks!r}, not "
            f"{params!r}; remove {facts.tensors_key.rsplit('/', 1)[0]}"
        )
    tensors = load(saved.content)
    for name, network in state.networks.items():
        network.load_state_dict(below(tensors, f"{name}."))
    for name, adam in state.method.adams.items():
        _restore_adam(adam, state.networks[name], below(tensors, f"adam.{name}."))
    for name, scalar in state.method.scalars.items():
        scalar.copy_(tensors[f"scalar.{name}"])
    if facts.device == state.device.type:
        state.random.set_state(tensors["random"])
    else:
        text = f"{facts.loader_seed}/{facts.num_images}"
        state.random.manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]))
        log.warning("goes on on %s, was on %s: random numbers differ", state.device, facts.device)
    if state.graphs is not None:
        state.graphs.forget()
    state.loader.position = facts.loader_position
    state.num_images = facts.num_images
    state.num_steps = facts.num_steps
    state.elapsed_s = facts.elapsed_s
    state.ticks = list(facts.ticks)
    state.interventions = list(facts.interventions)
    state.method.rate_scale = facts.rate_scale
    state.meter.resume(facts.partials)


def _restore_adam(
    adam: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Moments by parameter; the groups keep their own rates, a schedule sets them."""
    learning = {id(p) for group in adam.param_groups for p in group["params"]}
    moments: dict[int, dict[str, Tensor]] = {}
    names = [name for name, p in network.named_parameters() if id(p) in learning]
    for index, name in enumerate(names):
        found = below(tensors, f"{name}.")
        if found:
            moments[index] = found
    plain = adam.state_dict()
    adam.load_state_dict({"state": moments, "param_groups": plain["param_groups"]})
