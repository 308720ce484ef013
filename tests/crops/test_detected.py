import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.crops.cuts import judge
from wunderkammer.crops.detected import (
    Objects,
    detected_candidates,
    detected_cuts,
    nested_share,
)
from wunderkammer.crops.params import DetectedParams

LISTS = ("x0", "y0", "x1", "y1", "confidence")


def detections(*pictures):
    """Each picture is a list of objects (x0, y0, x1, y1, confidence, class)."""
    columns = {
        name: pa.array([[row[i] for row in rows] for rows in pictures], pa.list_(pa.float32()))
        for i, name in enumerate(LISTS)
    }
    names = [[row[5] for row in rows] for rows in pictures]
    weights = [f"weights of picture {number}" for number in range(len(pictures))]
    names = pa.array(names, pa.list_(pa.string()))
    why = {"reason": pa.nulls(len(pictures), pa.string())}
    why["detail"] = why["reason"]
    return pa.table({**columns, "class_name": names, "weights_sha256": weights, **why})


def found(*pictures, size=(1600, 1200), classes=("dog",), **settings):
    params = DetectedParams(kind="detected", **settings)
    width = np.full(len(pictures), size[0])
    height = np.full(len(pictures), size[1])
    table = detected_candidates(
        detections(*pictures), width, height, params=params, classes=frozenset(classes) or None
    )
    verdicts = judge(table, detected_cuts(params))
    return [
        {**row, "reason": row["reason"] or reason}
        for row, reason in zip(table.to_pylist(), verdicts.reason.to_pylist(), strict=True)
    ]


def dog(x0, y0, x1, y1, confidence=0.9, name="dog"):
    return (x0, y0, x1, y1, confidence, name)


def test_the_window_is_centred_on_the_object_and_slid_into_the_picture():
    (row,) = found([dog(100, 300, 500, 700)], min_window_px=800)
    assert [row[edge] for edge in ("x0", "y0", "x1", "y1")] == [0, 100, 800, 900]
    assert row["measure/cover"] == 400 * 400 / 800**2
    # The centre (300, 500) has moved to (400, 500): 100 of 1600 px.
    assert row["measure/center_shift"] == 100 / 1600
    assert row["measure/object_share"] == 400 * 400 / (1600 * 1200)


def test_a_large_object_widens_the_window_up_to_the_shorter_side():
    (wide,) = found([dog(100, 100, 1000, 600)], min_window_px=800)
    assert wide["x1"] - wide["x0"] == wide["y1"] - wide["y0"] == 900
    (larger,) = found([dog(0, 100, 1500, 600)], min_window_px=800)
    assert larger["x1"] - larger["x0"] == 1200
    assert larger["measure/cover"] == 1200 * 500 / 1200**2


@pytest.mark.parametrize(
    ("cover", "shift", "reason"),
    [
        (0.80, 0.02, None),
        (0.39, 0.02, None),
        (0.50, 0.00, None),
        (0.11, 0.27, "too_little_of_it"),
        (0.02, 0.24, "too_little_of_it"),
        (0.26, 0.20, "too_little_of_it"),
    ],
)
def test_the_measured_cuts_tell_the_original_s_good_crops_from_its_bad_ones(cover, shift, reason):
    params = DetectedParams(kind="detected", min_cover=0.33, max_center_shift=0.1)
    table = pa.table({"measure/cover": [cover], "measure/center_shift": [shift]})
    assert judge(table, detected_cuts(params)).reason.to_pylist() == [reason]


def test_exactly_one_object_must_count():
    none, one, two, unsure, other = found(
        [],
        [dog(0, 0, 400, 400)],
        [dog(0, 0, 400, 400), dog(600, 0, 1000, 400)],
        [dog(0, 0, 400, 400), dog(600, 0, 1000, 400, 0.3)],
        [dog(0, 0, 400, 400, name="cat")],
    )
    assert none["reason"] == other["reason"] == "no_object"
    assert one["reason"] is unsure["reason"] is None
    assert (two["reason"], two["measure/num_objects"]) == ("several_objects", 2)
    assert none["x0"] is None


def test_the_best_is_the_surest_and_each_has_a_row_of_its_own():
    three = [
        dog(0, 0, 300, 300, 0.7),
        dog(600, 0, 900, 300, 0.9),
        dog(0, 600, 300, 900, 0.8),
    ]
    (best,) = found(three, objects="best", size_px=64)
    assert (best["number"], best["reason"]) == (0, None)
    assert best["measure/confidence"] == pytest.approx(0.9)
    rows = found(three, [dog(0, 0, 300, 300)], objects="each", size_px=64)
    assert [(row["picture"], row["number"]) for row in rows] == [(0, 1), (0, 2), (0, 3), (1, 0)]
    assert [row["measure/confidence"] for row in rows[:3]] == pytest.approx([0.9, 0.8, 0.7])


def test_each_window_names_the_object_that_it_is_cut_around_and_what_found_it():
    small, large = dog(10, 20, 30, 50, 0.6), dog(300, 300, 900, 800, 0.9, "wolf")
    rows = found([], [small, large], objects="each", classes=("dog", "wolf"), size_px=16)
    named = [
        [row[name] for name in ("object_x0", "object_y1", "class_name", "proposed_by")]
        for row in rows
    ]
    assert named == [
        [None, None, None, None],
        [300, 800, "wolf", "weights of picture 1"],
        [10, 50, "dog", "weights of picture 1"],
    ]


def test_a_box_within_a_larger_one_does_not_count():
    inner_and_outer = [dog(0, 0, 600, 600, 0.8), dog(100, 100, 300, 300, 0.95)]
    (row,) = found(inner_and_outer, max_nested=0.7)
    assert row["reason"] is None
    assert row["measure/confidence"] == pytest.approx(0.8)
    (both,) = found(inner_and_outer)
    assert both["reason"] == "several_objects"


def test_a_larger_box_that_does_not_count_takes_no_box_away():
    unsure_and_sure = [dog(0, 0, 600, 600, 0.3), dog(100, 100, 300, 300, 0.95)]
    (row,) = found(unsure_and_sure, max_nested=0.7, min_confidence=0.5)
    assert row["reason"] is None
    assert row["measure/confidence"] == pytest.approx(0.95)


def test_a_picture_that_could_not_be_looked_at_keeps_its_reason():
    seen = detections([dog(0, 0, 400, 400)], []).to_pylist()
    failed = {**dict.fromkeys(seen[0]), "reason": "crashed_worker", "detail": "while decoding it"}
    table = pa.Table.from_pylist([*seen, failed], schema=detections([dog(0, 0, 1, 1)]).schema)
    sides = np.full(3, 1000)
    params = DetectedParams(kind="detected")
    rows = detected_candidates(table, sides, sides, params=params, classes=None).to_pylist()
    assert [row["reason"] for row in rows] == [None, "no_object", "crashed_worker"]
    assert "filter.min_confidence" in rows[1]["detail"]
    assert rows[2]["detail"] == "while decoding it"


def test_a_picture_below_the_window_is_too_small():
    (row,) = found([dog(0, 0, 300, 300)], size=(900, 700), min_window_px=800)
    assert row["reason"] == "too_small"


BOXES = st.tuples(*(st.integers(0, 50) for _ in range(4)), st.integers(0, 3)).map(
    lambda b: (b[4], min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]) + 1, max(b[1], b[3]) + 1)
)


@given(st.lists(BOXES, max_size=12))
def test_nested_shares_are_those_of_the_plain_loop(boxes):
    columns = [np.array(column) for column in zip(*boxes, strict=True)] or [np.array([])] * 5
    picture, x0, y0, x1, y1 = (column.astype(float) for column in columns)
    places = np.arange(len(picture))
    objects = Objects(picture.astype(np.int64), x0, y0, x1, y1, np.ones(len(picture)), places)

    def share(a, b):
        if a[0] != b[0] or (b[3] - b[1]) * (b[4] - b[2]) <= (a[3] - a[1]) * (a[4] - a[2]):
            return 0.0
        x = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
        y = max(min(a[4], b[4]) - max(a[2], b[2]), 0)
        return x * y / ((a[3] - a[1]) * (a[4] - a[2]))

    wanted = [max((share(a, b) for b in boxes), default=0.0) for a in boxes]
    assert nested_share(objects) == pytest.approx(wanted)


@given(st.lists(st.lists(BOXES, max_size=4), min_size=1, max_size=6))
def test_every_picture_has_a_row_and_every_window_lies_within_it(pictures):
    rows = found(
        *([dog(*map(float, box[1:])) for box in boxes] for boxes in pictures),
        size=(60, 52),
        objects="each",
        size_px=16,
    )
    assert {row["picture"] for row in rows} == set(range(len(pictures)))
    for row in rows:
        if row["x0"] is not None:
            assert 0 <= row["x0"] < row["x1"] <= 60
            assert 0 <= row["y0"] < row["y1"] <= 52
            assert row["x1"] - row["x0"] == row["y1"] - row["y0"] >= 16
