import numpy as np
import pytest
import torch

from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.params import StyleGan2Params


@pytest.fixture(autouse=True)
def _seeded_and_one_thread():
    """Two threads that wait for each other are slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_networks():
    def make(resolution_px=16, channels=3, **changes):
        sizes = {"z_dim": 8, "w_dim": 12, "num_mapping_layers": 2, "channel_base": 64}
        settings = {"channel_max": 8, "deviation_group": 4, **sizes, **changes}
        return StyleGan2Network(resolution_px=resolution_px, channels=channels, **settings)

    return make


@pytest.fixture
def pictures():
    """Coloured halves: uint8 [24, 3, 8, 8]."""
    random = np.random.default_rng(0)
    images = np.repeat(random.integers(0, 256, (24, 3, 1, 1), np.uint8), 8, axis=2)
    images = np.repeat(images, 8, axis=3)
    images[:, :, :, 4:] //= 2
    return images


@pytest.fixture
def recipe():
    def make(**changes):
        settings = {
            "kind": "stylegan2",
            "network": "tiny",
            "total_kimg": 0.048,
            "batch_size": 4,
            "r1_interval": 3,
            "tick_kimg": 0.016,
            "snapshot_ticks": 1,
            "mirror": True,
        }
        return StyleGan2Params(**{**settings, **changes})

    return make
