import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import nms

from wunderkammer.detect.boxes import (
    BoxSettings,
    HeadFacts,
    find_boxes,
    grid_places,
    iou,
    without_overlaps,
)

FACTS = HeadFacts(strides_px=(8, 16), num_bins=4, num_classes=3)
FRAME = (32, 64)
NUM_PLACES = 4 * 8 + 2 * 4


def settings(**changes):
    return BoxSettings(**{"min_confidence": 0.25, "max_overlap": 0.5, "max_objects": 50} | changes)


def head(*objects):
    """Numbers of a head that is sure of some objects: (place, class, logit, four bins)."""
    distances = np.zeros((4, FACTS.num_bins, NUM_PLACES), np.float32)
    logits = np.full((FACTS.num_classes, NUM_PLACES), -20, np.float32)
    for place, kind, logit, bins in objects:
        logits[kind, place] = logit
        for side, number in enumerate(bins):
            distances[side, :, place] = -50
            distances[side, number, place] = 50
    return distances.reshape(-1, NUM_PLACES), logits


def found(*objects, **changes):
    distances, logits = head(*objects)
    return find_boxes(distances, logits, frame=FRAME, facts=FACTS, settings=settings(**changes))


def test_a_box_reaches_as_many_steps_from_its_place_as_the_bins_say():
    boxes = found((8 + 2, 1, 3.0, (1, 0, 3, 2)))
    # Place 10 of the grid of 8 px: row 1, column 2; its centre is at (20, 12).
    assert boxes.corners_K4.tolist() == [[12, 12, 44, 28]]
    assert boxes.class_K.tolist() == [1]
    assert boxes.confidence_K == pytest.approx([1 / (1 + np.exp(-3))])


def test_places_of_the_second_grid_follow_those_of_the_first():
    boxes = found((32 + 4 + 3, 0, 1.0, (1, 1, 0, 0)))
    assert boxes.corners_K4.tolist() == [[40, 8, 56, 24]]


def test_a_distance_is_the_mean_of_its_distribution():
    distances, logits = head((0, 0, 5.0, (0, 0, 0, 0)))
    distances = distances.reshape(4, 4, -1)
    distances[2, :, 0] = np.log([0.1, 0.2, 0.3, 0.4])
    boxes = find_boxes(
        distances.reshape(16, -1), logits, frame=FRAME, facts=FACTS, settings=settings()
    )
    assert boxes.corners_K4[0, 2] == pytest.approx(4 + 8 * (0.2 + 0.6 + 1.2))


def test_with_one_bin_the_number_is_the_distance():
    facts = HeadFacts((8,), 1, 1)
    distances = np.full((4, 4), 0.5, np.float32)
    logits = np.array([[-9, 2, -9, -9]], np.float32)
    boxes = find_boxes(distances, logits, frame=(16, 16), facts=facts, settings=settings())
    assert boxes.corners_K4.tolist() == [[8, 0, 16, 8]]


def test_the_surest_come_first_and_the_unsure_not_at_all():
    logit = float(np.log(0.25 / 0.75))
    boxes = found(
        (0, 0, logit + 0.01, (0, 0, 1, 1)),
        (3, 0, 4.0, (0, 0, 1, 1)),
        (6, 0, logit - 0.01, (0, 0, 1, 1)),
    )
    assert boxes.confidence_K[0] == pytest.approx(1 / (1 + np.exp(-4)))
    assert len(boxes.confidence_K) == 2


def test_of_two_boxes_of_one_class_the_less_sure_goes_of_two_classes_none():
    same = ((0, 0, 1.0, (0, 0, 3, 3)), (1, 0, 2.0, (1, 0, 2, 3)))
    assert found(*same).confidence_K == pytest.approx([1 / (1 + np.exp(-2))])
    other = (same[0], (1, 1, 2.0, (1, 0, 2, 3)))
    assert found(*other).class_K.tolist() == [1, 0]
    # Of 24 x 24 px, and 16 x 24 within it.
    nested = ((0, 0, 1.0, (0, 0, 3, 3)), (1, 0, 2.0, (0, 0, 2, 3)))
    assert len(found(*nested, max_overlap=0.6).class_K) == 1
    assert len(found(*nested, max_overlap=0.7).class_K) == 2


def test_no_more_than_the_most_objects_are_kept():
    objects = [(place, 0, 1.0 + place, (0, 0, 0, 0)) for place in range(8)]
    assert len(found(*objects, max_objects=3).class_K) == 3


def test_nothing_is_found_where_nothing_is_sure():
    boxes = found()
    assert boxes.corners_K4.shape == (0, 4)
    assert boxes.confidence_K.shape == boxes.class_K.shape == (0,)


def test_places_are_the_centres_of_the_cells():
    places = grid_places((16, 32), strides_px=(8, 16))
    assert places[:, 0].tolist() == [0.5, 0.5, 8]
    assert places[:, 5].tolist() == [1.5, 1.5, 8]
    assert places[:, -1].tolist() == [1.5, 0.5, 16]
    assert places.shape == (3, 2 * 4 + 1 * 2)


@given(seed=st.integers(0, 2**32 - 1), num=st.integers(0, 60), overlap=st.floats(0.05, 0.95))
def test_overlaps_go_as_torchvision_says(seed, num, overlap):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (num, 2))
    corners = np.concatenate([low, low + rng.uniform(1, 40, (num, 2))], axis=1)
    classes = rng.integers(0, 3, num)
    kept = without_overlaps(
        corners, classes, settings=settings(max_overlap=overlap, max_objects=99)
    )
    # Classes far apart, as a batched suppression has them; already from the surest on.
    apart = torch.tensor(corners + 1000 * classes[:, None])
    expected = nms(apart, torch.arange(num, 0, -1, dtype=torch.float64), overlap)
    assert kept.tolist() == expected.tolist()


def test_iou_of_known_boxes():
    boxes = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1]])
    assert iou(boxes[0], boxes) == pytest.approx([1, 1 / 3, 0, 0])
    assert iou(boxes[3], boxes[3:]) == pytest.approx([0])
