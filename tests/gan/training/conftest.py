import numpy as np
import pytest
import torch
from safetensors.numpy import save

from wunderkammer.gan.checkpoints.archive import Saved
from wunderkammer.gan.checkpoints.state import capture, restore
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import new_state
from wunderkammer.gan.training.methods import build
from wunderkammer.gan.training.step import train_step


@pytest.fixture
def begin(monkeypatch):
    """A training of the given networks before its first step, or at a checkpoint of another."""

    def make(train, networks, pictures, *, checkpoint=None):
        monkeypatch.setattr(build, "network_params", lambda *_, **__: networks)
        num = networks.num_labels
        labels = np.arange(len(pictures)) % num if num else None
        data = TrainingImages.of(pictures, labels, num)
        state = new_state(data, train, device=torch.device("cpu"), held_out=data)
        if checkpoint is not None:
            facts, tensors = capture(checkpoint)
            restore(state, Saved(facts, save(tensors)))
        return state

    return make


@pytest.fixture
def steps():
    """Train so many steps, only with operations that give equal bits every time."""

    def go(state, num):
        torch.use_deterministic_algorithms(True)
        try:
            for _ in range(num):
                train_step(state)
        finally:
            torch.use_deterministic_algorithms(False)
        return state

    return go


@pytest.fixture
def numbers():
    """All that steps change, as one vector."""

    def of(state):
        _, tensors = capture(state)
        return np.concatenate([tensors[name].ravel().astype("f4") for name in sorted(tensors)])

    return of


@pytest.fixture
def halves():
    """From red over blue to green over yellow, with a little noise: uint8 [128, 3, 16, 16]."""
    random = np.random.default_rng(0)
    ends = np.array([[[220, 60, 60], [40, 40, 160]], [[60, 200, 80], [230, 220, 60]]])
    share = random.random((128, 1, 1))
    colours = ends[0] * share + ends[1] * (1.0 - share)
    images = colours.transpose(0, 2, 1)[..., None].repeat(8, axis=2).repeat(16, axis=3)
    return (images + random.normal(0, 5, images.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def distance():
    """Mean distance of drawn images from the pictures over random projections of their pixels."""

    def of(state):
        random = torch.Generator().manual_seed(0)
        real_NCHW = (
            torch.from_numpy(state.loader.data.read(np.arange(len(state.loader.data)))).float()
            / 127.5
            - 1.0
        )
        z_NZ = torch.randn(len(real_NCHW), state.method.generator.z_dim, generator=random)
        directions = torch.randn(real_NCHW[0].numel(), 64, generator=random)
        directions /= directions.norm(dim=0)
        drawn_NCHW = state.method.average(z_NZ).detach()
        drawn, real = (x.flatten(1) @ directions for x in (drawn_NCHW, real_NCHW))
        return float((drawn.sort(dim=0).values - real.sort(dim=0).values).abs().mean())

    return of
