"""How training processes are started and stopped."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from pydantic import ValidationError

from resources import trainer as module
from resources.trainer import Trainer
from wunderkammer.gan.training.speed import ETA_S
from wunderkammer.process_tree import ProcessTree

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
DEAF_PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {DEAF!r}], start_new_session=True)
child.wait()
"""


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    monkeypatch.delenv("WUNDERKAMMER_NUM_GPUS", raising=False)


@pytest.fixture
def deaf():
    """A process, or one with a child in a session of its own, that SIGTERM does not end."""
    running = []

    def start(code):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        running.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in running:
        process.kill()
        process.stdout.close()
        process.wait()


def stop(process, **settings):
    context = SimpleNamespace(log=logging.getLogger("test"))
    Trainer(**settings)._stop(context, process, ProcessTree(process.pid))


def test_a_training_that_does_not_stop_is_killed_and_the_log_says_so(deaf, caplog):
    process = deaf(DEAF)
    stop(process, stop_timeout_s=0.2)
    assert process.poll() == -9
    assert "was killed" in caplog.text


def test_nothing_that_a_training_has_started_outlives_it(deaf):
    process = deaf(DEAF_PARENT)
    (child,) = psutil.Process(process.pid).children()
    stop(process, stop_timeout_s=10.0)
    assert process.poll() == -15
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def words(trainer):
    return trainer.command(Path("job.json"))[2:]


def test_one_process_trains_by_itself():
    assert words(Trainer()) == ["wunderkammer.gan.train", "job.json"]


def test_several_are_launched_together_and_stop_before_they_would_be_killed():
    command = words(Trainer(num_gpus=4, stop_timeout_s=60.0))
    assert command[:2] == ["wunderkammer.gan.launch", "job.json"]
    assert command[2:] == ["--num-processes", "4", "--num-nodes", "1", "--stop-timeout-s", "50"]


def test_several_nodes_are_told_where_to_meet():
    command = words(Trainer(num_nodes=2, rendezvous="node1:29400"))
    assert command[-2:] == ["--rendezvous", "node1:29400"]
    assert command[2:6] == ["--num-processes", "1", "--num-nodes", "2"]


@pytest.mark.parametrize(("named", "number"), [("auto", 0), ("3", 3), ("", 1)])
def test_the_environment_says_how_many_gpus_unless_the_setting_does(monkeypatch, named, number):
    monkeypatch.setenv("WUNDERKAMMER_NUM_GPUS", named)
    assert Trainer().num_processes == number
    assert Trainer(num_gpus=2).num_processes == 2


def test_a_number_of_gpus_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("WUNDERKAMMER_NUM_GPUS", "two")
    with pytest.raises(ValueError, match=r"WUNDERKAMMER_NUM_GPUS='two'.*'auto'"):
        words(Trainer())


@pytest.mark.parametrize("settings", [{"num_gpus": -1}, {"num_nodes": 0}, {"num_nodes": 2}])
def test_settings_that_start_nothing_are_refused(settings):
    with pytest.raises(ValidationError):
        Trainer(**settings)


def test_the_other_machines_get_the_job_from_the_store_and_a_command(caplog):
    written = {}
    store = SimpleNamespace(write=written.__setitem__, address=lambda key: f"/shared/{key}")
    job = SimpleNamespace(run_prefix="runs/t", model_dump_json=lambda: "{}")
    context = SimpleNamespace(log=logging.getLogger("test"))
    trainer = Trainer(num_nodes=2, rendezvous="node1:29400")
    with caplog.at_level("INFO"):
        trainer._invite(context, SimpleNamespace(store=store), job)
    assert written == {"runs/t/job.json": b"{}"}
    assert "on each of 1 other machines: python -m wunderkammer.gan.launch" in caplog.text
    assert "/shared/runs/t/job.json" in caplog.text


def test_a_tick_is_observed_with_its_speed_use_and_end():
    events = []
    context = SimpleNamespace(
        log_event=events.append, asset_key="trained_checkpoint", partition_key="cat"
    )
    metrics = {"loss/generator": 1.5, "gpu/use_percent": 97.0, ETA_S: 11_100.0}
    message = {"kind": "tick", "kimg": 4.0, "metrics": metrics, "grid_jpeg_base64": None}
    module._report(context, message, "http://127.0.0.1:6006")
    module._report(context, {"kind": "other"}, "http://127.0.0.1:6006")
    (event,) = events
    shown = {name: value.value for name, value in event.metadata.items()}
    assert shown[ETA_S] == "3 h 05 min"
    assert shown["gpu/use_percent"] == 97.0
    assert shown["kimg"] == 4.0
