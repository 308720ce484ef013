"""Thresholds are scikit-image's own."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.filters import threshold_otsu, threshold_yen

from wunderkammer.segment.levels import above, histogram, threshold

pictures = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=24))


def level_of(grey_HW, method, share=0.3):
    return threshold(histogram(grey_HW), method=method, contrast_share=share)


@given(pictures)
@example(np.full((3, 4), 7, np.uint8))
@example(np.array([[0, 255]], np.uint8))
def test_yen_and_otsu_are_exactly_scikit_images(grey_HW):
    assert level_of(grey_HW, "otsu") == threshold_otsu(grey_HW)
    with np.errstate(divide="ignore"):
        assert level_of(grey_HW, "yen") == threshold_yen(grey_HW)


@pytest.mark.parametrize("seed", range(6))
def test_they_are_for_large_pictures_too(seed):
    rng = np.random.default_rng(seed)
    grey_HW = np.clip(rng.normal(90, 35, (700, 900)), 0, 255).astype(np.uint8)
    grey_HW[:40, :40] = 255
    assert level_of(grey_HW, "otsu") == threshold_otsu(grey_HW)
    assert level_of(grey_HW, "yen") == threshold_yen(grey_HW)


def test_one_bright_pixel_of_many_is_no_warning():
    grey_HW = np.full((3000, 3000), 10, np.uint8)
    grey_HW[0, 0] = 200
    grey_HW[0, 1] = 201
    assert 10 <= level_of(grey_HW, "yen") <= 200


def test_contrast_is_a_share_of_what_otsu_takes_for_foreground():
    grey_HW = np.zeros((100, 100), np.uint8)
    grey_HW[:30] = 100
    grey_HW[30:40] = 30
    # Otsu parts 30 from 100; three tenths of 100 would leave 30 out, a quarter lets it in.
    assert 30 <= level_of(grey_HW, "otsu") < 100
    assert level_of(grey_HW, "contrast", share=0.25) == 25
    assert level_of(grey_HW, "contrast", share=0.8) <= level_of(grey_HW, "otsu")


def test_contrast_is_never_within_the_noise():
    rng = np.random.default_rng(0)
    grey_HW = np.abs(rng.normal(0, 5, (200, 200))).round().astype(np.uint8)
    grey_HW[:60, :60] = 120
    level = level_of(grey_HW, "contrast", share=0.01)
    assert 4 * 4 <= level < 4 * 8
    assert np.count_nonzero(above(grey_HW, level)[60:]) < 20


def test_what_is_masked_does_not_count():
    grey_HW = np.zeros((10, 10), np.uint8)
    grey_HW[0] = 255
    use_HW = np.ones((10, 10), bool)
    use_HW[0] = False
    counts = histogram(grey_HW, use_HW=use_HW)
    assert counts[0] == 90
    assert counts[255] == 0


@given(pictures, st.integers(0, 255))
def test_above_is_a_comparison(grey_HW, level):
    mask_HW = above(grey_HW, level)
    assert mask_HW.dtype == np.bool_
    np.testing.assert_array_equal(mask_HW, grey_HW > level)
