"""The largest regions are those of scikit-image, in its order."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label, regionprops

from wunderkammer.segment import components
from wunderkammer.segment.components import largest_components, stroke_px

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=20))


def oracle(mask_HW, num):
    regions = regionprops(label(mask_HW, connectivity=2))
    return sorted(regions, key=lambda region: -region.area)[:num]


def assert_same(mask_HW, num):
    expected = oracle(mask_HW, num)
    found = largest_components(mask_HW, num=num)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        y0, x0, y1, x1 = theirs.bbox
        assert tuple(ours.box) == (x0, y0, x1, y1)
        assert ours.area_px == theirs.area
        np.testing.assert_array_equal(ours.mask_HW, theirs.image)
        assert ours.extent == pytest.approx(theirs.extent)
        if theirs.axis_major_length > 0:
            # What ought to be 0 is the root of a rounding error in one of the two.
            ratio = theirs.axis_minor_length / theirs.axis_major_length
            assert ours.minor_major == pytest.approx(ratio, abs=1e-6)


@given(masks, st.integers(1, 6))
def test_areas_boxes_masks_and_order_are_scikit_images(mask_HW, num):
    assert_same(mask_HW, num)


@pytest.mark.parametrize("share", [0.2, 0.41, 0.5, 0.8])
def test_they_are_for_thousands_of_regions(share):
    mask_HW = np.random.default_rng(3).random((257, 301)) < share
    assert_same(mask_HW, 40)


def test_they_are_for_more_regions_than_16_bits_tell_apart():
    mask_HW = np.zeros((600, 600), bool)
    mask_HW[::2, ::2] = True
    # It reaches the dots around it, those at its corners too.
    mask_HW[591:598, 101:108] = True
    found = largest_components(mask_HW, num=2)
    assert [part.area_px for part in found] == [49 + 16, 1]
    assert tuple(found[0].box) == (100, 590, 109, 599)
    assert tuple(found[1].box) == (0, 0, 1, 1)


def test_they_are_for_more_pixels_than_a_float_counts(monkeypatch):
    monkeypatch.setattr(components, "MAX_COUNTED_PIXELS", 10)
    assert_same(np.random.default_rng(1).random((40, 40)) < 0.5, 5)


def test_a_part_of_a_larger_array_is_taken_for_itself():
    mask_HW = np.zeros((30, 30), bool)
    mask_HW[5:25, 5:25] = True
    assert tuple(largest_components(mask_HW[10:, 10:], num=1)[0].box) == (0, 0, 15, 15)


def test_nothing_has_no_regions():
    assert largest_components(np.zeros((4, 4), bool), num=3) == []


def drawn(draw):
    canvas_HW = np.zeros((220, 220), np.uint8)
    draw(canvas_HW)
    return largest_components(canvas_HW > 0, num=1)[0]


def test_a_rectangle_is_solid_and_has_the_axes_of_its_sides():
    part = drawn(lambda c: cv2.rectangle(c, (10, 20), (109, 59), 1, -1))
    assert part.solidity == 1
    assert part.extent == 1
    assert part.aspect == pytest.approx(100 / 40)
    assert part.minor_major == pytest.approx(np.sqrt((40**2 - 1) / (100**2 - 1)))


def test_an_angle_of_two_bars_fills_its_hull_by_a_known_share():
    def angle(canvas_HW):
        canvas_HW[20:120, 20:40] = 1
        canvas_HW[100:120, 20:120] = 1

    # 100 by 20 and 80 by 20; the hull lacks the triangle of legs 80 and 80.
    assert drawn(angle).solidity == pytest.approx(3600 / (10_000 - 3_200), abs=0.01)


def test_a_disc_is_round_and_solid():
    part = drawn(lambda c: cv2.circle(c, (100, 100), 60, 1, -1))
    assert part.minor_major == pytest.approx(1, abs=0.01)
    assert part.solidity > 0.98


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_dots_and_lines_have_measures_too(shape):
    part = largest_components(np.ones(shape, bool), num=1)[0]
    assert part.solidity == 1
    assert part.minor_major == (1 if shape == (1, 1) else 0)


def test_the_widest_stroke_of_a_ring_is_its_band():
    ring = drawn(lambda c: cv2.circle(c, (100, 100), 60, 1, 9))
    assert stroke_px(ring.mask_HW) == pytest.approx(10, abs=2.5)
    assert stroke_px(np.ones((40, 40), bool)) == pytest.approx(40, abs=2)
