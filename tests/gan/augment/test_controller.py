import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.augment.controller import adapt_p, validation_heuristic


def test_the_validation_heuristic_is_where_held_out_scores_lie_between_the_others():
    train, generated = torch.tensor([1.0, 3.0]), torch.tensor([-2.0, -2.0])
    assert validation_heuristic(train, train, generated) == 0.0
    assert validation_heuristic(train, torch.tensor([1.0]), generated) == 0.25
    assert validation_heuristic(train, generated, generated) == 1.0


def test_the_validation_heuristic_is_0_while_nothing_is_told_apart():
    ones = torch.ones(3)
    assert validation_heuristic(ones, -ones, ones) == 0.0
    assert validation_heuristic(ones, -ones, 2.0 * ones) == 0.0


@pytest.mark.parametrize(
    ("signal", "expected"), [(0.9, 0.5 + 0.064), (0.1, 0.5 - 0.064), (0.6, 0.5)]
)
def test_p_moves_by_the_share_of_its_way_that_the_images_are(signal, expected):
    signal = torch.tensor(signal, dtype=torch.float64)
    p = torch.tensor(0.5, dtype=torch.float64)
    moved = adapt_p(p, signal, target=0.6, num_images=256, speed_images=4000)
    assert float(moved) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0, 1), st.floats(-1, 1), st.integers(1, 10_000))
def test_p_stays_between_0_and_1(p, signal, num_images):
    moved = adapt_p(
        torch.tensor(p), torch.tensor(signal), target=0.6, num_images=num_images, speed_images=100
    )
    assert 0.0 <= float(moved) <= 1.0
