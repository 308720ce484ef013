"""Another choice of classes, or another threshold, is a question to the stored detections."""

import pytest
from detected_scene import BOX, DetectedScene, in_this_process

from wunderkammer.stages import FILTERED_CROPS

WOLF = (12.0, 20.0, 60.0, 60.0, 0.8, "wolf")


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", in_this_process)
    scene = DetectedScene(tmp_path)
    scene.sections["detect"]["classes"] = ["dog"]
    # The first picture has a wolf beside its dog.
    scene.objects[0] = [(*BOX, 0.9, "dog"), WOLF]
    scene.put()
    scene.build(FILTERED_CROPS)
    return scene


def named(scene):
    rows = scene.rows(scene.build(FILTERED_CROPS))
    return [row["class_name"] for row in rows if row["decision"] == "kept"]


def test_other_classes_make_the_crops_stale_and_choose_among_the_stored_boxes(scene):
    assert named(scene) == ["dog"] * 4
    scene.sections["detect"]["classes"] = ["wolf"]
    states = scene.states()
    assert (states["detections"].state, states["filtered_crops"].state) == ("stale", "stale")
    # What `detections` publishes then has the same boxes, as tests/detect has it.
    scene.put()
    assert scene.states()["filtered_crops"].cause == "detections has new content"
    assert named(scene) == ["wolf"]
    assert scene.states()["filtered_crops"].state == "fresh"


def test_without_classes_all_count(scene):
    del scene.sections["detect"]["classes"]
    scene.put()
    assert named(scene) == ["dog"] * 3
    scene.sections["filter"]["objects"] = "best"
    assert named(scene) == ["dog"] * 4
