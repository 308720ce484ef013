"""What a manifest says of a training picture: what proposed its crop, and who approved that."""

import pytest
from detected_scene import BOX, WEIGHTS, DetectedScene, in_this_process

from wunderkammer.stages import DEDUPED_SHARDS, FILTERED_CROPS, REVIEWED_CROPS


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", in_this_process)
    return DetectedScene(tmp_path)


def test_each_training_picture_names_what_proposed_it_and_who_approved_it(scene):
    scene.sections["review"] = {"gate": "sample", "sample_size": 2, "min_accept_rate": 0.5}
    scene.put()
    for row in scene.rows(scene.build(FILTERED_CROPS)):
        assert tuple(row[f"object_{edge}"] for edge in ("x0", "y0", "x1", "y1")) == BOX
        assert (row["class_name"], row["proposed_by"]) == ("dog", WEIGHTS)
    ann = scene.session("ann")
    accepted, rejected = ann.deck().sample
    scene.decide(ann, accepted)
    scene.decide(scene.session("bob"), rejected, "reject")
    reviewed = scene.rows(scene.build(REVIEWED_CROPS))
    assert [row["reviewer"] for row in reviewed].count(None) == 2
    assert reviewed[rejected]["reviewer"] == "bob"
    training = scene.rows(scene.build(DEDUPED_SHARDS))
    assert {row["proposed_by"] for row in training} == {WEIGHTS}
    assert sorted(row["reviewer"] or "nobody" for row in training) == ["ann", "nobody", "nobody"]
    assert {row["id"]: row["reviewer"] for row in training}[reviewed[accepted]["id"]] == "ann"


def test_what_was_rejected_stays_out_though_no_gate_asks_for_a_review(scene):
    scene.put()
    before = scene.rows(scene.build(FILTERED_CROPS))
    scene.build(DEDUPED_SHARDS)
    assert "reviewed_crops" not in scene.states()
    ann = scene.session("ann")
    scene.decide(ann, 1, "reject")
    states = scene.states()
    assert states["reviewed_crops"].state == "missing"
    assert states["deduped_shards"].state == "stale"
    scene.build(REVIEWED_CROPS)
    training = scene.rows(scene.build(DEDUPED_SHARDS))
    assert [row["id"] for row in training] == [before[place]["id"] for place in (0, 2, 3)]
    assert scene.states()["deduped_shards"].state == "fresh"


def test_the_same_crop_by_other_weights_is_told_in_the_shards_and_trains_nothing_anew(scene):
    scene.put()
    scene.build(FILTERED_CROPS)
    before = scene.build(DEDUPED_SHARDS)
    scene.weights = "other weights"
    scene.put()
    scene.build(FILTERED_CROPS)
    after = scene.build(DEDUPED_SHARDS)
    assert {row["proposed_by"] for row in scene.rows(after)} == {"other weights"}
    assert {row["reviewer"] for row in scene.rows(after)} == {None}
    assert after.data_version == before.data_version
