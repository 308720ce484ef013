"""The stage `trained_detector` from the recipe to the version, with its own process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from training_kit import SIDE, square, write_recipe

from wunderkammer import ledger_map
from wunderkammer.build import build_stage, stage_inputs
from wunderkammer.detect.detector_file import parse_detector
from wunderkammer.detect.errors import DetectorError
from wunderkammer.detect.stage import detect_images
from wunderkammer.detect.training import subject_labels as module
from wunderkammer.detect.training.collect import UnfinishedTrainingError, collect_detector
from wunderkammer.detect.training.job import plan_detector
from wunderkammer.detect.training.train import EXIT_DONE, EXIT_STOPPED, run
from wunderkammer.labels.consistency import InconsistentLabelsError
from wunderkammer.manifests import KEPT, RAW
from wunderkammer.review.labels import LABELS
from wunderkammer.stages import DETECTIONS, RAW_SCRAPE, TRAINED_DETECTOR
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.versions import Draft, Summary, Versions
from wunderkammer.subject import load_subject

SPY = """
import socket, sys
def refuse(self, address):
    if self.family != socket.AF_UNIX:
        open({log!r}, "a").write(f"{{address}}\\n")
        raise OSError("no network here")
socket.socket.connect = refuse
"""


@pytest.fixture
def decoded_here(monkeypatch):
    """Decode in this process (test_workers has the guarded ones)."""

    def here(fn, items, *, workers):
        yield [(item, fn(item)) for item in items]

    monkeypatch.setattr(ledger_map, "guarded_map", here)


@pytest.fixture
def plan(store, tmp_path, decoded_here):
    def call(**detector):
        subject = load_subject(write_recipe(tmp_path, **detector))
        inputs = stage_inputs(TRAINED_DETECTOR, subject, store=store)
        return plan_detector(inputs, device="cpu", scratch=tmp_path / "scratch")

    return call


def start(job, tmp_path, **environ):
    file = tmp_path / "job.json"
    file.write_text(job.model_dump_json())
    # Only what it needs: a home of its own, and nothing that the tests have set up.
    environment = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **environ,
    }
    command = [sys.executable, "-m", "wunderkammer.detect.training.train", str(file)]
    return subprocess.Popen(
        command, env=environment, cwd=tmp_path / "cwd", stderr=subprocess.PIPE, text=True
    )


def test_what_shapes_the_weights_names_the_training_and_nothing_else_does(plan):
    job = plan()
    assert job.class_names == ("square",)
    assert job.dataset.num_rows == 40
    assert 0 < pc.sum(job.dataset["is_held_out"]).as_py() < 20
    same = [plan(), plan(retrain="on_review"), plan(consistency={"max_inconsistent": 0.5})]
    assert {other.trajectory for other in same} == {job.trajectory}
    others = [
        plan(epochs=11),
        plan(seed=1),
        plan(architecture="yolo11n.yaml"),
        plan(labels={"path": "../pictures"}),
        plan(mirror=False),
    ]
    assert len({job.trajectory, *(other.trajectory for other in others)}) == 6


def test_the_report_of_the_labels_is_left_even_if_they_are_refused(plan, store, tmp_path):
    write_recipe(tmp_path)
    labels = tmp_path / "twice.csv"
    rows = (tmp_path / "pictures" / "vott.csv").read_text().splitlines()
    labels.write_text("\n".join([*rows, *rows[1:9]]))
    with pytest.raises(InconsistentLabelsError, match=r"8 of 48 boxes .*labels\.md") as caught:
        plan(labels={"path": "../twice.csv", "images": "../pictures"})
    report = str(caught.value).partition("see ")[2].partition(",")[0]
    assert "**refused**" in Path(report).read_text()
    assert json.loads(Path(report).with_suffix(".json").read_text())["boxes_inconsistent"] == 8
    assert Path(report).with_suffix(".jpg").read_bytes().startswith(b"\xff\xd8")
    job = plan(
        labels={"path": "../twice.csv", "images": "../pictures"},
        consistency={"max_inconsistent": 0.2},
    )
    assert len(pc.list_flatten(job.dataset["boxes"])) == 40


def test_accepted_crops_become_labels_unless_the_recipe_leaves_them_out(plan, store, monkeypatch):
    content, box = square(77)
    row = {
        "sha256": Blobs(store).put(content),
        "width": SIDE,
        "height": SIDE,
        "boxes": [list(box)],
        "classes": ["square"],
        "reviewers": ["ann"],
    }
    reviewed = pa.Table.from_pylist([row], LABELS)
    monkeypatch.setattr(module, "reviewed_labels", lambda *_, **__: reviewed)
    job = plan()
    assert job.dataset.num_rows == 41
    assert pc.list_flatten(job.dataset["reviewers"]).to_pylist().count("ann") == 1
    assert plan(reviewed=False).dataset.num_rows == 40


def test_weights_to_start_from_are_looked_for_and_pinned(plan, tmp_path):
    with pytest.raises(DetectorError, match=r"detector\.start\.path='none\.pt' .*there is no file"):
        plan(start={"kind": "file", "path": "none.pt"})
    (tmp_path / "subjects").mkdir(exist_ok=True)
    (tmp_path / "subjects" / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(DetectorError, match=r"neither a \.pt of ultralytics"):
        plan(start={"kind": "file", "path": "bad.pt"})
    assert plan(start={"kind": "previous"}).start is None


def test_a_training_that_is_not_over_can_not_be_collected(plan):
    with pytest.raises(UnfinishedTrainingError, match="goes on from its last epoch"):
        collect_detector(plan())


@pytest.mark.slow
def test_a_process_that_is_stopped_goes_on_and_leaves_no_trace_elsewhere(plan, tmp_path):
    """SIGTERM after the second epoch; then its end, as without the stop."""
    job = plan(epochs=4)
    (tmp_path / "cwd").mkdir()
    home, spy = tmp_path / "home", tmp_path / "spy"
    home.mkdir()
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY.format(log=str(tmp_path / "calls")))
    path = f"{spy}{os.pathsep}{Path(__file__).parents[2]}"
    environ = {"HOME": str(home), "PYTHONPATH": path, "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    lines = []
    with start(job, tmp_path, **environ) as process:
        for line in process.stderr:
            lines.append(line)
            if "epoch 2 of 4" in line:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == EXIT_STOPPED, "".join(lines)
    assert "stopped in epoch" in lines[-1]
    process = start(job, tmp_path, **environ)
    _, said = process.communicate()
    assert process.returncode == EXIT_DONE, said
    assert "epoch 1 of 4" not in said
    assert "epoch 4 of 4" in said
    assert [*home.iterdir(), *(tmp_path / "cwd").iterdir()] == []
    assert not (tmp_path / "calls").exists()
    # As one that was never stopped, in this process.
    draft = collect_detector(job)
    shutil.rmtree(job.path)
    whole = plan(epochs=4)
    assert whole.trajectory == job.trajectory
    run(whole, say=print, on_epoch=lambda _: None, should_stop=lambda: False)
    assert collect_detector(whole).data_version == draft.data_version


@pytest.mark.slow
def test_a_subject_finds_its_squares_with_its_own_detector(store, tmp_path, decoded_here):
    subject = load_subject(write_recipe(tmp_path))
    scrape(store, subject)

    def build(inputs):
        job = plan_detector(inputs, device="cpu", scratch=tmp_path / "scratch")
        run(job, say=print, on_epoch=lambda _: None, should_stop=lambda: False)
        return collect_detector(job)

    built = build_stage(TRAINED_DETECTOR, subject, store=store, builder=build)
    record, versions = built.record, Versions(store)
    measures = record.summary.measures
    assert measures["mAP50"] > 0.5
    assert measures["classes"]["square"]["boxes held out"] == measures["pictures_held_out"]
    assert measures["pictures_trained"] + measures["pictures_held_out"] == 40
    detector = parse_detector(versions.read(record, "detector.safetensors"))
    assert detector.sha256 == record.data_version
    assert detector.names == ("square",)
    assert detector.provenance["image_size_px"] == str(SIDE)
    for name in ("labels.jpg", "held_out.jpg", "precision_recall.png", "training.png"):
        assert len(versions.read(record, name)) > 1000
    assert {"labels.md", "labels.json", "detector.json", "epochs.parquet"} <= set(record.files)
    sides = versions.manifest(record)["side"].to_pylist()
    assert sides.count("held_out") == measures["pictures_held_out"]
    again = build_stage(TRAINED_DETECTOR, subject, store=store, builder=pytest.fail)
    assert again.was_fresh
    found = build_stage(DETECTIONS, subject, store=store, builder=detect_images).record
    assert found.upstreams["trained_detector"] == record.data_version
    assert found.summary.measures["boxes"]["square"] >= 4


def scrape(store, subject):
    """Eight squares that no label names."""
    rows = []
    for seed in range(500, 508):
        content, _ = square(seed)
        facts = {"num_bytes": len(content), "width": SIDE, "height": SIDE, "decision": KEPT}
        row = {"id": f"{seed}.png", "sha256": Blobs(store).put(content), **facts}
        rows.append({**dict.fromkeys(RAW.names), **row})
    draft = Draft("raw", Summary(), pa.Table.from_pylist(rows, RAW))
    build_stage(RAW_SCRAPE, subject, store=store, builder=lambda _: draft)


@pytest.mark.slow
def test_the_cats_of_vott_can_be_learnt(real_data, store, tmp_path, decoded_here):
    """A few epochs on real photographs: not good yet, and far from chance."""
    cats = real_data("pets") / "cats_boxes"
    file = write_recipe(
        tmp_path,
        labels={"path": str(cats), "class_map": {"Cat_Face": "cat"}},
        epochs=14,
        image_size_px=96,
    )
    subject = load_subject(file)
    inputs = stage_inputs(TRAINED_DETECTOR, subject, store=store)
    job = plan_detector(inputs, device="cpu", scratch=tmp_path / "scratch")
    result = run(job, say=print, on_epoch=lambda _: None, should_stop=lambda: False)
    print(f"mAP50 {result.map50:.3f}, mAP50-95 {result.map50_95:.3f}")
    assert result.num_trained + result.num_held_out == 100
    assert result.map50 > 0.05
    losses = [sum(v for k, v in e.items() if k.startswith("train/")) for e in result.epochs]
    assert losses[-1] < 0.8 * losses[0]


def test_the_recipe_of_the_tests_is_one(tmp_path):
    assert yaml.safe_load(write_recipe(tmp_path).read_text())["detect"]["weights"] == "trained"
