import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.holdout import MAX_HELD_OUT, split


@given(
    num_images=st.integers(0, 3000),
    share=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32),
)
def test_every_picture_is_on_exactly_one_side(num_images, share, seed):
    train, held_out = split(num_images, share=share, seed=seed)
    assert sorted([*train, *held_out]) == list(range(num_images))
    assert len(held_out) <= MAX_HELD_OUT
    assert len(train) > 0 or num_images == 0


def test_a_tenth_is_a_tenth_until_there_are_a_thousand():
    assert len(split(500, share=0.1, seed=0)[1]) == 50
    assert len(split(50_000, share=0.1, seed=0)[1]) == 1000


def test_nothing_is_held_out_where_the_share_is_nought_and_one_where_it_is_tiny():
    assert len(split(10, share=0.0, seed=0)[1]) == 0
    assert len(split(10, share=0.001, seed=0)[1]) == 1
    assert len(split(1, share=0.5, seed=0)[1]) == 0


def test_the_seed_alone_decides_which():
    one, other = split(100, share=0.2, seed=1), split(100, share=0.2, seed=2)
    np.testing.assert_array_equal(split(100, share=0.2, seed=1)[1], one[1])
    assert set(one[1]) != set(other[1])


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused_by_its_value(share):
    with pytest.raises(ValueError, match=f"share={share}"):
        split(10, share=share, seed=0)
