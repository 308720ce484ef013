import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.detect.training.average_precision import (
    Examined,
    class_precision,
    matches,
    precision_curve,
)
from wunderkammer.detect.ultralytics_offline import ultralytics_module


def examined(labelled, found, *, classes=None, found_classes=None):
    """Boxes; of those found the confidence stands behind the edges."""
    found = sorted(found, key=lambda box: -box[4])
    return Examined(
        np.array(labelled, float).reshape(-1, 4),
        np.array(classes if classes is not None else [0] * len(labelled), int),
        np.array([box[:4] for box in found], float).reshape(-1, 4),
        np.array([box[4] for box in found], float),
        np.array(found_classes if found_classes is not None else [0] * len(found), int),
    )


ONE, TWO = (0, 0, 10, 10), (20, 20, 40, 40)


def test_a_detector_that_is_right_has_an_average_precision_of_one():
    found = class_precision([examined([ONE, TWO], [(*ONE, 0.9), (*TWO, 0.3)])], 0)
    assert (found.ap50, found.ap50_95) == (1.0, 1.0)
    assert found.best_confidence == 0.3
    assert found.num_boxes == 2


def test_one_that_finds_nothing_or_only_what_is_not_there_has_none():
    for boxes in ([], [(50, 50, 60, 60, 0.9)]):
        found = class_precision([examined([ONE], boxes)], 0)
        assert (found.ap50, found.ap50_95, found.best_confidence) == (0.0, 0.0, 1.0)


def test_a_class_that_nobody_has_labelled_has_no_precision():
    assert class_precision([examined([], [(*ONE, 0.9)])], 0) is None


def test_half_found_is_half_the_recalls():
    found = class_precision([examined([ONE, TWO], [(*ONE, 0.9)])], 0)
    assert found.ap50 == pytest.approx(51 / 101)  # recalls 0 to 0.5 of 101


def test_a_wrong_box_that_is_surer_halves_the_precision():
    found = class_precision([examined([ONE], [(50, 50, 60, 60, 0.9), (*ONE, 0.8)])], 0)
    assert found.ap50 == pytest.approx(0.5)
    assert found.best_confidence == 0.8


def test_a_box_counts_at_the_overlaps_that_it_has():
    # 8 of 10 columns: an IoU of 0.8, enough for 0.5 to 0.8, which are 7 of 10 overlaps.
    found = class_precision([examined([ONE], [(0, 0, 8, 10, 0.9)])], 0)
    assert found.ap50 == 1.0
    assert found.ap50_95 == pytest.approx(0.7)


def test_each_labelled_box_is_found_once_and_by_the_one_that_fits_best():
    twice = examined([ONE], [(*ONE, 0.9), (*ONE, 0.8)])
    assert matches(twice, 0, 0.5).tolist() == [True, False]
    near = examined([(0, 0, 10, 10), (2, 0, 12, 10)], [(2, 0, 12, 10, 0.9), (0, 0, 10, 10, 0.8)])
    assert matches(near, 0, 0.9).tolist() == [True, True]


def test_boxes_of_other_classes_and_pictures_do_not_count():
    pictures = [
        examined([ONE], [(*ONE, 0.9)], classes=[1], found_classes=[0]),
        examined([ONE], [(*TWO, 0.9)]),
    ]
    assert class_precision(pictures, 0).ap50 == 0.0
    assert class_precision(pictures, 1).ap50 == 0.0


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 10))
def test_the_curve_falls_and_is_reached_as_far_as_anything_was_found(hits, num_missed):
    num_boxes = sum(hits) + num_missed
    if num_boxes == 0:
        return
    curve = precision_curve(np.array(hits, bool), num_boxes=num_boxes)
    assert (np.diff(curve) <= 1e-12).all()
    assert ((curve >= 0) & (curve <= 1)).all()
    reached = round(sum(hits) / num_boxes, 9)
    assert (curve[np.linspace(0, 1, 101) > reached + 1e-6] == 0).all()


def test_it_is_what_ultralytics_measures_but_for_how_it_adds_up():
    metrics = ultralytics_module("utils.metrics")
    rng = np.random.default_rng(0)
    is_hit = rng.random(400) < np.linspace(0.95, 0.2, 400)
    confidence = np.linspace(1, 0, 400)
    ours = precision_curve(is_hit, num_boxes=300).mean()
    theirs = metrics.ap_per_class(
        is_hit[:, None], confidence, np.zeros(400), np.zeros(300), plot=False
    )[5]
    assert ours == pytest.approx(theirs[0, 0], abs=0.01)
