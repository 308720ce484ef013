import io

import numpy as np
import pyarrow.compute as pc
import pytest
from detector_kit import NAMES, encoded, untrained
from detector_kit import scene as drawn
from PIL import Image

from wunderkammer.build import build_stage, stage_inputs
from wunderkammer.detect import stage as stage_module
from wunderkammer.detect.detector_file import write_detector
from wunderkammer.detect.errors import DetectorFileError, UnknownClassError, WeightsNotFoundError
from wunderkammer.detect.stage import detect_images
from wunderkammer.detect.weights import TRAINED_FILE
from wunderkammer.manifests import DETECTIONS
from wunderkammer.named_files import weights_folder
from wunderkammer.params import digest
from wunderkammer.stages import DETECTIONS as STAGE
from wunderkammer.stages import TRAINED_DETECTOR
from wunderkammer.storage.store import DEFAULT_DATA
from wunderkammer.storage.versions import Draft, Summary

pytestmark = pytest.mark.usefixtures("decoded_here")


def fill(scene, num_pictures=6):
    """Pictures with one object each, the last one with two; their classes."""
    kinds = {}
    for number in range(num_pictures):
        many = 2 if number == num_pictures - 1 else 1
        picture, objects = drawn(np.random.default_rng(number), num_objects=many)
        scene.add(f"p{number}", encoded(picture), width=64, height=64)
        kinds[f"p{number}"] = sorted(NAMES[kind] for kind, *_ in objects)
    scene.scrape()
    return kinds


def by_id(table):
    return {row["id"]: row for row in table.to_pylist()}


def test_the_manifest_has_a_row_a_picture_with_its_boxes(scene, detector):
    kinds = fill(scene)
    record = scene.find(min_confidence=0.5)
    manifest = scene.manifest(record)
    assert manifest.schema.equals(DETECTIONS)
    rows = by_id(manifest)
    assert list(rows) == sorted(kinds)
    for id, expected in kinds.items():
        row = rows[id]
        assert sorted(row["class_name"]) == expected
        assert [NAMES[index] for index in row["class_index"]] == row["class_name"]
        lengths = {len(row[name]) for name in ("x0", "y0", "x1", "y1", "confidence")}
        assert lengths == {len(expected)}
        assert (row["width"], row["height"], row["decision"]) == (64, 64, "kept")
        assert row["weights_sha256"] == detector.sha256


def test_a_person_sees_counts_and_pictures(scene):
    kinds = fill(scene)
    record = scene.find(min_confidence=0.5)
    names = [name for row in kinds.values() for name in row]
    measures = record.summary.measures
    assert measures["boxes"] == {name: names.count(name) for name in set(names)}
    assert measures["pictures_with_none"] == 0
    assert measures["pictures_with_one"] == 5
    assert measures["pictures_with_several"] == 1
    assert (record.summary.num_in, record.summary.num_out) == (6, 6)
    for name, kind in (("boxes.jpg", "JPEG"), ("confidence.png", "PNG")):
        content = scene.read(record, name)
        assert len(content) <= 200_000
        assert Image.open(io.BytesIO(content)).format == kind


def test_boxes_are_drawn_where_they_are(scene):
    picture, ((_, x0, y0, x1, y1),) = drawn(np.random.default_rng(0))
    scene.add("only", encoded(picture), width=64, height=64)
    scene.scrape()
    sheet = np.asarray(Image.open(io.BytesIO(scene.read(scene.find(), "boxes.jpg"))), int)
    # The first tile is at (8, 38); the picture of 64 px lies in it at double its size.
    redness = (sheet[..., 0] - sheet[..., 1:].max(axis=2))[38:166, 8:136]
    drawn_at = np.argwhere(redness > 100)
    assert np.abs(drawn_at.min(axis=0) - (2 * y0, 2 * x0)).max() <= 6
    assert np.abs(drawn_at.max(axis=0) - (2 * y1, 2 * x1)).max() <= 6


def test_nothing_found_is_a_result(scene):
    for number in range(2):
        data = encoded(np.full((64, 64, 3), 40 + number, np.uint8))
        scene.add(f"p{number}", data, width=64, height=64)
    scene.scrape()
    record = scene.find()
    assert scene.manifest(record)["confidence"].to_pylist() == [[], []]
    assert record.summary.measures["pictures_with_none"] == 2
    assert len(scene.read(record, "confidence.png")) > 0


def test_no_pictures_are_no_rows(scene):
    scene.scrape()
    record = scene.find()
    assert scene.manifest(record).num_rows == 0
    assert scene.manifest(record).schema.equals(DETECTIONS)


def test_bad_pictures_are_rejected_with_the_reason(scene):
    fill(scene, num_pictures=2)
    scene.add("bad", b"no picture", width=64, height=64)
    scene.scrape()
    record = scene.find()
    assert record.summary.rejections == {"not_an_image": 1}
    row = by_id(scene.manifest(record))["bad"]
    assert (row["decision"], row["x0"], row["class_name"]) == ("rejected", None, None)
    # A list that is null stands for itself, not for the boxes of a neighbour.
    manifest = scene.manifest(record)
    parents = pc.list_parent_indices(manifest["class_name"].combine_chunks()).to_pylist()
    assert manifest["id"].to_pylist().index("bad") not in parents


def test_identical_bytes_are_looked_at_once_and_have_a_row_each(scene, decoded_here):
    data = encoded(drawn(np.random.default_rng(0))[0])
    for id in ("b", "a"):
        scene.add(id, data, width=64, height=64)
    scene.scrape()
    rows = scene.manifest(scene.find()).to_pylist()
    assert len(decoded_here) == 1
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[0]["x0"] == rows[1]["x0"]


def test_other_classes_start_no_detector_but_are_another_version(scene, decoded_here, monkeypatch):
    fill(scene)
    every = scene.find(min_confidence=0.5)
    monkeypatch.delattr(stage_module, "start_backend")
    discs = scene.find(classes=["disc"])
    assert len(decoded_here) == 6
    assert discs.data_version != every.data_version
    assert scene.manifest(discs).equals(scene.manifest(every))
    assert discs.summary.measures["boxes"] == every.summary.measures["boxes"]
    assert scene.find(classes=[]).data_version == every.data_version


def test_the_data_version_sees_boxes_and_not_rejections_or_ids(scene):
    fill(scene, num_pictures=3)
    first = scene.find()
    scene.add("bad", b"no picture", width=64, height=64)
    scene.rows[0]["id"] = "another"
    scene.scrape()
    assert scene.find().data_version == first.data_version
    picture, _ = drawn(np.random.default_rng(77))
    scene.add("new", encoded(picture), width=64, height=64)
    scene.scrape()
    assert scene.find().data_version != first.data_version


def test_other_weights_in_the_same_file_look_again(scene, decoded_here):
    fill(scene, num_pictures=2)
    first = scene.find()
    (scene.root / "shapes.safetensors").write_bytes(write_detector(untrained(seed=5)))
    second = scene.find()
    assert len(decoded_here) == 4
    assert second.data_version != first.data_version


def test_nothing_runs_without_the_weights(scene, monkeypatch):
    monkeypatch.setattr(stage_module, "detect_ledgered", pytest.fail)
    fill(scene, num_pictures=1)
    with pytest.raises(WeightsNotFoundError) as caught:
        scene.find(weights="yolo11m.pt")
    message = str(caught.value)
    assert "detect.weights='yolo11m.pt' of 'shapes'" in message
    assert f"put the file to {scene.root / 'weights' / 'yolo11m.pt'}" in message
    assert "https://github.com/ultralytics/assets/releases" in message
    assert "WUNDERKAMMER_WEIGHTS" in message
    with pytest.raises(WeightsNotFoundError, match="starts at the subject file"):
        scene.find(weights="models/yolo11m.pt")


def test_the_detector_that_was_trained_for_the_subject_is_taken(scene, detector):
    fill(scene, num_pictures=2)
    first = scene.find()
    scene.sections["detector"] = {"kind": "yolo"}
    draft = Draft("a training", Summary(), files={TRAINED_FILE: write_detector(detector)})
    scene.detect["weights"] = "trained"
    build_stage(TRAINED_DETECTOR, scene.subject, store=scene.store, builder=lambda _: draft)
    record = scene.find()
    assert record.upstreams["trained_detector"] == "a training"
    assert record.data_version == first.data_version


def test_a_bare_name_is_found_in_the_folder_of_weights(scene):
    fill(scene, num_pictures=1)
    first = scene.find()
    folder = scene.root / "weights"
    folder.mkdir()
    (scene.root / "shapes.safetensors").rename(folder / "shapes.safetensors")
    assert scene.find().data_version == first.data_version


def test_without_the_variable_weights_lie_beside_the_other_data():
    assert weights_folder({}) == DEFAULT_DATA / "weights"


def test_a_pinned_file_must_be_the_one(scene, detector):
    fill(scene, num_pictures=1)
    scene.find(sha256=detector.sha256)
    with pytest.raises(DetectorFileError, match=f"has the SHA-256 {detector.sha256}"):
        scene.find(sha256="0" * 64)


def test_a_class_that_the_detector_does_not_know_is_refused(scene):
    fill(scene, num_pictures=1)
    with pytest.raises(UnknownClassError) as caught:
        scene.find(classes=["square", "disk"])
    message = str(caught.value)
    assert "detect.classes=['disk']" in message
    assert "did you mean 'disc'?" in message
    assert "(it has: disc, square)" in message


@pytest.mark.parametrize("num_pictures", [0, 2])
def test_no_detector_finds_nothing_in_the_same_words_for_any_pictures(scene, num_pictures):
    for number in range(num_pictures):
        scene.add(f"{number}", b"any", width=9, height=9)
    scene.detect = {"kind": "none"}
    scene.scrape()
    draft = detect_images(stage_inputs(STAGE, scene.subject, store=scene.store))
    assert draft.data_version == digest("no detector")
    assert draft.manifest.num_rows == 0
    assert draft.manifest.schema == DETECTIONS
