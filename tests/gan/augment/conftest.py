import pytest
import torch

from wunderkammer.gan.draws import Draws


@pytest.fixture
def draws():
    """The same stream every time, of a batch of `num`, whole or the rows asked for."""

    def make(num, rows=None, seed=0):
        random = torch.Generator().manual_seed(seed)
        return Draws(random, num, rows or slice(0, num))

    return make


@pytest.fixture
def told():
    """Draws that are all as told: `uniform` of [0, 1), `normal`."""

    class Told(Draws):
        def __init__(self, num, *, uniform=0.5, normal=0.0):
            super().__init__(torch.Generator(), num, slice(0, num))
            object.__setattr__(self, "told", (uniform, normal))

        def uniform(self, *shape):
            return torch.full((self.num, *shape), self.told[0])

        def normal(self, *shape):
            return torch.full((self.num, *shape), self.told[1])

    return Told


@pytest.fixture
def in_order():
    """Deterministic algorithms only, as a training that can be resumed exactly wants them."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
