"""The background's brightness is told from that of specimens."""

import cv2
import numpy as np
import pytest

from wunderkammer.segment.light import background, differences


def lit(plane=(0, 0), bowl=0.0, level=120, height=240, width=320):
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return level + plane[0] * x + plane[1] * y + bowl * (x * x + y * y)


def shot(light, draw=lambda canvas: None, noise=2.0):
    noisy = light + np.random.default_rng(0).normal(0, noise, light.shape)
    canvas_HW = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    draw(canvas_HW)
    return canvas_HW


@pytest.mark.parametrize("plane", [(0, 0), (50, 0), (0, -60), (40, 40)])
@pytest.mark.parametrize("bowl", [0, -20])
def test_a_plane_and_a_bowl_are_found_below_a_specimen(plane, bowl):
    light = lit(plane, bowl)
    grey_HW = shot(light, lambda c: cv2.circle(c, (130, 120), 70, 225, -1))
    off = background(grey_HW, level_light=True) - light
    assert np.abs(off).max() < 3
    assert np.abs(off).mean() < 1


def test_a_specimen_that_covers_much_of_the_border_is_not_the_background():
    light = lit((30, 0))
    grey_HW = shot(light, lambda c: cv2.circle(c, (0, 0), 150, 10, -1))
    assert np.abs(background(grey_HW, level_light=True) - light).mean() < 2


def test_without_levelling_the_background_is_the_commonest_grey_of_the_border():
    grey_HW = shot(lit(level=90), lambda c: cv2.circle(c, (160, 120), 80, 200, -1))
    assert set(np.unique(background(grey_HW, level_light=False))) <= {89, 90, 91}


def test_differences_are_of_the_side_that_is_asked_for():
    def specimens(canvas_HW):
        cv2.circle(canvas_HW, (90, 120), 40, 220, -1)
        cv2.circle(canvas_HW, (230, 120), 40, 30, -1)

    grey_HW = shot(lit((20, 10)), specimens, noise=0)
    bright, dark = (120, 90), (120, 230)
    for foreground, here, there in (("bright", bright, dark), ("dark", dark, bright)):
        apart_HW = differences(grey_HW, foreground=foreground, level_light=True)
        assert apart_HW[here] > 60
        assert apart_HW[there] == 0
    both_HW = differences(grey_HW, foreground="auto", level_light=True)
    assert min(both_HW[bright], both_HW[dark]) > 60
    assert np.median(both_HW) <= 1


def test_in_even_light_bright_is_the_picture_and_dark_its_negative():
    grey_HW = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    same_HW = differences(grey_HW, foreground="bright", level_light=False)
    negative_HW = differences(grey_HW, foreground="dark", level_light=False)
    np.testing.assert_array_equal(same_HW, grey_HW)
    np.testing.assert_array_equal(negative_HW, 255 - grey_HW)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 5), (9, 300)])
def test_small_pictures_have_a_background_too(shape):
    grey_HW = np.full(shape, 77, np.uint8)
    for level_light in (True, False):
        off_HW = np.abs(background(grey_HW, level_light=level_light).astype(int) - 77)
        assert off_HW.max() <= 1
