import os
import socket
import subprocess
import sys
import time

import psutil
import pyarrow as pa
import pytest

from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import MANIFEST, Attempt, Draft, Record, Summary, Versions

TABLE = pa.table({"id": ["a", "b"], "decision": ["kept", "rejected"]})


@pytest.fixture
def versions(tmp_path):
    return Versions(Store(str(tmp_path)))


def record(fingerprint="f1", data_version="d1"):
    return Record(
        subject="cat",
        stage="filtered_crops",
        version="",
        data_version=data_version,
        fingerprint=fingerprint,
        code_version="1",
        sections={"filter": {"kind": "square", "min_side_px": 64, "background": [255, 255, 255]}},
        upstreams={"raw_scrape": "u1"},
        files=(),
        summary=Summary(num_in=2, num_out=1, rejections={"too_small": 1}),
        created_at="2026-01-01T00:00:00+00:00",
    )


def draft(data_version="d1", files=None, manifest=TABLE):
    return Draft(data_version, Summary(), manifest, files or {"kept.jpg": b"sheet"})


def attempt(**changes):
    process = psutil.Process()
    facts = {
        "fingerprint": "f1",
        "started_at": "2026-01-01T00:00:00+00:00",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_started": process.create_time(),
    }
    return Attempt(**{**facts, **changes})


def test_nothing_is_built_at_first(versions):
    assert versions.current("cat", "filtered_crops") is None
    assert versions.built("cat", "filtered_crops", "f1") is None
    assert versions.attempt("cat", "filtered_crops") is None


def test_a_committed_version_is_current_and_reads_back_whole(versions):
    done = versions.commit(record(), draft())
    assert versions.current("cat", "filtered_crops") == done
    assert versions.built("cat", "filtered_crops", "f1") == done
    assert done.files == ("kept.jpg", MANIFEST)
    assert versions.read(done, "kept.jpg") == b"sheet"
    assert versions.manifest(done) == TABLE


def test_a_file_on_the_disk_is_published_like_bytes(versions, tmp_path):
    file = tmp_path / "film.mp4"
    file.write_bytes(b"sheet")
    from_file = versions.commit(record(), draft(files={"kept.jpg": file}))
    assert from_file.version == versions.commit(record(), draft()).version
    assert versions.read(from_file, "kept.jpg") == b"sheet"


def test_equal_content_is_one_version_and_any_difference_another(versions):
    same = {versions.commit(record(), draft()).version for _ in range(2)}
    assert len(same) == 1
    others = {
        versions.commit(record("f2"), draft()).version,
        versions.commit(record(), draft("d2")).version,
        versions.commit(record(), draft(files={"kept.jpg": b"other"})).version,
        versions.commit(record(), draft(files={"kept2.jpg": b"sheet"})).version,
        versions.commit(record(), draft(manifest=TABLE.slice(1))).version,
    }
    assert len(others) == 5
    assert not others & same


def test_an_old_version_stays_readable_beside_the_new_one(versions):
    old = versions.commit(record("f1"), draft(files={"kept.jpg": b"old"}))
    new = versions.commit(record("f2"), draft(files={"kept.jpg": b"new"}))
    assert versions.current("cat", "filtered_crops") == new
    assert versions.read(old, "kept.jpg") == b"old"
    versions.restore(old)
    assert versions.current("cat", "filtered_crops") == old
    assert versions.built("cat", "filtered_crops", "f2") == new


def test_subjects_and_stages_are_apart(versions):
    versions.commit(record(), draft())
    assert versions.current("cat", "raw_scrape") is None
    assert versions.current("dog", "filtered_crops") is None


def test_settings_and_measures_survive_the_way_through_the_store(versions):
    summary = Summary(measures={"loss": 0.1, "mode": "EMA", "sizes": [1, 2], "best": None})
    done = versions.commit(record().model_copy(update={"summary": summary}), draft())
    again = versions.current("cat", "filtered_crops")
    assert again == done
    assert again.sections == record().sections
    assert again.summary.measures == summary.measures


def test_a_running_attempt_has_not_failed(versions):
    begun = versions.begin("cat", "filtered_crops", "f1")
    found = versions.attempt("cat", "filtered_crops")
    assert found == begun
    assert found.is_running
    assert found.failure is None


def test_a_failed_attempt_says_why_and_a_success_removes_it(versions):
    begun = versions.begin("cat", "filtered_crops", "f1")
    versions.fail("cat", "filtered_crops", begun, "OSError: the disk is full")
    found = versions.attempt("cat", "filtered_crops")
    assert not found.is_running
    assert found.failure == "OSError: the disk is full"
    versions.succeed("cat", "filtered_crops", "f")
    assert versions.attempt("cat", "filtered_crops") is None


def test_an_attempt_whose_process_is_gone_was_interrupted():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pid = process.pid
    gone = attempt(pid=pid)
    assert not gone.is_running
    assert gone.failure == f"interrupted: its process {pid} on {socket.gethostname()} is gone"


def test_a_dead_process_that_its_parent_has_not_looked_after_counts_as_gone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        child = psutil.Process(process.pid)
        seen = attempt(pid=process.pid, pid_started=child.create_time())
        assert seen.is_running
        process.kill()
        while child.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert seen.failure.startswith("interrupted: ")


def test_a_younger_process_with_the_same_number_is_not_the_attempt():
    reused = attempt(pid_started=psutil.Process().create_time() - 3600)
    assert reused.failure.startswith("interrupted: ")


def test_a_process_of_another_host_is_taken_at_its_word():
    assert attempt(host="elsewhere", pid=1).is_running
    assert attempt(host="elsewhere", pid=1, error="stopped").failure == "stopped"
