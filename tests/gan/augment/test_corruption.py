import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from wunderkammer.gan.augment.corruption import (
    EXPECTED_POWER,
    add_noise,
    amplify_bands,
    blur,
    cut_out,
)
from wunderkammer.gan.augment.wavelets import filter_bank

DOUBLE = torch.float64


def random_pictures(num=2, side=16):
    random = torch.Generator().manual_seed(0)
    return torch.rand(num, 3, side, side, generator=random, dtype=DOUBLE) * 2 - 1


def gains(octaves):
    """The definition: normalised band by band, then multiplied."""
    total = np.ones(4)
    for band, octave in enumerate(octaves):
        alone = np.ones(4)
        alone[band] = 2.0**octave
        total *= alone / np.sqrt(np.dot(EXPECTED_POWER, alone**2))
    return total


@pytest.mark.parametrize("side", [4, 16, 64])
def test_bands_are_amplified_by_the_filter_with_their_gains(side):
    octaves = [0.5, -1.0, 0.8, 1.5]
    taps = gains(octaves) @ filter_bank()
    pictures = random_pictures(num=1, side=side)
    result = amplify_bands(pictures, torch.tensor([octaves]))[0].numpy()
    expected = pictures[0].numpy()
    for axis in (1, 2):
        expected = ndimage.convolve1d(expected, taps, axis=axis, mode="mirror")
    np.testing.assert_allclose(result, expected, atol=1e-7)  # octaves come in single precision


def test_an_even_picture_is_of_the_lowest_band_and_a_chequered_one_of_the_highest():
    even = torch.ones(1, 1, 8, 8, dtype=DOUBLE)
    chequered = even * (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8))
    octaves = [1.0, 0.0, 0.0, -2.0]
    low, _, _, high = gains(octaves) ** 2  # along each axis
    amounts = torch.tensor([octaves], dtype=DOUBLE)
    torch.testing.assert_close(amplify_bands(even, amounts), even * low)
    torch.testing.assert_close(amplify_bands(chequered, amounts), chequered * high)


def test_neutral_amounts_change_no_bit():
    pictures = random_pictures().float()
    assert torch.equal(amplify_bands(pictures, torch.zeros(2, 4)), pictures)
    assert torch.equal(blur(pictures, torch.zeros(2)), pictures)


def test_a_blur_is_a_gaussian_with_reflected_edges():
    pictures = random_pictures(side=24)
    result = blur(pictures, torch.tensor([0.5, 1.5])).numpy()
    for picture, blurred, sigma in zip(pictures.numpy(), result, (0.5, 1.5), strict=True):
        expected = ndimage.gaussian_filter(picture, (0, sigma, sigma), mode="mirror", truncate=9)
        np.testing.assert_allclose(blurred, expected, atol=1e-12)


def test_noise_has_its_spread_and_is_another_in_each_pixel_channel_and_sample(draws):
    noise = add_noise(torch.zeros(2, 3, 32, 32), torch.tensor([-0.1, 0.2]), draws(2))
    assert noise[0].std() == pytest.approx(0.1, rel=0.05)
    assert noise[1].std() == pytest.approx(0.2, rel=0.05)
    assert noise.unique().numel() == noise.numel()


def test_no_noise_changes_no_bit(draws):
    pictures = random_pictures().float()
    assert torch.equal(add_noise(pictures, torch.zeros(2), draws(2)), pictures)


def test_a_cutout_in_the_middle_takes_half_of_each_side():
    half = torch.tensor([0.5])
    expected = torch.ones(1, 2, 8, 8)
    expected[..., 2:6, 2:6] = 0.0
    assert torch.equal(cut_out(torch.ones(1, 2, 8, 8), half, half, half), expected)


def test_a_cutout_at_an_edge_ends_there():
    size, x, y = torch.tensor([0.5]), torch.tensor([0.0]), torch.tensor([0.875])
    expected = torch.ones(1, 1, 8, 8)
    expected[..., 5:, :2] = 0.0
    assert torch.equal(cut_out(torch.ones(1, 1, 8, 8), size, x, y), expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_cutout_of_no_size_changes_nothing(x, y):
    ones = torch.ones(1, 1, 8, 8)
    assert torch.equal(cut_out(ones, torch.zeros(1), torch.tensor([x]), torch.tensor([y])), ones)
