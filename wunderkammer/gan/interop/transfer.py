"""Start a training from networks of another size: what fits is copied, and a report says the rest.

Blocks are matched by the side of their image in px, not by their place in the network. FreezeD
(arXiv 2002.10964) is here too, because it is for such trainings.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wunderkammer.gan.networks.interface import DiscriminatorNetwork
from wunderkammer.gan.networks.params import NetworkParams, StyleGan2Network

_BLOCK = re.compile(r"(.*\bblocks\.)(\d+)(\..*)")
# How far a progressive training has come belongs to the new one's schedule.
_SCHEDULE = "growth.stored"
# Their weights are scaled by He's constant, 1/√inputs, when they are used.
_EQUALIZED = ("stylegan2", "progressive")


@dataclass(frozen=True)
class TransferReport:
    """What became of each tensor of `network`: `copied` as it is, `adapted` (name, how) to other
    colours, `skipped` (name, why) and left as made. `unused` are the source's own.
    """

    network: str
    copied: tuple[str, ...]
    adapted: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        total = len(self.copied) + len(self.adapted) + len(self.skipped)
        lines = [
            f"{self.network}: {len(self.copied) + len(self.adapted)} of {total} tensors copied"
        ]
        lines += [f"  {how}: {names}" for how, names in _by_reason(self.adapted)]
        lines += [f"  left as made, {why}: {names}" for why, names in _by_reason(self.skipped)]
        if self.unused:
            rest = [(name, "not used of the source") for name in self.unused]
            lines += [f"  {why}: {names}" for why, names in _by_reason(rest)]
        return "\n".join(lines)


def _by_reason(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each reason with the names that have it; of a block only its name."""
    names: dict[str, dict[str, None]] = {}
    for name, reason in items:
        match = _BLOCK.fullmatch(name)
        short = f"{match[1]}{match[2]}" if match else name
        names.setdefault(reason, {})[short] = None
    return ((reason, ", ".join(found)) for reason, found in names.items())


@torch.no_grad()
def transfer(
    source: Mapping[str, Tensor],
    source_params: NetworkParams,
    target: nn.Module,
    target_params: NetworkParams,
) -> TransferReport:
    """Copy what fits of a state dict into a network of the same family, in place.

    A tensor fits if its name (blocks by side in px) and its shape are the same. Those that take or
    give colours fit other channels as well: grey is the mean of the colours, colours are grey
    thrice, and opacity is left as made.

    Args:
        source: the state dict of a generator, or of a discriminator where `target` is one.

    Raises:
        ValueError: the two are of different families.
    """
    if source_params.kind != target_params.kind:
        raise ValueError(
            f"train.start has {source_params.kind} networks and the recipe asks for "
            f"{target_params.kind}; only networks of the same kind can be taken over"
        )
    is_discriminator = isinstance(target, DiscriminatorNetwork)
    by_place = {_placed(name, source_params, is_discriminator): name for name in source}
    copied, adapted, skipped = [], [], []
    for name, tensor in target.state_dict().items():
        key = by_place.pop(_placed(name, target_params, is_discriminator), None)
        if name.endswith(_SCHEDULE):
            skipped.append((name, "it follows the schedule"))
        elif key is None:
            skipped.append((name, "the source has no such layer at this size"))
        elif source[key].shape == tensor.shape:
            tensor.copy_(source[key])
            copied.append(name)
        elif (how := _adapt(source[key], tensor, source_params, target_params)) is not None:
            adapted.append((name, how))
        else:
            shapes = f"{list(source[key].shape)}, not {list(tensor.shape)}"
            skipped.append((name, f"the source's is {shapes}"))
    return TransferReport(
        "discriminator" if is_discriminator else "generator",
        copied=tuple(copied),
        adapted=tuple(adapted),
        skipped=tuple(skipped),
        unused=tuple(sorted(by_place.values())),
    )


def _placed(name: str, params: NetworkParams, is_discriminator: bool) -> str:
    """The name, with the side in px for the index of a block.

    The discriminator of StyleGAN2 counts from its highest resolution down, and its first layer
    belongs to that one.
    """
    counts_down = is_discriminator and isinstance(params, StyleGan2Network)
    if counts_down and name.startswith("from_image."):
        return f"{params.resolution_px}px.{name}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        return name
    before, index, after = match.groups()
    if counts_down:
        return f"{before}{params.resolution_px >> int(index)}px{after}"
    return f"{before}{8 << int(index)}px{after}"


def _adapt(
    source: Tensor, target: Tensor, source_params: NetworkParams, target_params: NetworkParams
) -> str | None:
    """Fill `target` from weights for other colours; how, or None where that is not the matter."""
    given, wanted = source_params.channels, target_params.channels
    for axis in range(min(source.ndim, target.ndim, 2)):
        sizes = list(source.shape)
        if given == wanted or sizes[axis] != given:
            continue
        sizes[axis] = wanted
        if sizes == list(target.shape):
            scaled = source_params.kind in _EQUALIZED and axis == 1
            gain = math.sqrt(wanted / given) if scaled else 1.0
            return _recolour(source, target, axis=axis, gain=gain)
    return None


def _recolour(source: Tensor, target: Tensor, *, axis: int, gain: float) -> str:
    """Sums over the colours that a layer takes (axis 1) stay as they were for a grey picture."""
    given, wanted = source.shape[axis], target.shape[axis]
    colours = source.narrow(axis, 0, min(given, 3)) * gain
    if wanted == 1:
        grey = colours.sum(axis, keepdim=True)
        target.copy_(grey if axis == 1 else grey / colours.shape[axis])
        return f"grey from {given} channels"
    filled = target.narrow(axis, 0, 3)
    filled.copy_(colours.expand_as(filled))
    if given == 1 and axis == 1:
        filled.div_(3.0)
    return f"{wanted} channels from {given}" + (", opacity as made" if wanted == 4 else "")


def freeze_first_layers(discriminator: DiscriminatorNetwork, num: int) -> tuple[str, ...]:
    """Let the `num` layers nearest to the image learn nothing (FreezeD, arXiv 2002.10964).

    StyleGAN2's are counted as the ADA reference does: from the image, then each block's first and
    second convolution and its skip, the highest resolution first.

    Returns:
        Their names.

    Raises:
        ValueError: there are no more layers than `num`, so that nothing would learn.
    """
    layers = discriminator.layers_from_image()
    if not 0 <= num < len(layers):
        raise ValueError(
            f"train.freeze_discriminator={num}: the discriminator has {len(layers)} layers; "
            f"freeze fewer than that (10 to 13 are usual)"
        )
    names = {id(module): name for name, module in discriminator.named_modules()}
    for layer in layers[:num]:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)
    return tuple(names[id(layer)] for layer in layers[:num])
