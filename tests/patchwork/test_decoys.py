import numpy as np
import pytest

from wunderkammer.patchwork.decoys import DECOYS


@pytest.mark.parametrize("name", DECOYS)
@pytest.mark.parametrize("size", [(160, 160), (420, 150), (40, 34)])
def test_a_decoy_has_the_size_asked_for_and_something_on_it(
    name: str, size: tuple[int, int]
) -> None:
    width, height = size
    picture = DECOYS[name](np.random.default_rng(0), width=width, height=height)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5


@pytest.mark.parametrize("name", DECOYS)
def test_a_decoy_is_its_seed(name: str) -> None:
    pictures = [
        DECOYS[name](np.random.default_rng(seed), width=90, height=60) for seed in (1, 1, 2)
    ]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
