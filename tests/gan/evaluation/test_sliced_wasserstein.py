import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.evaluation.sliced_wasserstein import (
    Sizes,
    laplacian_pyramid,
    level_sides,
    patches,
    pyramid_distances,
    sliced_wasserstein,
)

SIZES = Sizes(patches_per_image=16, num_directions=32, seed=0)


def noise(num, *, side=16, channels=3, seed=0, low=0, high=256):
    shape = (num, channels, side, side)
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.uint8)


def distances(real, fake, sizes=SIZES):
    return pyramid_distances(patches(real, sizes), patches(fake, sizes), sizes)


def test_the_levels_go_from_the_pictures_own_side_to_16_px():
    assert level_sides(128) == (128, 64, 32, 16)
    assert level_sides(16) == (16,)
    assert level_sides(8) == (8,)


def test_a_pyramid_without_a_picture_in_it_is_nought_but_for_its_mean():
    *upper, last = laplacian_pyramid(np.full((64, 64, 3), 77, np.uint8))
    assert [level.shape for level in (*upper, last)] == [(64, 64, 3), (32, 32, 3), (16, 16, 3)]
    assert all(np.abs(level).max() < 1e-4 for level in upper)
    np.testing.assert_allclose(last, 77, atol=1e-4)


def test_a_checkerboard_shows_at_the_finest_level_and_a_half_white_picture_at_the_coarsest():
    rows, columns = np.indices((32, 32))
    fine, coarse = (rows + columns) % 2 * 255, (columns < 16) * 255
    energy = [
        [float(level.var()) for level in laplacian_pyramid(picture[..., None].astype(np.uint8))]
        for picture in (fine, coarse)
    ]
    assert energy[0][0] > 100 * energy[0][1]
    assert energy[1][1] > 10 * energy[1][0]


@given(seed=st.integers(0, 100), shift=st.floats(-3, 3))
def test_in_one_dimension_a_shift_is_its_length(seed, shift):
    x = np.random.default_rng(seed).standard_normal((64, 1)).astype(np.float32)
    y = np.random.default_rng(seed).permuted(x, axis=0) + np.float32(shift)
    found = sliced_wasserstein(x, y, num_directions=3, seed=seed)
    assert found == pytest.approx(abs(shift), abs=1e-5)


def test_two_gaussians_of_one_dimension_are_apart_by_the_integral_of_their_quantiles():
    """The mean of a folded normal distribution: |mu + (sigma - 1) z| with z of N(0, 1)."""
    random, mu, sigma = np.random.default_rng(0), 0.7, 2.0
    x = random.standard_normal((200_000, 1)).astype(np.float32)
    y = (mu + sigma * random.standard_normal((200_000, 1))).astype(np.float32)
    spread = sigma - 1
    expected = spread * math.sqrt(2 / math.pi) * math.exp(-((mu / spread) ** 2) / 2)
    expected += mu * math.erf(mu / spread / math.sqrt(2))
    assert sliced_wasserstein(x, y, num_directions=1, seed=0) == pytest.approx(expected, abs=0.02)


def test_in_many_dimensions_a_shift_counts_by_its_mean_length_along_a_random_direction():
    num_dims, shift = 20, 3.0
    x = np.random.default_rng(0).standard_normal((50, num_dims)).astype(np.float32)
    y = x + np.eye(num_dims, dtype=np.float32)[0] * np.float32(shift)
    expected = shift * math.gamma(num_dims / 2) / math.sqrt(math.pi)
    expected /= math.gamma((num_dims + 1) / 2)
    found = sliced_wasserstein(x, y, num_directions=20_000, seed=1)
    assert found == pytest.approx(expected, rel=0.02)


def test_sets_of_unequal_numbers_are_compared_by_their_quantiles():
    x = np.arange(100, dtype=np.float32)[:, None]
    doubled = np.repeat(x, 2, axis=0)
    assert sliced_wasserstein(x, doubled, num_directions=2, seed=0) < 0.26
    assert sliced_wasserstein(x, doubled + 40, num_directions=2, seed=0) == pytest.approx(40, 0.01)
    assert sliced_wasserstein(doubled + 40, x, num_directions=2, seed=0) == pytest.approx(40, 0.01)


@pytest.mark.parametrize("side", [8, 16, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_same_pictures_are_at_no_distance_at_any_level(side, channels):
    images = noise(6, side=side, channels=channels)
    assert distances(images, images.copy()) == dict.fromkeys(level_sides(side), 0.0)


def test_other_pictures_of_the_same_kind_are_nearer_than_pictures_of_another_kind():
    real, same = noise(128, seed=1), noise(128, seed=2)
    darker = noise(128, seed=2, high=200)
    assert 0 < distances(real, same)[16] < 0.2 * distances(real, darker)[16]


def test_only_the_level_where_something_is_missing_tells_of_it():
    real = noise(64, side=32)
    blurred = np.stack(
        [(x + np.roll(x, 1, -1) + np.roll(x, 1, -2)) / 3 for x in real.astype(np.float32)]
    ).astype(np.uint8)
    found = distances(real, blurred)
    assert found[32] > 2 * found[16]


def test_a_flat_channel_is_no_division_by_nought():
    real = noise(4, channels=4)
    real[:, 3] = 255
    assert np.isfinite(distances(real, noise(4, channels=4, seed=1))[16])


def test_pictures_smaller_than_a_patch_are_refused_by_their_size():
    with pytest.raises(ValueError, match="4 by 4 px"):
        patches(noise(2, side=4), SIZES)


def test_the_same_seed_looks_at_the_same_places_however_many_pictures_follow():
    images = noise(70, side=32)
    few, many = patches(images[:3], SIZES), patches(images, SIZES)
    for side, found in few.items():
        np.testing.assert_array_equal(found, many[side][: len(found)])
    other = patches(images[:3], Sizes(16, 32, seed=1))
    assert (other[32] != few[32]).any()
