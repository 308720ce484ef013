"""A training on a GPU against itself: with and without CUDA graphs, stopped and undisturbed.

The same lines run on the CPU, where the first comparison is of two equal trainings.
"""

import os

import pytest
import torch

from wunderkammer.gan.checkpoints.archive import Archive
from wunderkammer.gan.checkpoints.state import capture
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import Surroundings, new_state, run_training
from wunderkammer.gan.training.step import train_step
from wunderkammer.storage.store import Store

NUM_STEPS = 24
CPU = torch.device("cpu")
GPU = pytest.param(
    torch.device("cuda", 0),
    id="cuda",
    marks=pytest.mark.skipif(
        torch.cuda.device_count() == 0, reason="no CUDA GPU here: graphs are recorded on one only"
    ),
)

# Of how far training has moved a tensor. Bits may differ where cuBLAS takes another algorithm
# while it is recorded, and 24 steps of Adam enlarge that; a graph that replays anything stale (a
# rate, a batch, random numbers) moves the weights about as far apart as training moves them.
TOLERANCE = {"cpu": 0.0, "cuda": 1e-2}


@pytest.fixture(autouse=True)
def _deterministic(monkeypatch):
    if "CUBLAS_WORKSPACE_CONFIG" not in os.environ:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def params(recipe):
    """Every phase comes often enough to be recorded, and draws random numbers."""

    def make(**changes):
        settings = {
            "total_kimg": NUM_STEPS * 4 / 1000,
            "path_length_weight": 2.0,
            "path_length_interval": 4,
            "style_mixing": 0.9,
            "precision": "float32",
            "deterministic": True,
        }
        return recipe(**settings | changes)

    return make


def networks_of(state):
    _, tensors = capture(state)
    prefixes = ("generator.", "discriminator.", "average.")
    return {
        name: torch.from_numpy(array.copy()).double()
        for name, array in tensors.items()
        if name.startswith(prefixes)
    }


@pytest.mark.parametrize("device", [CPU, GPU])
def test_replayed_phases_train_as_launched_ones(params, pictures, device):
    ends = []
    for has_graphs in (True, False):
        state = new_state(
            TrainingImages.of(pictures), params(cuda_graphs=has_graphs), device=device
        )
        start = networks_of(state)
        for _ in range(NUM_STEPS):
            train_step(state)
        ends.append(networks_of(state))
        assert (state.graphs is not None) == (has_graphs and device.type == "cuda")
        if state.graphs is not None:
            assert state.graphs._recorded.keys() == {phase.name for phase in state.method.phases}
    replayed, launched = ends
    for name, expected in launched.items():
        moved = (expected - start[name]).abs().max()
        difference = (replayed[name] - expected).abs().max()
        assert difference <= TOLERANCE[device.type] * moved, name
    assert any(not torch.equal(launched[name], start[name]) for name in start)


@pytest.mark.parametrize("has_graphs", [True, False])
@pytest.mark.parametrize("device", [CPU, GPU])
def test_a_deterministic_training_that_was_stopped_ends_bit_for_bit_like_one_that_was_not(
    params, pictures, tmp_path, device, has_graphs
):
    def trained(name, *, stop_after):
        asked = iter(range(1, 10**6))
        around = Surroundings(
            archive=Archive(Store(str(tmp_path / name)), "run"),
            device=device,
            on_tick=lambda report: None,
            should_stop=lambda: next(asked) == stop_after,
        )
        return run_training(
            TrainingImages.of(pictures), params(cuda_graphs=has_graphs), around=around
        )

    straight = trained("straight", stop_after=None)
    assert straight.is_complete
    for stop_after in (5, 8):
        assert not trained("stopped", stop_after=stop_after).is_complete
    resumed = trained("stopped", stop_after=None)
    assert resumed.is_complete
    assert resumed.facts.digest == straight.facts.digest
