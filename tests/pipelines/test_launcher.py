import os
import subprocess
import sys

import dagster as dg
import psutil
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import WorkerStatus

from pipelines.launcher import WatchedRunLauncher, fail_dead_runs


@pytest.fixture
def launcher():
    settings = {"module": "pipelines.launcher", "class": "WatchedRunLauncher"}
    with dg.instance_for_test(overrides={"run_launcher": settings}) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, WatchedRunLauncher)
        yield launcher, instance


def started_run(instance, pid):
    run = dg.DagsterRun(job_name="chain", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    instance.report_engine_event(
        "Started process for run", run, EngineEventData({"pid": dg.MetadataValue.text(str(pid))})
    )
    return run


def test_a_run_whose_process_lives_is_healthy(launcher):
    watched, instance = launcher
    run = started_run(instance, os.getpid())
    assert watched.check_run_worker_health(run).status == WorkerStatus.RUNNING


def test_a_run_whose_process_is_gone_has_failed(launcher):
    watched, instance = launcher
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    health = watched.check_run_worker_health(started_run(instance, process.pid))
    assert health.status == WorkerStatus.FAILED
    assert str(process.pid) in (health.msg or "")


def test_a_pid_that_a_younger_process_has_taken_over_does_not_count(launcher, monkeypatch):
    watched, instance = launcher
    run = started_run(instance, os.getpid())
    later = psutil.Process().create_time() + 3600
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: later)
    assert watched.check_run_worker_health(run).status == WorkerStatus.FAILED


def test_a_run_that_names_no_process_is_unknown_after_a_while(launcher, monkeypatch):
    watched, instance = launcher
    run = dg.DagsterRun(job_name="chain", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    assert watched.check_run_worker_health(run).status == WorkerStatus.RUNNING
    monkeypatch.setattr("pipelines.launcher.FIRST_WORD_S", -1.0)
    assert watched.check_run_worker_health(run).status == WorkerStatus.UNKNOWN


def test_dead_runs_are_failed_and_give_back_their_slots(launcher):
    _, instance = launcher
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, alive = started_run(instance, process.pid), started_run(instance, os.getpid())
    assert storage.claim_concurrency_slot("gpu", dead.run_id, "trained_checkpoint").is_claimed
    fail_dead_runs(instance)
    assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(alive.run_id).status == dg.DagsterRunStatus.STARTED
    assert storage.claim_concurrency_slot("gpu", alive.run_id, "trained_checkpoint").is_claimed
