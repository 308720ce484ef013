from math import pi

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from wunderkammer.gan.augment.geometry import inverse_of_moves, scaling, shift, turn
from wunderkammer.gan.augment.resample import (
    MARGIN,
    gather_pixels,
    resample,
    spread,
    spread_in_order,
)
from wunderkammer.gan.augment.wavelets import symlet

DOUBLE = torch.float64
EVERY_OTHER = (np.s_[::2, :], np.s_[:, ::2])


def random_pictures(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE) * 2 - 1


def random_affine(seed):
    """About the size of ADA's: turned, zoomed, stretched, shifted off the picture."""
    random = torch.Generator().manual_seed(seed)
    linear = torch.eye(2, dtype=DOUBLE) + 0.6 * torch.randn(2, 2, generator=random, dtype=DOUBLE)
    matrix = torch.eye(3, dtype=DOUBLE)
    matrix[:2, :2], matrix[:2, 2] = linear, 5 * torch.randn(2, generator=random, dtype=DOUBLE)
    return matrix


def moved(**amounts):
    rows = {name: torch.tensor([amount]) for name, amount in amounts.items()}
    return lambda pictures: gather_pixels(
        pictures, inverse_of_moves(rows, side_px=pictures.shape[-1]).expand(len(pictures), 3, 3)
    )


def plain_resample(picture, inverse):
    """The definition, a step at a time, on numpy arrays [S, S] and [3, 3]."""
    side, taps = len(picture), symlet(6)
    padded = np.pad(picture, 3, mode="reflect")
    for axis in (0, 1):
        sparse = np.zeros([2 * n if a == axis else n for a, n in enumerate(padded.shape)])
        sparse[EVERY_OTHER[axis]] = padded
        padded = np.apply_along_axis(np.convolve, axis, sparse, taps * np.sqrt(2))
    first = 2 * 3 + 5  # pixel 0 after the padding, and the delay of the filter
    doubled = padded[first : first + 2 * side - 1, first : first + 2 * side - 1]
    axis = (np.arange(2 * (side + MARGIN)) - MARGIN - side + 1) / 2
    points = np.stack([*np.meshgrid(axis, axis), np.ones((len(axis), len(axis)))])
    x, y, _ = np.einsum("ij,jyx->iyx", inverse, points)
    places = [2 * (y + (side - 1) / 2), 2 * (x + (side - 1) / 2)]
    read = ndimage.map_coordinates(doubled, places, order=1, mode="mirror")
    for axis in (0, 1):
        read = np.apply_along_axis(np.correlate, axis, read, taps / np.sqrt(2), "valid")
        read = read[EVERY_OTHER[axis]]
    return read[:side, :side]


@pytest.mark.parametrize("side", [4, 5, 12, 32])
@pytest.mark.parametrize("seed", range(3))
def test_resampling_is_its_definition_written_out(side, seed):
    pictures, inverse = random_pictures(1, 2, side, side, seed=seed), random_affine(seed)
    result = resample(pictures, inverse[None])[0]
    for channel, picture in zip(result, pictures[0], strict=True):
        expected = plain_resample(picture.numpy(), inverse.numpy())
        np.testing.assert_allclose(channel.numpy(), expected, atol=1e-12)


def test_what_the_identity_moves_stays_bit_for_bit_beside_what_moves():
    pictures = random_pictures(2, 3, 16, 16).float()
    inverses = torch.stack([torch.eye(3), random_affine(0).float()])
    result = resample(pictures, inverses)
    assert torch.equal(result[0], pictures[0])
    assert (result[1] - pictures[1]).abs().max() > 0.1


def test_the_two_filters_undo_each_other():
    pictures = random_pictures(1, 1, 32, 32)
    hardly = shift(torch.tensor([1e-9], dtype=DOUBLE), torch.zeros(1, dtype=DOUBLE))
    inner = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(
        resample(pictures, hardly)[inner], pictures[inner], atol=1e-7, rtol=0.0
    )


def test_a_shift_by_whole_pixels_is_exact_away_from_the_reflection():
    pictures = random_pictures(1, 1, 32, 32)
    inverse = shift(torch.tensor([-2.0], dtype=DOUBLE), torch.tensor([3.0], dtype=DOUBLE))
    result, expected = resample(pictures, inverse), gather_pixels(pictures, inverse)
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(result[inner], expected[inner], atol=1e-12, rtol=0.0)
    torch.testing.assert_close(expected[0, 0, 10, 10], pictures[0, 0, 13, 8])


@pytest.mark.parametrize("amount", [0.5, -1.25])
def test_a_shift_by_part_of_a_pixel_moves_a_wave_by_as_much(amount):
    def wave(moved_px):
        x = torch.arange(64, dtype=DOUBLE) - moved_px
        return (2 * pi * x / 16).cos().expand(1, 1, 64, 64)

    inverse = shift(torch.tensor([-amount], dtype=DOUBLE), torch.zeros(1, dtype=DOUBLE))
    inner = (..., slice(10, -10))
    result = resample(wave(0.0), inverse)
    torch.testing.assert_close(result[inner], wave(amount)[inner], atol=0.02, rtol=0.0)


def test_a_turn_of_a_broad_blob_about_the_centre_leaves_it_there():
    axis = torch.arange(33, dtype=DOUBLE) - 16
    blob = (-(axis**2 + axis[:, None] ** 2) / 50).exp()[None, None]
    angle = torch.tensor([0.7], dtype=DOUBLE)
    result = resample(blob, turn(angle.cos(), angle.sin()))
    inside = (axis**2 + axis[:, None] ** 2).sqrt() < 15  # the corners read reflections
    assert ((result - blob).abs() * inside).max() < 0.02


def test_far_zooms_out_show_reflections_without_end_and_no_border():
    flat = torch.ones(1, 1, 8, 8, dtype=DOUBLE)
    far = torch.tensor([40.0], dtype=DOUBLE)
    torch.testing.assert_close(resample(flat, scaling(far, far)), flat)


def test_flips_turns_and_shifts_of_whole_pixels_are_exact():
    pictures = random_pictures(2, 3, 8, 8)
    assert torch.equal(moved(mirror_h=[1.0])(pictures), pictures.flip(-1))
    assert torch.equal(moved(mirror_v=[1.0])(pictures), pictures.flip(-2))
    for quarters in range(4):  # torch counts against the y axis that points down
        turned = moved(rotation_90=[float(quarters)])(pictures)
        assert torch.equal(turned, pictures.rot90(-quarters, (-2, -1)))
    shifted = functional.pad(pictures, (2, 0, 0, 3), mode="reflect")[..., 3:, :8]
    assert torch.equal(moved(translation_px=[0.25, -0.375])(pictures), shifted)


def test_a_side_that_the_filters_reach_across_is_refused():
    with pytest.raises(ValueError, match="a side of 3 px is too small to resample; use 4 or more"):
        resample(torch.zeros(1, 1, 3, 3), torch.eye(3)[None])


@pytest.mark.parametrize("move", [resample, gather_pixels])
def test_first_and_second_derivatives_are_right(move, in_order):
    pictures = random_pictures(2, 2, 4, 4).requires_grad_()
    inverses = torch.stack([random_affine(1), random_affine(2)])
    assert gradcheck(move, (pictures, inverses))
    # The move is linear: something curved must follow for a second derivative that is not 0.
    assert gradgradcheck(lambda x: move(x, inverses).pow(3), (pictures,))


def test_both_ways_to_spread_agree():
    random = torch.Generator().manual_seed(0)
    grid = torch.rand(2, 9, 9, 2, generator=random, dtype=DOUBLE) * 8 - 4
    values = random_pictures(2, 3, 9, 9)
    torch.testing.assert_close(spread(values, grid, side=7), spread_in_order(values, grid, side=7))
