import tempfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.harvest import records as module
from wunderkammer.harvest.course import Course
from wunderkammer.harvest.records import Records
from wunderkammer.sources.listing import Record
from wunderkammer.storage.store import Store

PREFIX = "ledger/records/site/q"


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path))


def course(epoch: int = 1, *, position: int = 0, is_whole: bool = False) -> Course:
    at = "2026-03-01T00:00:00+00:00"
    full_at = at if is_whole else None
    return Course(
        query="q", epoch=epoch, origin={}, position={"at": position}, started_at=at, full_at=full_at
    )


def begun(store: Store, at: Course | None = None, *, base: Course | None = None) -> Records:
    records = Records(store, PREFIX)
    records.open(at or course(), base=base)
    return records


def record(number: int, **changes: object) -> Record:
    return replace(Record(id=str(number), url=f"https://site.example/{number}.jpg"), **changes)


def known(records: Records) -> list[Record]:
    return [one for chunk in records.known() for one in chunk]


def listed(store: Store, at: Course, *numbers: int) -> None:
    """A run that lists these, and ends well."""
    run = begun(store, at)
    run.add([record(number) for number in numbers], at)
    run.finish(at)


def test_a_run_tells_which_records_no_run_knew(store):
    first = begun(store)
    assert first.add([record(1), record(2)], course()) == [record(1), record(2)]
    assert first.add([record(2), record(3)], course()) == [record(3)]
    first.finish(course())
    second = begun(store)
    changed = record(1, licence="CC0 1.0")
    assert second.add([changed, record(2), record(4)], course()) == [changed, record(4)]


def test_the_newest_record_of_an_id_counts_at_the_place_of_the_first_one(store):
    for licence in (None, "CC BY 4.0", "CC0 1.0"):
        run = begun(store)
        run.add([record(number, licence=licence) for number in (3, 1, 2)], course())
        run.finish(course())
    assert known(begun(store)) == [record(number, licence="CC0 1.0") for number in (3, 1, 2)]
    assert begun(store).num_known == 3


def test_a_record_that_is_again_as_it_was_is_news(store):
    for licence in ("CC BY 4.0", "CC BY-NC 4.0", "CC BY 4.0"):
        run = begun(store)
        one = record(1, licence=licence)
        assert run.add([one], course()) == [one]
        run.finish(course())
        assert known(begun(store)) == [one]


def test_a_page_that_is_listed_again_adds_nothing(store):
    listed(store, course(), 1, 2)
    before = list(store.keys(f"{PREFIX}/000001"))
    listed(store, course(), 2, 1)
    assert list(store.keys(f"{PREFIX}/000001")) == before


def test_a_killed_run_knows_what_was_saved_and_goes_on_after_it(store, monkeypatch):
    monkeypatch.setattr(module, "SAVE_ROWS", 3)
    run = begun(store)
    for number in range(1, 6):
        run.add([record(number)], course(position=number))
    second = Records(store, PREFIX)
    progress = second.progress()
    assert progress is not None
    assert (progress.base, progress.course.position) == (None, {"at": 3})
    second.open(progress.course, base=None)
    assert [one.id for one in known(second)] == ["1", "2", "3"]
    assert [second.is_listed(id_) for id_ in ("3", "4")] == [True, False]


def test_a_slow_listing_is_saved_as_time_goes_by(store, monkeypatch):
    run = begun(store)
    run.add([record(1)], course(position=1))
    assert Records(store, PREFIX).progress() is None
    monkeypatch.setattr(module, "SAVE_S", 0.0)
    run.add([record(2)], course(position=2))
    assert len(known(begun(store))) == 2


def test_progress_names_the_course_that_it_began_with(store):
    base = course(is_whole=True)
    run = begun(store, base, base=base)
    run.finish(course(position=7))
    progress = run.progress()
    assert progress is not None
    assert progress.base == base.name


def test_a_progress_file_without_its_bytes_is_none(store):
    begun(store).finish(course())
    store.write(f"{PREFIX}/progress.json", b"")
    assert Records(store, PREFIX).progress() is None


def test_while_a_new_epoch_is_listed_the_old_one_is_known_but_not_listed(store):
    listed(store, course(is_whole=True), 1, 2, 3)
    run = begun(store, course(2))
    assert [one.id for one in known(run)] == ["1", "2", "3"]
    assert not run.is_listed("1")
    assert run.add([record(1), record(4)], course(2)) == [record(4)]
    assert (run.num_listed, run.gone()) == (2, {"2", "3"})
    run.finish(course(2))
    assert [one.id for one in known(begun(store, course(2)))] == ["1", "2", "3", "4"]


def test_once_a_whole_epoch_is_committed_the_ones_before_it_are_dropped(store):
    listed(store, course(is_whole=True), 1, 2, 3)
    listed(store, course(2), 1, 4)
    committed = course(2, is_whole=True)
    after = begun(store, committed, base=committed)
    assert [one.id for one in known(after)] == ["1", "4"]
    assert not list(store.keys(f"{PREFIX}/000001"))
    assert after.gone() == frozenset()


def test_what_a_listing_has_lost_is_told_of_even_if_its_run_was_killed_before_it_was_committed(
    store,
):
    listed(store, course(is_whole=True), 1, 2, 3)
    listed(store, course(2), 1, 4)
    after = begun(store, course(2, is_whole=True), base=course(is_whole=True))
    assert after.gone() == {"2", "3"}


def test_a_source_that_is_listed_anew_each_time_keeps_two_epochs_at_most(store):
    base = None
    for epoch in range(1, 6):
        run = begun(store, course(epoch), base=base)
        run.add([record(1), record(epoch)], course(epoch))
        base = course(epoch, is_whole=True)
        run.finish(base)
    assert {key.split("/")[-2] for key in store.keys(PREFIX)} == {"q", "000004", "000005"}


def test_an_epoch_that_was_never_committed_is_dropped(store):
    listed(store, course(is_whole=True), 1)
    listed(store, course(2), 2)
    after = begun(store, course(is_whole=True))
    assert [one.id for one in known(after)] == ["1"]
    assert not list(store.keys(f"{PREFIX}/000002"))


def test_many_small_parts_become_one(store, monkeypatch):
    monkeypatch.setattr(module, "SAVE_ROWS", 1)
    run = begun(store)
    for number in range(40):
        run.add([record(number)], course())
    assert len(list(store.keys(f"{PREFIX}/000001"))) == 40
    run.finish(course())
    assert len(list(store.keys(f"{PREFIX}/000001"))) == 1
    assert len(known(begun(store))) == 40


def test_the_same_number_of_records_comes_in_chunks(store, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)
    listed(store, course(), *range(8))
    assert [len(chunk) for chunk in begun(store).known()] == [3, 3, 2]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MAYBE = st.none() | TEXT
RECORDS = st.builds(
    Record,
    id=TEXT,
    url=TEXT,
    other_urls=st.lists(TEXT, max_size=2).map(tuple),
    form=st.sampled_from(["image", "pdf", "zip"]),
    num_bytes=st.none() | st.integers(0, 2**40),
    md5=MAYBE,
    refused=st.none() | st.tuples(TEXT, TEXT),
    author=MAYBE,
    tags=st.lists(TEXT, max_size=3).map(tuple),
    taken_at=MAYBE,
)


@settings(max_examples=30)
@given(st.lists(RECORDS, max_size=6, unique_by=lambda one: one.id))
def test_every_record_comes_back_as_it_was(many):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        run = begun(store)
        assert run.add(many, course()) == many
        run.finish(course())
        after = begun(store)
        assert known(after) == many
        assert after.add(many, course()) == []
