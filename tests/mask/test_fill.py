from pathlib import Path

import numpy as np
import pytest
from segmenter_samples import lit_square

from wunderkammer.mask.fill import filled, finished_mask
from wunderkammer.mask.presets import PRESETS
from wunderkammer.mask.settings import MaskSettings


def settings(**changes):
    return MaskSettings(
        **{
            "path": Path("x.onnx"),
            "model_sha256": "0" * 64,
            "normalisation": PRESETS["plain"],
            "fill": "colour",
            "colour": (10, 200, 30),
            "blur_px": 5.0,
            "threshold": None,
            "feather_px": 0.0,
            **changes,
        }
    )


BOX = np.s_[20:56, 16:48]


@pytest.fixture
def box_mask():
    mask = np.zeros((64, 64), np.uint8)
    mask[BOX] = 255
    return mask


def test_a_colour_takes_the_place_of_the_background_and_of_nothing_else(box_mask):
    mask_HW = box_mask
    crop = lit_square()
    masked = filled(crop, mask_HW, settings())
    np.testing.assert_array_equal(masked[BOX], crop[BOX])
    assert (masked[mask_HW == 0] == (10, 200, 30)).all()


def test_soft_edges_mix(box_mask):
    mask_HW = box_mask
    mask_HW[0, 0] = 51
    masked = filled(np.full((64, 64, 3), 100, np.uint8), mask_HW, settings(colour=(200, 0, 100)))
    assert masked[0, 0].tolist() == [180, 20, 100]


def test_the_mean_is_that_of_the_background_alone(box_mask):
    mask_HW = box_mask
    crop = np.random.default_rng(0).integers(0, 80, (64, 64, 3), np.uint8)
    crop[BOX] = 250
    masked = filled(crop, mask_HW, settings(fill="mean"))
    expected = np.rint(crop[mask_HW == 0].mean(axis=0))
    assert np.abs(masked[0, 0].astype(float) - expected).max() <= 1
    np.testing.assert_array_equal(masked[BOX], crop[BOX])


@pytest.mark.parametrize("blur_px", [1.0, 8.0, 200.0])
def test_the_subject_does_not_bleed_into_a_blurred_background(box_mask, blur_px):
    mask_HW = box_mask
    masked = filled(lit_square(), mask_HW, settings(fill="blur", blur_px=blur_px))
    difference = np.abs(masked[mask_HW == 0].astype(int) - (30, 60, 20))
    assert difference.max() <= 1
    np.testing.assert_array_equal(masked[BOX], lit_square()[BOX])


def test_a_background_is_blurred(box_mask):
    mask_HW = box_mask
    crop = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    masked = filled(crop, mask_HW, settings(fill="blur", blur_px=4.0))
    assert masked[:16].std() < crop[:16].std() / 3


@pytest.mark.parametrize("fill", ["colour", "mean", "blur", "none"])
@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_of_nothing_or_of_everything_is_no_fault(fill, level):
    crop = lit_square()
    masked = filled(crop, np.full((64, 64), level, np.uint8), settings(fill=fill))
    if level == 255 or fill == "none":
        np.testing.assert_array_equal(masked, crop)


def test_a_threshold_makes_a_mask_hard_and_a_feather_soft_again():
    soft = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, axis=0)
    kept = finished_mask(soft, settings())
    assert np.abs(kept - soft * 255).max() <= 0.5
    hard = finished_mask(soft, settings(threshold=0.25))
    np.testing.assert_array_equal(hard, np.where(soft >= 0.25, 255, 0))
    feathered = finished_mask(soft, settings(threshold=0.25, feather_px=2.0))
    assert np.unique(feathered).size > 5
    assert feathered.mean() == pytest.approx(hard.mean(), rel=0.02)
