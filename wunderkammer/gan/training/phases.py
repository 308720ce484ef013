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
    """Our rows of a batch: pictures in [-1, 1], their labels (one-hot), and random numbers.

    A phase that asks for them gets as many held-out pictures.
    """

    reals_NCHW: Tensor
    labels_NL: Tensor | None
    draws: Draws
    held_out_NCHW: Tensor | None = None
    held_out_labels_NL: Tensor | None = None


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
    `fresh_reals` are other pictures than the phase before saw; `needs_held_out` asks for as many
    that are never trained on.
    """

    name: str
    network: str
    loss: PhaseLoss
    interval: int = 1
    shrink: int = 1
    fresh_reals: bool = False
    needs_held_out: bool = False
    after: Callable[[Means], None] | None = None


class Method(Protocol):
    """One way to train. It holds everything that its steps depend on."""

    # All learning rates are multiplied by this (after a rollback it is below 1).
    rate_scale: float

    @property
    def generator(self) -> GeneratorNetwork:
        """What learns to draw."""

    @property
    def discriminator(self) -> DiscriminatorNetwork:
        """What learns to tell."""

    @property
    def average(self) -> GeneratorNetwork:
        """The average of the generator's weights, or a copy of it."""

    @property
    def adams(self) -> Mapping[str, torch.optim.Adam]:
        """By name of the network."""

    @property
    def scalars(self) -> Mapping[str, Tensor]:
        """Numbers on the device that steps change (ADA's p), kept in checkpoints."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In their order."""

    @property
    def smallest_part(self) -> int:
        """A batch may be split into multiples of so many samples; 0 if not at all."""

    @property
    def can_be_recorded(self) -> bool:
        """Whether a phase does the same for every batch of one shape and rate (a CUDA graph)."""

    def batch_size(self, num_images: int) -> int:
        """Samples of the step that starts after `num_images` images."""

    def begin_step(self, num_images: int) -> None:
        """Set what follows a schedule: rates, stages. A function of `num_images` alone."""

    def shown(self) -> Mapping[str, Tensor]:
        """Measures of this moment by name, for ticks."""

    def end_step(self, num_images: int) -> None:
        """After the phases of a step that brought us to `num_images`: the weight average."""
