"""A real Dagster instance with its daemon: an edit runs what it makes stale, once, and no more."""

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from wunderkammer.stages import DETECTIONS, REVIEWED_CROPS, STAGES, TRAINED_DETECTOR

PROJECT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
# The others are noted as absent, and nothing is built.
CHAIN = [s.name for s in STAGES if s not in (TRAINED_DETECTOR, DETECTIONS, REVIEWED_CROPS)]
# Three ticks of the automation sensor without a run: nothing more will come.
QUIET_S = 16.0
DEADLINE_S = 240.0
UNFINISHED = dg.RunsFilter(
    statuses=[
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]
)


@pytest.fixture
def environ(workplace):
    # One thread a process: tests run side by side.
    return {**os.environ, **workplace.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def built(workplace, environ):
    """Two subjects, brought up to date from the command line."""
    workplace.write("corgi")
    workplace.write("foram", scrape={"seed": 1})
    subprocess.run([BIN / "wunderkammer", "refresh", "corgi", "foram"], env=environ, check=True)
    return workplace


@pytest.fixture
def daemon(built, environ):
    command = [BIN / "dagster-daemon", "run", "--workspace", PROJECT / "workspace.yaml"]
    with (built.home / "daemon.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, cwd=PROJECT, stdout=log, stderr=log)
        yield built
        process.terminate()
        process.wait(timeout=60)


def materializations(instance):
    """(subject, asset) of every materialization so far, oldest first."""
    found = []
    for name in CHAIN:
        records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
        found += [(r.storage_id, r.partition_key, name) for r in records]
    return [(subject, asset) for _, subject, asset in sorted(found)]


def new_materializations(instance, before, *, expected):
    """What was materialized since `before`, when nothing more comes."""
    deadline = time.monotonic() + DEADLINE_S
    seen, changed = 0, time.monotonic()
    while time.monotonic() < deadline:
        new = materializations(instance)[before:]
        unfinished = instance.get_runs(UNFINISHED)
        if len(new) != seen or unfinished:
            seen, changed = len(new), time.monotonic()
        if len(new) >= expected and time.monotonic() - changed > QUIET_S:
            return new
        time.sleep(1)
    raise AssertionError(f"{expected} materializations expected in {DEADLINE_S} s, got {new}")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_edit_runs_exactly_its_own_steps_and_unchanged_content_stops_there(daemon):
    with dg.DagsterInstance.from_config(str(daemon.home)) as instance:
        before = len(materializations(instance))
        # No picture of the recipe is between 24 and 30 px: the crops stay the same.
        daemon.write("corgi", filter={"min_side_px": 30})
        assert new_materializations(instance, before, expected=1) == [("corgi", "filtered_crops")]
        daemon.write("corgi", filter={"min_side_px": 47})
        assert new_materializations(instance, before + 1, expected=5) == [
            ("corgi", "filtered_crops"),
            ("corgi", "deduped_shards"),
            ("corgi", "trained_checkpoint"),
            # It reads the shards too, so it is in the training's run, and not run again after it.
            ("corgi", "evaluation"),
            ("corgi", "interpolation_video"),
        ]
