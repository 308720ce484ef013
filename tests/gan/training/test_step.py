"""A batch that is split, for want of memory or over processes, gives the result of a whole one."""

import logging
import os
import socket
import sys
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from wunderkammer.gan.params import StyleGan2Params
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import new_state
from wunderkammer.gan.training.methods.stylegan2 import StyleGan2Method
from wunderkammer.gan.training.processes import ALONE, Processes, joined
from wunderkammer.gan.training.step import train_step

CPU = torch.device("cpu")
NUM_STEPS = 4


def trained(images, params, *, processes=ALONE):
    state = new_state(images, params, device=CPU, processes=processes)
    for _ in range(NUM_STEPS):
        train_step(state)
    return state


def numbers(state):
    """All that the steps have changed, as one vector."""
    tensors = [*state.method.generator.state_dict().values()]
    tensors += state.method.discriminator.state_dict().values()
    tensors += state.method.average.state_dict().values()
    tensors += state.method.scalars.values()
    return torch.cat([tensor.double().flatten() for tensor in tensors])


@pytest.fixture
def split_recipe(recipe):
    def make(**changes):
        settings = {"batch_size": 8, "r1_interval": 2, "path_length_weight": 2.0}
        augment = {"kind": "ada", "interval": 1, "initial_p": 0.5, "speed_kimg": 0.1}
        return StyleGan2Params.model_validate(
            {**recipe().model_dump(), **settings, "augment": augment, **changes}
        )

    return make


@pytest.fixture
def images(pictures):
    return TrainingImages.of(pictures)


def test_micro_batches_give_the_result_of_the_whole_batch(images, split_recipe):
    whole = trained(images, split_recipe())
    split = trained(images, split_recipe(micro_batch=4))
    assert torch.allclose(numbers(whole), numbers(split), atol=1e-5)
    assert torch.equal(whole.random.get_state(), split.random.get_state())
    means = whole.meter.close(), split.meter.close()
    assert means[0] == pytest.approx(means[1], abs=1e-5)


def test_too_little_memory_is_met_by_smaller_parts_with_the_same_result(
    images, split_recipe, monkeypatch, caplog
):
    whole = trained(images, split_recipe())
    sound = StyleGan2Method._discriminator_loss

    def greedy(self, batch):
        if len(batch.reals_NCHW) > 4:
            raise torch.OutOfMemoryError("8 samples are too many")
        return sound(self, batch)

    monkeypatch.setattr(StyleGan2Method, "_discriminator_loss", greedy)
    with caplog.at_level(logging.WARNING):
        split = trained(images, split_recipe())
    assert split.micro_batch == 4
    assert "goes on with 4 at once" in caplog.text
    assert torch.allclose(numbers(whole), numbers(split), atol=1e-5)


def test_too_little_memory_for_the_smallest_part_is_an_error(images, split_recipe, monkeypatch):
    def greedy(self, batch):
        raise torch.OutOfMemoryError("none at all")

    monkeypatch.setattr(StyleGan2Method, "_discriminator_loss", greedy)
    with pytest.raises(torch.OutOfMemoryError):
        trained(images, split_recipe())


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(ValueError, match="multiple, or use fewer GPUs"):
        Processes(rank=0, count=3).rows(8)


def _train_as_one_of_two(rank, port, pictures, params, folder):
    torch.set_num_threads(1)
    place = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": str(port)}
    os.environ.update(place, MASTER_ADDR="127.0.0.1")
    with joined(CPU) as processes:
        state = trained(TrainingImages.of(pictures), params, processes=processes)
        assert processes.agree(rank) == 0
        assert processes.any(rank == 1)
        assert not processes.any(False)
    torch.save(
        {"numbers": numbers(state), "means": state.meter.close()}, Path(folder) / f"{rank}.pt"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over loopback is tried on POSIX only")
def test_two_processes_give_the_result_of_one(pictures, images, split_recipe, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    params = split_recipe()
    multiprocessing.spawn(_train_as_one_of_two, (port, pictures, params, str(tmp_path)), nprocs=2)
    one = trained(images, params)
    means = one.meter.close()
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.allclose(found["numbers"], numbers(one), atol=1e-5)
        assert found["means"] == pytest.approx(means, abs=1e-5)
