import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from recipes import subject

from wunderkammer.build import MissingUpstreamError, build_stage
from wunderkammer.params import digest
from wunderkammer.stages import FILTERED_CROPS, RAW_SCRAPE
from wunderkammer.staleness import assess
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import MANIFEST, Draft, Summary, Versions


class Builder:
    """Counts its runs; what it builds depends on the settings and the upstreams alone."""

    def __init__(self, content: str = "") -> None:
        self.num_runs = 0
        self.content = content

    def __call__(self, inputs):
        self.num_runs += 1
        content = self.content or json.dumps(
            [inputs.fingerprint, {n: r.data_version for n, r in inputs.upstreams.items()}]
        )
        return Draft(
            data_version=digest(content),
            summary=Summary(num_in=3, num_out=2, timings_s={"crop": 1.0}),
            manifest=pa.table({"id": [content]}),
            files={"kept.jpg": content.encode()},
        )


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def built(stage, recipe, store, builder, *, force=False):
    return build_stage(stage, recipe, store=store, builder=builder, force=force)


def state(recipe, store, asset="raw_scrape"):
    (step,) = [step for step in assess(recipe, Versions(store)) if step.asset == asset]
    return step.state, step.cause


def test_the_first_build_runs_and_the_second_does_not(store):
    scrape = Builder()
    first = built(RAW_SCRAPE, subject(), store, scrape)
    second = built(RAW_SCRAPE, subject(), store, scrape)
    assert (first.was_fresh, second.was_fresh) == (False, True)
    assert second.record == first.record == Versions(store).current("cat", "raw_scrape")
    assert scrape.num_runs == 1


def test_the_record_says_what_it_was_built_from(store):
    scraped = built(RAW_SCRAPE, subject(), store, Builder()).record
    record = built(FILTERED_CROPS, subject(), store, Builder()).record
    assert record.code_version == FILTERED_CROPS.code_version
    assert record.sections == {"filter": {"kind": "square", "min_side_px": 64, "size_px": 64}}
    assert record.upstreams == {"raw_scrape": scraped.data_version}
    assert record.files == ("kept.jpg", MANIFEST)
    assert record.summary.num_out == 2
    assert set(record.summary.timings_s) == {"crop", "total"}


def test_a_stage_can_not_run_before_the_one_that_it_reads(store):
    crop = Builder()
    with pytest.raises(MissingUpstreamError, match="reads raw_scrape, which was never built"):
        built(FILTERED_CROPS, subject(), store, crop)
    assert crop.num_runs == 0
    assert Versions(store).attempt("cat", "filtered_crops") is None


def test_a_setting_changed_and_changed_back_restores_without_running(store):
    scrape = Builder()
    one, other = subject(), subject(scrape__path="paintings")
    first = built(RAW_SCRAPE, one, store, scrape).record
    changed = built(RAW_SCRAPE, other, store, scrape).record
    assert changed.data_version != first.data_version
    restored = built(RAW_SCRAPE, one, store, scrape)
    assert (restored.was_fresh, restored.record) == (True, first)
    assert Versions(store).current("cat", "raw_scrape") == first
    assert scrape.num_runs == 2


def test_a_new_code_version_runs_again(store, monkeypatch):
    scrape = Builder()
    built(RAW_SCRAPE, subject(), store, scrape)
    newer = type(RAW_SCRAPE)("raw_scrape", "2", ("scrape",))
    assert not built(newer, subject(), store, scrape).was_fresh
    assert scrape.num_runs == 2


def test_a_comment_or_another_subject_runs_nothing_here(store):
    scrape = Builder()
    built(RAW_SCRAPE, subject(), store, scrape)
    built(RAW_SCRAPE, subject(filter__min_side_px=96, scrape__max_images=None), store, scrape)
    assert scrape.num_runs == 1
    built(RAW_SCRAPE, subject("dog"), store, scrape)
    assert scrape.num_runs == 2


def test_force_runs_and_its_result_is_what_later_builds_find(store):
    built(RAW_SCRAPE, subject(), store, Builder("yesterday"))
    forced = built(RAW_SCRAPE, subject(), store, Builder("today"), force=True)
    assert not forced.was_fresh
    again = built(RAW_SCRAPE, subject(), store, Builder("never"))
    assert again.was_fresh
    assert again.record == forced.record
    assert again.record.data_version == digest("today")


def test_what_failed_in_passing_is_tried_once_more_and_not_for_ever(store):
    """A picture that timed out on a busy machine; one that does so again is given up."""
    num_runs, rejections = 0, [{"timed_out": 2, "blurred": 1}, {"timed_out": 1}, {}]

    def crop(inputs):
        nonlocal num_runs
        num_runs += 1
        summary = Summary(rejections=rejections[num_runs - 1])
        return Draft(str(num_runs), summary, pa.table({"id": [num_runs]}))

    built(RAW_SCRAPE, subject(), store, Builder())
    built(FILTERED_CROPS, subject(), store, crop)
    cause = "2 failed in passing, to be tried once more"
    assert state(subject(), store, "filtered_crops") == ("stale", cause)
    assert built(FILTERED_CROPS, subject(), store, crop).record.data_version == "2"
    assert state(subject(), store, "filtered_crops") == ("fresh", "")
    assert built(FILTERED_CROPS, subject(), store, crop).was_fresh
    assert num_runs == 2


def test_a_scrape_is_not_repeated_for_downloads_that_failed(store):
    def scrape(inputs):
        return Draft("d", Summary(rejections={"timed_out": 2}), pa.table({"id": [1]}))

    built(RAW_SCRAPE, subject(), store, scrape)
    assert state(subject(), store) == ("fresh", "")
    assert built(RAW_SCRAPE, subject(), store, None).was_fresh


def test_new_content_upstream_makes_the_next_stage_run_and_equal_content_does_not(store):
    crop = Builder()
    built(RAW_SCRAPE, subject(), store, Builder("same"))
    built(FILTERED_CROPS, subject(), store, crop)
    built(RAW_SCRAPE, subject(), store, Builder("same"), force=True)
    assert built(FILTERED_CROPS, subject(), store, crop).was_fresh
    built(RAW_SCRAPE, subject(), store, Builder("more"), force=True)
    assert not built(FILTERED_CROPS, subject(), store, crop).was_fresh
    assert crop.num_runs == 2


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt("stopped")])
def test_a_failing_builder_leaves_the_version_before_it_and_its_reason(store, error):
    before = built(RAW_SCRAPE, subject(), store, Builder()).record
    changed = subject(scrape__path="paintings")

    def fail(_inputs):
        raise error

    with pytest.raises(type(error)):
        built(RAW_SCRAPE, changed, store, fail)
    versions = Versions(store)
    assert versions.current("cat", "raw_scrape") == before
    assert versions.read(before, "kept.jpg")
    reason = f"{type(error).__name__}: {error}"
    assert versions.attempt("cat", "raw_scrape").failure == reason
    assert state(changed, store) == ("failed", f"{reason}; scrape.path: pictures → paintings")
    assert not built(RAW_SCRAPE, changed, store, Builder()).was_fresh
    assert state(changed, store) == ("fresh", "")


def test_a_failure_is_forgotten_when_what_is_wanted_was_built_before(store):
    built(RAW_SCRAPE, subject(), store, Builder())

    def fail(_inputs):
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        built(RAW_SCRAPE, subject(), store, fail, force=True)
    assert state(subject(), store) == ("failed", "OSError: no network")
    assert built(RAW_SCRAPE, subject(), store, fail).was_fresh
    assert state(subject(), store) == ("fresh", "")


# Builds for each number n in a child that is killed before its n-th write, until one gets through.
KILLED = """
import os, signal, sys
import pandas  # pyarrow would import it anew in each child
sys.path.insert(0, sys.argv[1])
from recipes import subject
from test_build import Builder
from wunderkammer.build import build_stage
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.store import Store

class DyingStore(Store):
    num_writes = 0
    def write(self, key, content):
        if DyingStore.num_writes == wanted:
            print(wanted, key.removeprefix("subjects/cat/raw_scrape/"), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        DyingStore.num_writes += 1
        super().write(key, content)
    def delete(self, key):
        if DyingStore.num_writes == wanted:
            print(wanted, "done", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        super().delete(key)

for wanted in range(20):
    child = os.fork()
    if child == 0:
        folder = os.path.join(sys.argv[2], str(wanted))
        build_stage(RAW_SCRAPE, subject(), store=Store(folder), builder=Builder("yesterday"))
        changed = subject(scrape__path="paintings")
        build_stage(RAW_SCRAPE, changed, store=DyingStore(folder), builder=Builder("today"))
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """The folders of stores whose process was killed, with the key that was to be written next."""
    root = tmp_path_factory.mktemp("killed")
    arguments = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(root)]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=True)
    kills = dict(line.split() for line in run.stdout.splitlines())
    return {key: root / number for number, key in kills.items()}


def test_the_process_was_killed_before_each_of_its_writes(kills):
    kinds = [key.split("/")[0] + "/" + key.split("/")[-1].split(".")[-1] for key in kills]
    assert kinds == [
        "attempt.json/json",
        "versions/jpg",
        "versions/parquet",
        "built/json",
        "current.json/json",
        "done/done",
    ]


def test_a_build_killed_at_any_instant_leaves_a_whole_version_and_a_rerun_completes(kills):
    changed = subject(scrape__path="paintings")
    for key, folder in kills.items():
        store = Store(str(folder))
        versions = Versions(store)
        before = versions.current("cat", "raw_scrape")
        assert before.data_version == digest("today" if key == "done" else "yesterday")
        assert [bool(versions.read(before, name)) for name in before.files] == [True, True]
        now, cause = state(changed, store)
        if key == "attempt.json":
            assert (now, cause) == ("stale", "scrape.path: pictures → paintings")
        elif key == "done":
            assert (now, cause) == ("fresh", "")
        else:
            assert now == "failed"
            assert cause.startswith("interrupted: its process ")
        rerun = Builder("today")
        record = built(RAW_SCRAPE, changed, store, rerun).record
        assert rerun.num_runs == (0 if key in ("current.json", "done") else 1)
        assert record.data_version == digest("today")
        assert versions.current("cat", "raw_scrape") == record
        assert state(changed, store) == ("fresh", "")
        assert [bool(versions.read(record, name)) for name in record.files] == [True, True]


def test_a_run_of_an_older_recipe_that_ends_last_does_not_take_the_pointer(tmp_path):
    store = Store(str(tmp_path))
    old, new = subject(), subject(scrape__path="elsewhere")
    stage = RAW_SCRAPE

    def slow(inputs):
        build_stage(stage, new, store=store, builder=lambda _: Draft("new", Summary()))
        return Draft("old", Summary())

    build_stage(stage, old, store=store, builder=slow)
    versions = Versions(store)
    assert versions.current("cat", stage.name).data_version == "new"
    assert versions.attempt("cat", stage.name) is None
    restored = build_stage(stage, old, store=store, builder=lambda _: 1 / 0)
    assert restored.was_fresh
    assert versions.current("cat", stage.name).data_version == "old"


def test_an_older_run_that_ends_first_leaves_the_note_of_the_newer_one(tmp_path):
    store = Store(str(tmp_path))
    stage = RAW_SCRAPE

    def overtaken(inputs):
        Versions(store).begin("cat", stage.name, "newer")
        return Draft("old", Summary())

    build_stage(stage, subject(), store=store, builder=overtaken)
    assert Versions(store).attempt("cat", stage.name).fingerprint == "newer"
    assert Versions(store).current("cat", stage.name) is None
