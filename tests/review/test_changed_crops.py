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
