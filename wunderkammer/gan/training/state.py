"""A training under way: all that its next step depends on, and its history."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from wunderkammer.gan.checkpoints.archive import Intervention, Tick
from wunderkammer.gan.training.graphs import PhaseGraphs
from wunderkammer.gan.training.loader import ShuffledLoader
from wunderkammer.gan.training.meter import Meter
from wunderkammer.gan.training.phases import Method
from wunderkammer.gan.training.processes import ALONE, Processes


@dataclass
class TrainingState:
    """Mutable: steps change it in place.

    `micro_batch` is the most samples that a process computes at once; it may shrink, and no result
    depends on it. `graphs` replay phases on a GPU, where the method's phases can be recorded.
    """

    method: Method
    random: torch.Generator
    loader: ShuffledLoader
    held_out: ShuffledLoader | None
    meter: Meter
    processes: Processes = ALONE
    micro_batch: int | None = None
    graphs: PhaseGraphs | None = None
    num_images: int = 0
    num_steps: int = 0
    elapsed_s: float = 0.0
    ticks: list[Tick] = field(default_factory=list)
    interventions: list[Intervention] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.random.device

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by name."""
        method = self.method
        return {
            "generator": method.generator,
            "discriminator": method.discriminator,
            "average": method.average,
        }
