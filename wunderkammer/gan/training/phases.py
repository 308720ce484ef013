"""What a training method is to the loop: networks, and phases that each move one network.

Shapes: N samples (rows of ours), C channels, H rows, W columns, L labels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.interface import DiscriminatorNetwork, GeneratorNetwork


@dataclass(frozen=True)
class Batch:
    """Our rows of a batch: pictures in [-1, 1], their labels (one-hot), and random numbers."""

    reals_NCHW: Tensor
    labels_NL: Tensor | None
    draws: Draws


# A value a sample by name, [N, …]: the loop means them over the whole batch.
Rows = Mapping[str, Tensor]
Means = Mapping[str, Tensor]
PhaseLoss = Callable[[Batch], tuple[Tensor, Rows]]


@dataclass(frozen=True)
class Phase:
    """One Adam step of `network` along the mean over the batch of what `loss` gives a sample [N].

    It runs in every `interval`-th step. With `shrink` it sees only the first 1/shrink of a batch.
    `after` gets the means of the rows that `loss` gave, over the whole batch, once Adam has
    stepped; names with a slash are shown as measures of the tick (scalars a sample).
    """

    name: str
    network: str
    loss: PhaseLoss
    interval: int = 1
    shrink: int = 1
    after: Callable[[Means], None] | None = None


class Method(Protocol):
    """One way to train. It holds everything that its steps depend on."""

    generator: GeneratorNetwork
    discriminator: DiscriminatorNetwork
    average: GeneratorNetwork
    adams: Mapping[str, torch.optim.Optimizer]
    # Numbers on the device that steps change: ADA's p, the mean path length. Kept in checkpoints.
    scalars: Mapping[str, Tensor]
    phases: tuple[Phase, ...]

    def batch_size(self, num_images: int) -> int:
        """Samples of the step that starts after `num_images` images."""

    def begin_step(self, num_images: int) -> None:
        """Set what follows a schedule: rates, stages. A function of `num_images` alone."""

    def end_step(self, num_images: int) -> None:
        """After the phases of a step that brought us to `num_images`: the weight average."""
