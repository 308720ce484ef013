import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_decisions import decision, proposal, undo
from review_kit import SUBJECT

from wunderkammer.review.journal import (
    SEGMENT_ROWS,
    Journal,
    decisions_prefix,
    decisions_version,
    read_decisions,
)
from wunderkammer.storage.store import Store

WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from review_decisions import decision, proposal
from wunderkammer.review.journal import Journal
from wunderkammer.storage.store import Store
journal = Journal(Store(sys.argv[1]), "quilt")
for number in range(10_000):
    made = decision(about=proposal(number), order=number + 1)
    journal.append([made])
    print(made.id, flush=True)
"""


@pytest.fixture(params=["disk", "memory"])
def store(request, tmp_path):
    return Store(str(tmp_path / "data") if request.param == "disk" else "memory:///")


def segments(store):
    return sorted(store.keys(decisions_prefix(SUBJECT)))


def test_decisions_come_back_as_they_were_made(store):
    first = decision("reject", reason="blurred", about=proposal(1, class_name="quilt"))
    second = undo(first)
    journal = Journal(store, SUBJECT)
    journal.append([first])
    journal.append([second])
    assert read_decisions(store, SUBJECT) == [first, second]
    assert journal.refresh() == []


def test_of_a_subject_without_decisions_there_are_none(store):
    assert read_decisions(store, SUBJECT) == []


def test_each_writer_has_objects_of_its_own_and_reads_those_of_all(store):
    ours, theirs = Journal(store, SUBJECT), Journal(store, SUBJECT)
    first, second, third = (decision(about=proposal(n)) for n in range(3))
    ours.append([first])
    theirs.append([second])
    assert ours.refresh() == [second]
    assert theirs.refresh() == [first]
    ours.append([third])
    assert theirs.refresh() == [third]
    assert len(segments(store)) == 2


def test_a_segment_stays_small(store):
    journal = Journal(store, SUBJECT)
    made = [decision(about=proposal(n)) for n in range(2 * SEGMENT_ROWS)]
    for start in range(0, len(made), 20):
        journal.append(made[start : start + 20])
    assert len(segments(store)) == 2
    assert {one.id for one in read_decisions(store, SUBJECT)} == {one.id for one in made}


def test_the_version_changes_with_each_decision_and_only_then(store):
    versions = [decisions_version(store, SUBJECT)]
    journal = Journal(store, SUBJECT)
    for number in range(3):
        journal.append([decision(about=proposal(number))])
        versions.append(decisions_version(store, SUBJECT))
    assert len(set(versions)) == 4
    assert decisions_version(store, SUBJECT) == versions[-1]


def test_while_somebody_is_deciding_there_is_no_settled_version(tmp_path):
    store = Store(str(tmp_path))
    settled = decisions_version(store, SUBJECT, quiet_s=60)
    assert settled == decisions_version(store, SUBJECT)
    Journal(store, SUBJECT).append([decision()])
    assert decisions_version(store, SUBJECT, quiet_s=60) is None
    (key,) = segments(store)
    before = (datetime.now(UTC) - timedelta(seconds=61)).timestamp()
    os.utime(store.path(key), (before, before))
    assert decisions_version(store, SUBJECT, quiet_s=60) == decisions_version(store, SUBJECT)


def test_a_line_that_was_cut_off_is_left_out_and_read_once_it_is_whole(tmp_path):
    store = Store(str(tmp_path))
    journal = Journal(store, SUBJECT)
    first, second = decision(about=proposal(1)), decision(about=proposal(2))
    journal.append([first, second])
    (key,) = segments(store)
    whole = store.path(key).read_bytes()
    reader = Journal(store, SUBJECT)
    for cut in (0, 10, len(whole) // 2 - 1):
        store.path(key).write_bytes(whole[:cut])
        assert reader.refresh() == []
    store.path(key).write_bytes(whole[:-1])
    assert reader.refresh() == [first]
    store.path(key).write_bytes(whole)
    assert reader.refresh() == [second]


def test_a_damaged_line_costs_that_line_and_is_told(tmp_path, caplog):
    store = Store(str(tmp_path))
    made = [decision(about=proposal(n)) for n in range(3)]
    Journal(store, SUBJECT).append(made)
    (key,) = segments(store)
    lines = store.path(key).read_bytes().splitlines(keepends=True)
    store.path(key).write_bytes(lines[0] + b"\0" * 80 + b"\n" + lines[2])
    assert read_decisions(store, SUBJECT) == [made[0], made[2]]
    assert "a damaged decision on quilt is ignored" in caplog.text


def test_what_could_not_be_written_may_be_appended_again(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    journal = Journal(store, SUBJECT)
    first, second = decision(about=proposal(1)), decision(about=proposal(2))
    journal.append([first])

    def full_disk(_handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="No space left"):
            journal.append([second])
    journal.append([second])
    assert read_decisions(store, SUBJECT) == [first, second]


def test_a_writer_that_is_killed_loses_nothing_that_it_has_said_is_kept(tmp_path):
    kit = str(Path(__file__).parent)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data"), kit]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = [writer.stdout.readline().strip() for _ in range(random.randint(20, 60))]
    writer.kill()
    said += writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    kept = {one.id for one in read_decisions(Store(str(tmp_path / "data")), SUBJECT)}
    assert len(said) >= 20
    assert set(said) <= kept
    assert len(kept) <= len(said) + 1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=14))
def test_however_two_processes_take_turns_both_know_all_in_the_end(turns):
    store = Store("memory:///")
    journals = [Journal(store, SUBJECT), Journal(store, SUBJECT)]
    known = [set(), set()]
    for number, (who, looks) in enumerate(turns):
        if looks:
            known[who] |= {one.id for one in journals[who].refresh()}
            continue
        made = decision(about=proposal(number % 3), order=number + 1)
        journals[who].append([made])
        known[who].add(made.id)
    for who, journal in enumerate(journals):
        known[who] |= {one.id for one in journal.refresh()}
    everything = {one.id for one in read_decisions(store, SUBJECT)}
    assert known[0] == known[1] == everything
    assert len(everything) == sum(not looks for _, looks in turns)
