from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wunderkammer.gan.evaluation.samples import NotFiniteError, draw_pictures


class Painter(torch.nn.Module):
    """One colour a picture: its z, or its label."""

    def __init__(self, *, num_labels=0, value=None):
        super().__init__()
        self.params = SimpleNamespace(z_dim=1, num_labels=num_labels)
        self.z_dim, self.num_labels, self.resolution_px, self.channels = 1, num_labels, 8, 3
        self.value = value
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, z_NZ, labels_NL=None):
        colour = z_NZ[:, 0] if labels_NL is None else labels_NL.argmax(1) / 2 - 1
        if self.value is not None:
            colour = torch.full_like(colour, self.value)
        return colour[:, None, None, None].expand(-1, 3, 8, 8)


def test_the_range_from_minus_one_to_one_becomes_0_to_255_and_what_is_beyond_is_cut():
    for value, level in ((-1.0, 0), (0.0, 128), (1.0, 255), (7.0, 255), (-7.0, 0)):
        drawn = draw_pictures(Painter(value=value), 2, labels_N=None, seed=0)
        assert drawn.shape == (2, 3, 8, 8)
        assert drawn.dtype == np.uint8
        assert (drawn == level).all()


def test_the_seed_fixes_the_pictures():
    first, again, other = (
        draw_pictures(Painter(), 40, labels_N=None, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_conditional_generator_draws_the_labels_it_is_told():
    labels = np.array([0, 2, 1, 2] * 10, np.int64)
    drawn = draw_pictures(Painter(num_labels=3), 40, labels_N=labels, seed=0)
    np.testing.assert_array_equal(drawn[:, 0, 0, 0], np.array([0, 64, 128])[labels])


def test_pixels_that_are_no_numbers_are_an_error_that_says_which():
    with pytest.raises(NotFiniteError, match="pictures 0 to 4095"):
        draw_pictures(Painter(value=float("nan")), 5000, labels_N=None, seed=0)


def test_more_pictures_than_are_drawn_at_once_are_all_drawn():
    drawn = draw_pictures(Painter(), 5000, labels_N=None, seed=0)
    assert len(drawn) == 5000
    assert np.ptp(drawn[4096:, 0, 0, 0].astype(int)) > 100
