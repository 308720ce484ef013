"""A run that is killed at any stage loses nothing, and the next one goes on from there."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import Workplace
from wunderkammer.stages import chain
from wunderkammer.staleness import assess
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import load_subject

# Kills the process when all work of the stage named by its argument is done but nothing published.
KILLED_BEFORE_COMMIT = """
import os, signal, sys
from wunderkammer.storage.versions import Versions
from pipelines.cli import app

publish = Versions.commit

def commit(self, record, draft, **options):
    if record.stage == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return publish(self, record, draft, **options)

if __name__ == "__main__":
    Versions.commit = commit
    app(["refresh", "tiny"])
"""
REFRESH = ["-m", "pipelines.cli", "refresh", "tiny"]


def start(place, arguments):
    # One thread a process: tests run side by side, and bits must not depend on how many.
    environ = {**os.environ, **place.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environ,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, expected):
    _, log = process.communicate(timeout=240)
    assert process.returncode == expected, log
    return log


def states(place):
    subject = load_subject(place.subjects / "tiny.yaml")
    return {step.asset: step for step in assess(subject, Versions(Store(str(place.data))))}


def records(place):
    versions = Versions(Store(str(place.data)))
    stages = chain(load_subject(place.subjects / "tiny.yaml").spec, has_decisions=False)
    found = {stage.name: versions.current("tiny", stage.name) for stage in stages}
    return {name: record for name, record in found.items() if record is not None}


def kill_after_the_first_checkpoint(process, place):
    deadline = time.monotonic() + 200
    runs = place.data / "subjects" / "tiny" / "trained_checkpoint" / "runs"
    while not list(runs.glob("*/checkpoints/*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    return finish(process, -signal.SIGKILL)


@pytest.fixture
def places(tmp_path):
    places = []
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        places.append(Workplace(tmp_path / name))
        places[-1].write("tiny")
    return places


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_chain_killed_in_every_stage_ends_as_an_undisturbed_one(places):
    undisturbed, killed = places
    script = killed.home.parent / "killed_before_commit.py"
    script.write_text(KILLED_BEFORE_COMMIT)
    finish(start(undisturbed, REFRESH), 0)
    order = list(records(undisturbed))
    assert len(order) == 6

    complete = {}
    for number, stage in enumerate(order):
        if stage == "trained_checkpoint":
            kill_after_the_first_checkpoint(start(killed, REFRESH), killed)
            assert stage not in records(killed)
        log = finish(start(killed, [script, stage]), -signal.SIGKILL)
        if stage == "trained_checkpoint":
            assert "goes on from" in log
        state = states(killed)
        assert state[stage].state == "failed"
        assert "interrupted" in state[stage].cause
        assert [name for name in order if state[name].state == "fresh"] == order[:number]
        built = records(killed)
        assert {name: built[name] for name in complete} == complete, "a complete step ran again"
        complete = built

    finish(start(killed, REFRESH), 0)
    assert {step.state for step in states(killed).values()} == {"fresh"}
    final = records(killed)
    assert {name: final[name] for name in complete} == complete, "a complete step ran again"
    assert {name: record.data_version for name, record in final.items()} == {
        name: record.data_version for name, record in records(undisturbed).items()
    }
