"""What was decided, after the recipe or the detector has made other crops of the same objects."""

import pytest
from detected_scene import DetectedScene, in_this_process

from wunderkammer.review.gate import ReviewNeededError
from wunderkammer.review.labels import reviewed_labels
from wunderkammer.stages import FILTERED_CROPS, REVIEWED_CROPS

UPPER, LOWER = (2, 20, 62, 30, 0.9, "dog"), (2, 36, 62, 48, 0.8, "dog")


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", in_this_process)
    # Half of the time that these tests would take.
    monkeypatch.setattr("wunderkammer.crops.stage.cuts_plot", lambda *_: b"")
    scene = DetectedScene(tmp_path, num_pictures=2)
    scene.sections["filter"] |= {"objects": "each", "size_px": 24}
    scene.sections["shard"] = {"resolution_px": 16}
    return scene


def decided(scene):
    return [found and found.decision for found in scene.session().deck().decisions]


@pytest.mark.parametrize("change", [{"size_px": 40}, {"min_window_px": 32}])
def test_what_was_rejected_stays_out_at_another_crop_size(scene, change):
    scene.objects = [[(20, 20, 40, 40, 0.9, "dog")] for _ in scene.pictures]
    scene.put()
    scene.build(FILTERED_CROPS)
    ann = scene.session()
    for row in (0, 1):
        scene.decide(ann, row, "reject", reason="not_the_subject")
    scene.sections["filter"] |= change
    scene.build(FILTERED_CROPS)
    with pytest.raises(ReviewNeededError, match="2 rejected_by_person"):
        scene.build(REVIEWED_CROPS)


def test_two_objects_whose_windows_coincide_are_decided_and_labelled_one_by_one(scene):
    scene.sections["filter"]["size_px"] = 64
    scene.objects = [[UPPER, LOWER], [UPPER]]
    scene.put()
    scene.build(FILTERED_CROPS)
    ann = scene.session()
    scene.decide(ann, 0)
    assert decided(scene) == ["accept", None, None]
    scene.decide(ann, 1)
    (row,) = reviewed_labels(scene.store, scene.subject.name).to_pylist()
    assert sorted(row["boxes"]) == [[2, 20, 62, 30], [2, 36, 62, 48]]
    scene.decide(ann, 1, "reject", reason="not_the_subject")
    assert decided(scene) == ["accept", "reject", None]
    (row,) = reviewed_labels(scene.store, scene.subject.name).to_pylist()
    assert row["boxes"] == [[2, 20, 62, 30]]


FAR = (40, 2, 50, 8, 0.8, "dog")


@pytest.mark.parametrize(
    ("changes", "further"),
    [
        ({"objects": "best"}, LOWER),
        ({"min_object_share": 0.05}, FAR),
        ({"min_confidence": 0.85}, LOWER),
    ],
)
def test_a_picture_with_an_object_that_no_person_was_asked_about_is_no_label(
    scene, changes, further
):
    scene.sections["filter"] |= changes
    assert labelled(scene, [UPPER, further]) == []
    assert labelled(scene, [UPPER, (*further[:5], "cat")]) != []


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("blurred", []), (None, []), ("not_the_subject", [[2, 20, 62, 30]])],
)
def test_what_was_rejected_counts_as_background_only_if_it_is_not_the_subject(
    scene, reason, expected
):
    assert labelled(scene, [UPPER, LOWER], reason) == expected


def test_what_the_detector_found_within_a_label_is_settled_if_the_filter_says_so(scene):
    inner = (2, 20, 20, 30, 0.3, "dog")
    assert labelled(scene, [UPPER, inner]) == []
    scene.sections["filter"]["max_nested"] = 0.8
    assert labelled(scene, [UPPER, inner]) == [[2, 20, 62, 30]]


def test_the_box_that_a_person_has_corrected_leaves_nothing_open(scene):
    larger = {"x0": 0, "y0": 10, "x1": 64, "y1": 50}
    assert labelled(scene, [UPPER], object_box=larger) == [[0, 10, 64, 50]]


def labelled(scene, objects, *reasons, **changes):
    """The labels of a picture, the first of whose crops is accepted and the others rejected."""
    scene.sections["detect"]["classes"] = ["dog"]
    scene.objects = [objects, [UPPER]]
    scene.put()
    scene.build(FILTERED_CROPS)
    ann = scene.session()
    scene.decide(ann, 0, **changes)
    for row, reason in enumerate(reasons, start=1):
        scene.decide(ann, row, "reject", reason=reason)
    rows = reviewed_labels(scene.store, scene.subject.name).to_pylist()
    return [box for row in rows if row["sha256"] == scene.pictures[0] for box in row["boxes"]]
