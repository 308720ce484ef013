"""What a training has to remember to go on after a kill as if there had been none.

A file of tensors, numbers and texts only, replaced in one step after each epoch.
"""

import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STATE_FILE = "state.pt"

Epoch = dict[str, float]


@dataclass(frozen=True)
class TrainingState:
    """A training after a whole epoch.

    Attributes:
        epoch: the number of finished ones.
        model, average: the network and the mean of its weights, as state dicts.
        updates: how often the mean was updated.
        optimizer: its state dict.
        scaler: that of the gradients' scaling.
        best_fitness, best_epoch: whose weights are kept beside.
        stopper: fitness and number of the epoch since which there was none better.
        history: a row an epoch.
    """

    epoch: int
    model: dict[str, Tensor]
    average: dict[str, Tensor]
    updates: int
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    best_fitness: float
    best_epoch: int
    stopper: tuple[float, int]
    history: list[Epoch] = field(default_factory=list)


def write_state(folder: Path, state: TrainingState) -> None:
    """Replace the state in `folder`."""
    part = folder / f"{STATE_FILE}.part"
    torch.save(asdict(state), part)
    part.replace(folder / STATE_FILE)


def read_state(folder: Path) -> TrainingState | None:
    """The state in `folder`, None if there is none, or one that a power cut has damaged."""
    file = folder / STATE_FILE
    if not file.is_file():
        return None
    try:
        fields = torch.load(file, map_location="cpu", weights_only=True)
        return TrainingState(**fields)
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError):
        return None
