import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.harvest import outcomes
from wunderkammer.harvest.outcomes import MAX_WAIT_DAYS, Outcome, Outcomes
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "data"))


@pytest.fixture
def journal(tmp_path) -> Path:
    return tmp_path / "scratch" / "site.jsonl"


def at(second: int) -> str:
    return (AT + timedelta(seconds=second)).isoformat(timespec="microseconds")


def failed(url: str, second: int = 0, **changes: object) -> Outcome:
    return Outcome(
        url=url, at=at(second), reason="http_500", detail="500", num_failures=1, **changes
    )


@pytest.fixture
def begin(store, journal) -> Iterator[Callable[[], Outcomes]]:
    """Begins a run, however the one before it ended."""
    runs: list[Outcomes] = []

    def begin() -> Outcomes:
        runs.append(Outcomes(store, "ledger/outcomes/site", journal=journal))
        return runs[-1]

    yield begin
    for run in runs:
        run._journal.close()


def test_what_was_never_asked_for_is_unknown(begin):
    assert begin().find(["u", "v"]) == [None, None]
    assert begin().find([]) == []


def test_what_was_added_is_found_at_once_and_by_the_next_run(begin, journal):
    first = begin()
    one, other = failed("u", headers='{"etag": "x"}'), Outcome(url="v", at=at(1), num_bytes=3)
    first.add([one, other])
    assert first.find(["v", "w", "u"]) == [other, None, one]
    first.close()
    assert not journal.exists()
    assert begin().find(["v", "w", "u"]) == [other, None, one]


def test_the_journal_of_a_killed_run_counts(begin, journal):
    begin().add([failed("u")])
    assert journal.read_text().count("\n") == 1
    second = begin()
    assert second.find(["u"]) == [failed("u")]
    assert journal.read_text() == ""
    # The next kill may come at once.
    assert begin().find(["u"]) == [failed("u")]


@pytest.mark.parametrize("num_chars_lost", [1, 2, 30, 100])
def test_half_a_line_of_a_killed_run_is_ignored(begin, journal, num_chars_lost):
    begin().add([failed("u"), failed("v")])
    journal.write_text(journal.read_text()[: -1 - num_chars_lost])
    assert begin().find(["u", "v"]) == [failed("u"), None]


def test_a_journal_of_zeros_is_what_a_power_cut_leaves_and_is_ignored(begin, journal):
    begin().add([failed("u")])
    journal.write_bytes(journal.read_bytes() + bytes(4096))
    assert begin().find(["u"]) == [failed("u")]


def test_a_journal_that_was_folded_in_already_changes_nothing(begin, journal):
    begin().add([failed("u", 0), failed("u", 1)])
    text = journal.read_text()
    begin()
    journal.write_text(text)
    assert begin().find(["u"]) == [failed("u", 1)]


def test_the_latest_outcome_of_a_url_counts_whatever_the_order(begin):
    for seconds in ((0, 2), (1, 5), (3, 3)):
        run = begin()
        run.add([failed("u", second) for second in seconds])
        run.close()
    assert begin().find(["u"]) == [failed("u", 5)]


def test_a_success_after_failures_forgets_them(begin):
    run = begin()
    good = Outcome(url="u", at=at(1), num_bytes=1)
    run.add([failed("u", 0)])
    run.add([good])
    assert run.find(["u"]) == [good]
    run.close()
    assert begin().find(["u"]) == [good]


def test_a_file_whose_blob_is_gone_is_asked_for_again(begin, store):
    sha256 = Blobs(store).put(b"a picture")
    run = begin()
    run.add([Outcome(url="u", at=at(0), sha256=sha256, blob=sha256)])
    run.close()
    assert begin().find(["u"]) != [None]
    store.delete(Blobs.key(sha256))
    assert begin().find(["u"]) == [None]


def test_many_are_folded_on_the_way_and_lost_by_no_kill(begin, journal, monkeypatch):
    monkeypatch.setattr(outcomes, "FOLD_ROWS", 4)
    run = begin()
    urls = [f"u{number}" for number in range(11)]
    for number, url in enumerate(urls):
        run.add([failed(url, number)])
        assert run.find([url, urls[0]]) == [failed(url, number), failed(urls[0], 0)]
    assert journal.read_text().count("\n") == 3
    found = begin().find(urls)
    assert [one and one.url for one in found] == urls


def test_a_second_run_at_the_same_time_takes_nothing_from_the_first(begin, journal, monkeypatch):
    monkeypatch.setattr(outcomes, "FOLD_ROWS", 3)
    first = begin()
    first.add([failed("a")])
    second = begin()
    assert second.find(["a"]) == [failed("a")]
    first.add([failed("b")])
    second.add([failed("c")])
    second.close()
    first.add([failed("d")])
    assert first.find(["a", "b", "d"]) == [failed("a"), failed("b"), failed("d")]
    first.close()
    assert begin().find(list("abcd")) == [failed(url) for url in "abcd"]


@pytest.mark.parametrize("line", ["12", "{}", '{"url": "u", "colour": "red"}', "\x00\xff"])
def test_a_line_of_another_shape_is_ignored(begin, journal, line):
    begin().add([failed("u")])
    journal.write_bytes(line.encode("latin-1") + b"\n" + journal.read_bytes())
    assert begin().find(["u"]) == [failed("u")]


def test_one_thread_finds_what_another_adds(begin, journal, monkeypatch):
    monkeypatch.setattr(outcomes, "FOLD_ROWS", 16)
    run = begin()
    urls = [f"u{number}" for number in range(120)]

    def add_all() -> None:
        for number, url in enumerate(urls):
            run.add([failed(url, number)])

    adding = Thread(target=add_all)
    adding.start()
    num_found = 0
    while adding.is_alive():
        found = [one for one in run.find(urls) if one is not None]
        assert len(found) >= num_found, "what was found once is not found again"
        num_found = len(found)
    adding.join()
    assert [one and one.url for one in run.find(urls)] == urls


TEXT = st.text(max_size=40)


@given(url=TEXT, detail=st.none() | TEXT, headers=st.none() | TEXT)
def test_any_text_survives_the_journal(url, detail, headers):
    one = Outcome(url=url, at=at(0), reason="bad_url", detail=detail, headers=headers)
    line = json.dumps(asdict(one))
    assert "\n" not in line
    assert Outcome(**json.loads(line)) == one


@pytest.mark.parametrize(
    ("num_failures", "days"), [(1, 0), (2, 1), (3, 3), (4, 7), (5, 15), (6, 31), (7, 63), (8, 64)]
)
def test_a_failure_is_left_alone_longer_each_time(num_failures, days):
    one = Outcome(url="u", at=AT.isoformat(), reason="http_404", num_failures=num_failures)
    due = AT + timedelta(days=days)
    assert one.is_due(retry_days=1.0, at=due)
    assert days == 0 or not one.is_due(retry_days=1.0, at=due - timedelta(seconds=1))


@given(
    retry_days=st.floats(0, 1000), num_failures=st.integers(1, 10_000), num_days=st.integers(0, 99)
)
def test_the_wait_only_grows_and_ends_within_some_weeks(retry_days, num_failures, num_days):
    at_ = AT + timedelta(days=num_days)
    one = Outcome(url="u", at=AT.isoformat(), reason="http_404", num_failures=num_failures)
    worse = Outcome(url="u", at=AT.isoformat(), reason="http_404", num_failures=num_failures + 1)
    if worse.is_due(retry_days=retry_days, at=at_):
        assert one.is_due(retry_days=retry_days, at=at_)
    assert worse.is_due(retry_days=retry_days, at=AT + timedelta(days=MAX_WAIT_DAYS))
    assert one.is_due(retry_days=0.0, at=AT)
