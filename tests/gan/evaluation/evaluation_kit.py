"""Pictures and weights for the tests of the measures."""

import numpy as np
import torch

from wunderkammer.gan.evaluation.inception import inception_network

SIDE = 16


def quilts(num, *, seed, side=SIDE, cells=4, channels=3):
    """Squares of random colours: every picture is another one."""
    colours = np.random.default_rng(seed).integers(0, 256, (num, channels, cells, cells))
    return np.kron(colours, np.ones((side // cells, side // cells))).astype(np.uint8)


def random_weights():
    random = torch.Generator().manual_seed(0)
    weights = {}
    for name, tensor in inception_network().state_dict().items():
        values = torch.randn(tensor.shape, generator=random)
        if name.endswith("num_batches_tracked"):
            values = torch.tensor(0)
        elif name.endswith("running_var"):
            values = values.abs() + 0.5
        elif tensor.ndim == 4:
            values *= (2 / tensor[0].numel()) ** 0.5
        weights[name] = values
    return weights
