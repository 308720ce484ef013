import base64
import contextlib
import hashlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time

import dagster_pipes
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from wunderkammer.gan import train as process
from wunderkammer.gan.checkpoints.archive import Archive
from wunderkammer.gan.job import TrainingJob
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet


@pytest.fixture
def job(tmp_path, pictures, recipe):
    """A job over one shard with the pictures as PNG."""
    contents = [_png(image) for image in pictures]
    table = pa.table(
        {
            "image": [{"bytes": content, "path": None} for content in contents],
            "sha256": [hashlib.sha256(content).hexdigest() for content in contents],
        }
    )
    store = Store(str(tmp_path / "data"))
    store.write("shard.parquet", to_parquet(table))

    def make(**changes):
        return TrainingJob(
            location=store.location,
            subject="halves",
            trajectory="t",
            run_prefix="run",
            shard_keys=("shard.parquet",),
            resolution_px=8,
            channels=3,
            train=recipe(**changes),
            device="cpu",
            tensorboard_dir=None,
        )

    return make


def _png(image):
    sink = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Run `main` in this process, without tying this process to its parent."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(process, "die_with_parent", lambda: None)

    def go(job):
        path = tmp_path / "job.json"
        path.write_text(job.model_dump_json())
        return process.main([str(path)])

    yield go
    for number, handler in before.items():
        signal.signal(number, handler)


def newest(job):
    return Archive(Store(job.location), job.run_prefix).newest(at_most=10**9)


def test_a_finished_training_exits_with_0_and_logs_its_ticks(start, job, caplog):
    with caplog.at_level("INFO"):
        assert start(job()) == 0
    assert newest(job()).facts.num_images == 48
    assert caplog.text.count("images/s") == 3
    assert "trained to 0.048 kimg" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_present_step_writes_a_checkpoint_and_exits_with_75(
    start, job, monkeypatch, number
):
    with monkeypatch.context() as patch:
        patch.setattr(process.LogWatcher, "tick", lambda *_: os.kill(os.getpid(), number))
        assert start(job(snapshot_ticks=99)) == 75
    assert newest(job()).facts.num_images == 16
    assert start(job()) == 0
    stopped = newest(job()).facts.digest
    other = job().model_copy(update={"run_prefix": "straight"})
    assert start(other) == 0
    assert newest(other).facts.digest == stopped


def test_pictures_that_are_streamed_give_the_same_training(start, job, caplog):
    digests = {}
    for residence in ("memory", "stream"):
        one = job(residence=residence).model_copy(update={"run_prefix": residence})
        with caplog.at_level("INFO"):
            assert start(one) == 0
        digests[residence] = newest(one).facts.digest
    assert "are streamed" in caplog.text
    assert digests["memory"] == digests["stream"]


def test_a_curriculum_that_was_stopped_goes_on_as_if_it_had_not_been(start, job, monkeypatch):
    curriculum = {"kind": "measure", "measure": "sharpness", "all_at_kimg": 0.03}
    given = job(curriculum=curriculum, snapshot_ticks=99)
    store = Store(given.location)
    num = pq.read_metadata(store.path("shard.parquet")).num_rows
    rows = {
        "image_sha256": [f"{n:03d}" for n in range(num)],
        "shard": ["shard.parquet"] * num,
        "row": list(range(num)),
        "decision": ["kept"] * num,
        "measure/sharpness": [float(n) for n in range(num)],
    }
    store.write("manifest.parquet", to_parquet(pa.table(rows)))
    straight = given.model_copy(
        update={"manifest_key": "manifest.parquet", "run_prefix": "straight"}
    )
    stopped = straight.model_copy(update={"run_prefix": "stopped"})
    with monkeypatch.context() as patch:
        patch.setattr(process.LogWatcher, "tick", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        assert start(stopped) == 75
    assert start(stopped) == start(straight) == start(job()) == 0
    assert newest(stopped).facts.digest == newest(straight).facts.digest
    assert newest(straight).facts.digest != newest(job()).facts.digest


def test_a_cpu_has_no_gpu_for_pictures(start, job):
    with pytest.raises(ValueError, match=r"train\.residence: gpu"):
        start(job(residence="gpu"))


def test_the_orchestrator_hears_of_each_tick_while_it_runs(start, job, tmp_path, monkeypatch):
    messages = tmp_path / "messages"
    context = {
        "asset_keys": ["trained_checkpoint"],
        "code_version_by_asset_key": {"trained_checkpoint": "1"},
        "provenance_by_asset_key": {"trained_checkpoint": None},
        "partition_key": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "run_id": "run",
        "job_name": None,
        "retry_number": 0,
        "extras": {},
    }
    monkeypatch.setattr(dagster_pipes.PipesContext, "_instance", None)
    for name, value in (
        (dagster_pipes.DAGSTER_PIPES_CONTEXT_ENV_VAR, {"data": context}),
        (dagster_pipes.DAGSTER_PIPES_MESSAGES_ENV_VAR, {"path": str(messages)}),
    ):
        monkeypatch.setenv(name, dagster_pipes.encode_param(value))
    inside = logging.getLogger("wunderkammer.gan.training.step")
    monkeypatch.setattr(process, "announce", lambda *_, **__: inside.warning("out of %s", "memory"))
    assert start(job()) == 0
    inside.warning("nobody listens any more")
    lines = [json.loads(line) for line in messages.read_text().splitlines()]
    payloads = [
        line["params"]["payload"] for line in lines if line["method"] == "report_custom_message"
    ]
    assert [payload["kind"] for payload in payloads] == ["tick"] * 3
    assert [payload["kimg"] for payload in payloads] == [0.016, 0.032, 0.048]
    assert payloads[0]["metrics"]["loss/generator"] > 0
    grid = base64.b64decode(payloads[-1]["grid_jpeg_base64"])
    assert Image.open(io.BytesIO(grid)).format == "JPEG"
    logged = [line["params"] for line in lines if line["method"] == "log"]
    assert sum("images/s" in params["message"] for params in logged) == 3
    assert [params["message"] for params in logged if params["level"] == "WARNING"] == [
        "out of memory"
    ]


def test_a_child_of_a_killed_parent_stops_with_a_checkpoint(job, tmp_path):
    endless = job(total_kimg=4000.0, tick_kimg=0.016, snapshot_ticks=1000)
    path = tmp_path / "job.json"
    path.write_text(endless.model_dump_json())
    command = [sys.executable, "-m", "wunderkammer.gan.train", str(path)]
    code = f"import subprocess; subprocess.run({command!r})"
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        assert any("images/s" in line for line in parent.stderr), "never came to a tick"
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
        _wait_until_gone(child, timeout_s=60.0)
    finally:
        parent.kill()
        parent.stderr.close()
        parent.wait()
    assert newest(endless).facts.num_images >= 16


def _wait_until_gone(child, *, timeout_s):
    deadline = time.monotonic() + timeout_s
    with contextlib.suppress(psutil.NoSuchProcess):
        while child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the child outlived its parent"
            time.sleep(0.02)


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert process.choose_device("auto").type == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert process.choose_device("auto").type == "cuda"


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:x", ""])
def test_what_is_no_device_is_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match="one of auto, cpu, cuda"):
        process.choose_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:2"])
def test_a_gpu_that_is_not_there_is_refused_with_the_remedy(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0 if name == "cuda" else 2)
    with pytest.raises(ValueError, match="use 'auto' or 'cpu'"):
        process.choose_device(name)
