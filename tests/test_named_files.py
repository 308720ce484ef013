"""Files that a recipe names: what they hold counts, however they are touched, moved or lost."""

import os
from dataclasses import replace
from time import time

import pytest
from recipes import subject

from wunderkammer import named_files
from wunderkammer.build import build_stage
from wunderkammer.externals import (
    DETECTOR_FILES,
    MISSING,
    NO_FILES,
    automatic_version,
    external_version,
    is_settled,
)
from wunderkammer.named_files import dedupe_files, detect_files, detector_files, filter_files
from wunderkammer.stages import DETECTIONS, FILTERED_CROPS, RAW_SCRAPE, TRAINED_DETECTOR
from wunderkammer.staleness import assess
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions

SIMILAR = {"weights": "eye.onnx", "examples": "liked"}
DRAFT = Draft("content", Summary())


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("WUNDERKAMMER_WEIGHTS", str(folder))
    monkeypatch.delenv("WUNDERKAMMER_SCRATCH", raising=False)
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "data"))


def recipe(tmp_path, **changes):
    return replace(subject(**changes), folder=tmp_path)


def build(cat, store, *stages):
    for stage in stages:
        build_stage(stage, cat, store=store, builder=lambda _: DRAFT)


def cause(cat, store, stage):
    return {step.asset: step for step in assess(cat, Versions(store))}[stage.name].cause


def test_another_picture_among_the_examples_makes_the_crops_stale(tmp_path, store, weights):
    (weights / "eye.onnx").write_bytes(b"a network")
    (tmp_path / "liked").mkdir()
    (tmp_path / "liked/one.jpg").write_bytes(b"one")
    cat = recipe(tmp_path, filter__similar=SIMILAR)
    build(cat, store, RAW_SCRAPE, FILTERED_CROPS)
    assert cause(cat, store, FILTERED_CROPS) == ""
    (tmp_path / "liked/one.jpg").write_bytes(b"two")
    assert cause(cat, store, FILTERED_CROPS) == "new filter files"
    (tmp_path / "liked/one.jpg").write_bytes(b"one")
    assert cause(cat, store, FILTERED_CROPS) == ""
    (tmp_path / "liked/.hidden").write_bytes(b"of an editor")
    assert cause(cat, store, FILTERED_CROPS) == ""
    (weights / "eye.onnx").write_bytes(b"b network")
    assert cause(cat, store, FILTERED_CROPS) == "new filter files"


def test_other_weights_make_the_detections_stale_and_a_missing_file_does_not(tmp_path, store):
    file = tmp_path / "yolo.pt"
    cat = recipe(tmp_path, detect__kind="yolo", detect__weights="yolo.pt")
    assert external_version(store, cat, "detect_files") == MISSING
    file.write_bytes(b"weights")
    build(cat, store, RAW_SCRAPE, DETECTIONS)
    file.unlink()
    assert cause(cat, store, DETECTIONS) == ""
    file.write_bytes(b"others!")
    assert cause(cat, store, DETECTIONS) == "new detect files"


def test_the_same_weights_at_another_place_are_the_same(tmp_path, store, weights):
    (tmp_path / "yolo.pt").write_bytes(b"weights")
    cat = recipe(tmp_path, detect__kind="yolo", detect__weights="yolo.pt")
    build(cat, store, RAW_SCRAPE, DETECTIONS)
    (tmp_path / "yolo.pt").rename(weights / "yolo.pt")
    assert cause(cat, store, DETECTIONS) == ""


def test_a_changed_label_makes_the_detector_stale_and_a_further_picture_does_not(tmp_path, store):
    labels = tmp_path / "labels"
    (labels / "train").mkdir(parents=True)
    (labels / "train/a.xml").write_text("<annotation/>")
    cat = recipe(tmp_path, detector__kind="yolo", detector__labels={"path": "labels"})
    build(cat, store, TRAINED_DETECTOR)
    (labels / "train/b.jpg").write_bytes(b"a picture")
    assert cause(cat, store, TRAINED_DETECTOR) == ""
    (labels / "train/b.xml").write_text("<annotation/>")
    assert cause(cat, store, TRAINED_DETECTOR) == "new detector files"


def test_class_names_in_the_folder_above_the_labels_are_watched_as_they_are_read(tmp_path, store):
    (tmp_path / "set/labels").mkdir(parents=True)
    (tmp_path / "set/labels/a.txt").write_text("0 .5 .5 .2 .2")
    cat = recipe(tmp_path, detector__kind="yolo", detector__labels={"path": "set/labels"})
    build(cat, store, TRAINED_DETECTOR)
    (tmp_path / "set/data.yaml").write_text("names: [cat]")
    assert cause(cat, store, TRAINED_DETECTOR) == "new detector files"
    build(cat, store, TRAINED_DETECTOR)
    (tmp_path / "set/data.yaml").write_text("names: [dog]")
    assert cause(cat, store, TRAINED_DETECTOR) == "new detector files"
    # One beside the labels is read instead.
    (tmp_path / "set/labels/data.yaml").write_text("names: [cat]")
    assert [len(one.files) for one in detector_files(cat)] == [2]


def test_the_automation_trains_on_edited_labels_only_where_it_may_train_by_itself(tmp_path, store):
    file = tmp_path / "labels.json"
    file.write_text("{}")
    on_request = recipe(tmp_path, detector__kind="yolo", detector__labels={"path": "labels.json"})
    build(on_request, store, TRAINED_DETECTOR)
    built = external_version(store, on_request, DETECTOR_FILES)
    file.write_text("[]")
    assert cause(on_request, store, TRAINED_DETECTOR) == "new detector files"
    assert automatic_version(store, on_request, DETECTOR_FILES) == built
    detector = {"kind": "yolo", "labels": {"path": "labels.json"}, "retrain": "on_review"}
    on_review = recipe(tmp_path, **{f"detector__{key}": value for key, value in detector.items()})
    now = external_version(store, on_review, DETECTOR_FILES)
    assert automatic_version(store, on_review, DETECTOR_FILES) == now != built


def test_what_is_pinned_or_shipped_or_trained_here_is_no_file_to_watch(tmp_path, store):
    pin = "0" * 64
    own = recipe(
        tmp_path,
        detect__kind="yolo",
        detect__weights="trained",
        detector__kind="yolo",
        detector__architecture="yolo11n.yaml",
        detector__start={"kind": "file", "path": "start.pt", "sha256": pin},
        filter__mask={"model": "u2net.onnx", "sha256": pin},
    )
    assert [detector_files(own), detect_files(own), filter_files(own)] == [[], [], []]
    assert external_version(store, own, "filter_files") == NO_FILES
    (tmp_path / "yolo11n.yaml").write_text("nc: 1")
    assert len(detector_files(own)) == 1


def test_every_file_that_the_filter_names_is_watched(tmp_path):
    network = {"weights": "eye.onnx"}
    cat = recipe(
        tmp_path,
        filter__classify={**network, "classes": ("quilt",), "labels": "names.txt"},
        filter__similar={**network, "examples": "liked"},
        filter__outliers=network,
        filter__mask={"model": "models/u2net.onnx"},
    )
    names = [one.places[0].name for one in filter_files(cat)]
    assert names == ["eye.onnx"] * 3 + ["u2net.onnx", "names.txt", "liked"]
    known = recipe(
        tmp_path, filter__classify={**network, "classes": ("quilt",), "labels": "imagenet"}
    )
    assert len(filter_files(known)) == 1


def test_a_large_file_is_read_once_until_it_changes(tmp_path, store, monkeypatch):
    read = []
    hashed = named_files._hashed
    monkeypatch.setattr(named_files, "_hashed", lambda file: read.append(file) or hashed(file))
    monkeypatch.setattr(named_files, "LARGE_BYTES", 4)
    monkeypatch.setattr(named_files, "SETTLED_S", -1.0)
    file = tmp_path / "yolo.pt"
    file.write_bytes(b"weights")
    cat = recipe(tmp_path, detect__kind="yolo", detect__weights="yolo.pt")
    first = external_version(store, cat, "detect_files")
    # Another process knows only what is remembered on the disk.
    named_files._known.cache_clear()
    assert external_version(store, cat, "detect_files") == first
    assert len(read) == 1
    date = file.stat().st_mtime_ns
    file.write_bytes(b"WEIGHTS")
    # A copy that keeps its date, and has the same size.
    os.utime(file, ns=(date, date))
    assert external_version(store, cat, "detect_files") != first
    assert len(read) == 2


def test_files_that_somebody_is_saving_are_left_in_peace(tmp_path):
    cat = recipe(tmp_path, detect__kind="yolo", detect__weights="yolo.pt")
    # Of what is missing the build has to tell.
    assert is_settled(cat, "detect_files", quiet_s=60)
    (tmp_path / "yolo.pt").write_bytes(b"weights")
    assert not is_settled(cat, "detect_files", quiet_s=60)
    os.utime(tmp_path / "yolo.pt", (time() - 100, time() - 100))
    assert is_settled(cat, "detect_files", quiet_s=60)
    assert is_settled(cat, "filter_files", quiet_s=60)


def test_the_network_that_the_section_dedupe_names_is_watched_unless_it_is_pinned(tmp_path):
    cat = recipe(tmp_path, dedupe__embedding={"weights": "eye.onnx"})
    assert [one.places[0].name for one in dedupe_files(cat)] == ["eye.onnx"]
    pinned = {"weights": "eye.onnx", "sha256": "a" * 64}
    assert dedupe_files(recipe(tmp_path, dedupe__embedding=pinned)) == []
