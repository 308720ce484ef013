import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.pages.skew import find_skew


def lines(angle_deg, *, size=(400, 300), pitch=16.37, thickness=5.3):
    """Rows of ink that go down to the right by an angle; no two have the same stairs."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    across = (y - height / 2) - (x - width / 2) * np.tan(np.radians(angle_deg))
    return across % pitch < thickness


@given(st.floats(-5, 5))
def test_the_angle_of_lines_is_found_within_a_twentieth_of_a_degree(angle_deg):
    skew = find_skew(lines(angle_deg), max_deg=5.0)
    assert skew.angle_deg == pytest.approx(angle_deg, abs=0.05)
    assert skew.error_deg < 0.05
    assert skew.contrast > 4
    assert skew.sideways < 1


@given(st.floats(-5, 5))
def test_lines_that_run_down_lean_by_the_same_angle(angle_deg):
    skew = find_skew(np.rot90(lines(angle_deg)), max_deg=5.0)
    assert skew.angle_deg == pytest.approx(angle_deg, abs=0.05)
    assert skew.sideways > 1


def test_a_single_line_is_not_enough_to_be_certain():
    ink_HW = lines(1.0)
    ink_HW[:140] = ink_HW[162:] = False
    assert find_skew(ink_HW, max_deg=5.0).error_deg == 90


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(np.s_[:], np.s_[:]), (np.s_[:0], np.s_[:]), (np.s_[:2], np.s_[:2]), (np.s_[:], np.s_[:1])],
    ids=["everywhere", "nowhere", "in a corner", "at an edge"],
)
def test_ink_without_lines_has_no_certain_angle(rows, columns):
    ink_HW = np.zeros((300, 200), bool)
    ink_HW[rows, columns] = True
    skew = find_skew(ink_HW, max_deg=5.0)
    assert np.isfinite([skew.angle_deg, skew.contrast, skew.sideways]).all()
    assert skew.error_deg == 90 or skew.contrast < 4 or abs(skew.angle_deg) < 0.1


def test_the_error_is_that_of_pages_like_it():
    found = []
    for seed in range(12):
        noise = np.random.default_rng(seed).random((300, 400)) < 0.45
        found.append(find_skew(lines(1.0) ^ noise, max_deg=3.0))
    spread = np.std([skew.angle_deg for skew in found])
    told = np.mean([skew.error_deg for skew in found])
    assert told / 3 < spread < told * 3
