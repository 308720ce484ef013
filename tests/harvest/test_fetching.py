"""A listing and its downloads, without a network."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.requests import Download, Downloaded
from wunderkammer.harvest import fetching as module
from wunderkammer.harvest.course import Course, next_course
from wunderkammer.harvest.fetching import Fetching
from wunderkammer.harvest.keeping import Finished, Keeper, failed
from wunderkammer.harvest.outcomes import Outcome, Outcomes
from wunderkammer.harvest.records import Records
from wunderkammer.sources.item import SourceError
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.places import Places
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

AT = datetime(2026, 3, 1, tzinfo=UTC)
PARAMS = RemoteParams()
SPENT = BudgetSpentError("budget_spent", "scrape.conduct.max_requests=3 is reached")


def record(number: int, **changes: object) -> Record:
    return replace(Record(id=str(number), url=f"https://site.example/{number}.jpg"), **changes)


class Pages(Listing):
    """Gives pages; one that is an exception is raised. A position is the number of the next one."""

    def __init__(
        self,
        *pages: Sequence[Record] | Exception | Page,
        lists_all: bool = False,
        stale: Sequence[Position] = (),
    ) -> None:
        self.given = pages
        self.stale = stale
        self.lists_all = lists_all
        self.starts: list[Position] = []
        self.num_given = 0

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        self.starts.append(start)
        if start in self.stale:
            raise StalePositionError("gone")
        first = start.get("at", 0)
        assert isinstance(first, int)
        for number, page in enumerate(self.given[first:], start=first + 1):
            await asyncio.sleep(0)
            if isinstance(page, Exception):
                raise page
            self.num_given += 1
            is_last = number == len(self.given)
            plain = page if isinstance(page, Page) else Page(records=tuple(page), position={})
            yield replace(plain, position={"at": number}, is_last=is_last)


class Downloads:
    """A network on which each URL gives its own end as content, or an error."""

    def __init__(self) -> None:
        self.asked: list[Download] = []
        self.errors: dict[str, Exception] = {}
        self.num_open = self.most_open = 0
        self.is_open = asyncio.Event()
        self.is_open.set()
        # Answered even while it is not open.
        self.always: set[str] = set()
        self.content = b"one version"
        self.num_unchanged = 0

    async def download(self, job: Download) -> Downloaded:
        self.asked.append(job)
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        await asyncio.sleep(0.001)
        if job.url not in self.always:
            await self.is_open.wait()
        self.num_open -= 1
        if job.url in self.errors:
            raise self.errors[job.url]
        content = job.url.encode() + self.content
        etag = hashlib.md5(content).hexdigest()
        is_unchanged = job.etag == etag
        self.num_unchanged += is_unchanged
        return Downloaded(
            url=job.url,
            content=b"" if is_unchanged else content,
            sha256="" if is_unchanged else hashlib.sha256(content).hexdigest(),
            num_bytes=0 if is_unchanged else len(content),
            etag=etag,
            last_modified=None,
            content_type=None,
            not_modified=is_unchanged,
        )

    @property
    def urls(self) -> list[str]:
        return [job.url.removeprefix("https://site.example/") for job in self.asked]


class Run:
    """Runs of one source after the other, as `Harvest` makes them."""

    def __init__(self, store: Store, folder) -> None:
        self.store = store
        self.folder = folder
        self.network = Downloads()
        self.committed: Course | None = None
        self.outcomes = Outcomes(store, "outcomes", journal=folder / "journal")
        self.keeper = Keeper(store, self.outcomes, key=Listing.outcome_key)
        self.blobs = Blobs(store)

    def __call__(
        self,
        listing: Listing,
        *,
        places: Places | None = None,
        taken: Sequence[str] = (),
        retry_days: float = 1.0,
        meanwhile: Callable[[Fetching], None] | None = None,
    ) -> Fetching:
        records = Records(self.store, "records")
        course = next_course(
            self.committed,
            records.progress(),
            query="q",
            relist_days=0.0 if listing.lists_all else 30.0,
            at=datetime.now(UTC),
        )
        records.open(course, base=self.committed)
        fetching = Fetching(
            listing,
            PARAMS,
            network=self.network,  # type: ignore[arg-type]
            records=records,
            outcomes=self.outcomes,
            keeper=self.keeper,
            places=places or Places(None),
            taken=frozenset(taken),
            course=course,
            retry_days=retry_days,
            max_container_bytes=77,
            unpacked={"0" * 64},
        )
        asyncio.run(self._run(fetching, meanwhile))
        self.committed = fetching.course
        return fetching

    async def _run(self, fetching: Fetching, meanwhile) -> None:
        running = asyncio.create_task(fetching.run())
        while meanwhile is not None and not running.done():
            meanwhile(fetching)
            await asyncio.sleep(0.001)
        await running

    def remember(self, *outcomes: Outcome) -> None:
        self.outcomes.add(outcomes)

    def remember_good(self, *numbers: int) -> None:
        self.remember(*(Outcome(url=record(n).url, at=AT.isoformat(), sha256="a") for n in numbers))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    run = Run(Store(str(tmp_path / "data")), tmp_path)
    yield run
    run.outcomes.close()


def finished(fetching: Fetching) -> dict[str, list[object]]:
    """The results by the id of the record; empties the queue."""
    found: dict[str, list[object]] = {}
    while not fetching.finished.empty():
        for one in fetching.finished.get():
            assert isinstance(one, Finished)
            found.setdefault(one.record.id, []).append(one.not_had or one.outcome)
    return found


def test_each_record_is_fetched_once_and_handed_over(run):
    fetching = run(Pages([record(1), record(2)], [record(3)]))
    found = finished(fetching)
    assert sorted(found) == ["1", "2", "3"]
    assert [results[0].url for results in found.values()] == [record(n).url for n in (1, 2, 3)]
    assert sorted(run.network.urls) == ["1.jpg", "2.jpg", "3.jpg"]
    assert (fetching.problems, fetching.course.is_unfinished) == ([], False)


def test_what_the_record_publishes_goes_with_its_download(run):
    run(
        Pages([record(1, num_bytes=9, md5="m", sha1="s", other_urls=("o",)), record(2, form="pdf")])
    )
    image, container = run.network.asked
    assert (image.num_bytes, image.md5, image.sha1, image.other_urls) == (9, "m", "s", ("o",))
    assert (image.max_bytes, image.to_file) == (PARAMS.max_bytes, False)
    assert (container.max_bytes, container.to_file) == (77, True)


def test_a_refused_record_is_handed_over_and_never_fetched(run):
    found = finished(run(Pages([record(1, refused=("licence", "CC BY-NC 4.0"))])))
    assert (found, run.network.urls) == ({"1": [None]}, [])


def test_what_is_in_the_store_is_not_fetched(run):
    run.remember_good(1)
    found = finished(run(Pages([record(1), record(2)])))
    assert run.network.urls == ["2.jpg"]
    (known,) = found["1"]
    assert isinstance(known, Outcome)


def test_a_failure_is_asked_for_again_only_when_it_is_due(run):
    now = datetime.now(UTC).isoformat()
    for number, num_failures in ((1, 1), (2, 2)):
        url = record(number).url
        run.remember(Outcome(url=url, at=now, reason="http_404", num_failures=num_failures))
    run(Pages([record(1), record(2)]))
    assert run.network.urls == ["1.jpg"]
    run(Pages([record(1), record(2)]), retry_days=0.0)
    assert sorted(run.network.urls) == ["1.jpg", "2.jpg"]


def test_a_zip_file_is_fetched_again_if_what_was_in_it_is_lost(run):
    for number, sha256 in ((1, "0" * 64), (2, "1" * 64)):
        run.remember(Outcome(url=record(number).url, at=AT.isoformat(), sha256=sha256))
    run(Pages([record(1, form="zip"), record(2, form="zip")]))
    assert run.network.urls == ["2.jpg"]


def test_records_of_one_url_share_its_download(run):
    url = record(1).url
    found = finished(run(Pages([record(1), record(2, url=url)], [record(3, url=url)])))
    assert run.network.urls == ["1.jpg"]
    assert found["1"] == found["2"] == found["3"] == run.outcomes.find([url])


def test_a_failure_is_a_result_and_not_the_end(run):
    run.network.errors[record(1).url] = FetchError("http_404", "404", status=404)
    found = finished(run(Pages([record(1), record(2)])))
    assert [found[id_][0].reason for id_ in ("1", "2")] == ["http_404", None]


@pytest.mark.parametrize("reason", ["host_given_up", "robots_unreachable", "closed"])
def test_what_was_never_asked_for_has_not_failed(run, reason):
    url = record(1).url
    run.remember(Outcome(url=url, at=AT.isoformat(), reason="http_404", num_failures=1))
    before = run.outcomes.find([url])
    error = run.network.errors[url] = FetchError(reason, "20 failures in a row")
    fetching = run(Pages([record(1), record(2, url=url)]))
    assert finished(fetching) == {"1": [error], "2": [error]}
    assert run.outcomes.find([url]) == before


def test_a_spent_budget_ends_the_run_for_all_that_share_a_url_too(run):
    run.network.errors[record(1).url] = SPENT
    pages = Pages([record(1), record(2, url=record(1).url)], [record(3)], [record(4)])
    fetching = run(pages)
    found = finished(fetching)
    assert found["1"] == found["2"] == [SPENT]
    assert fetching.problems == [f"the budget is spent ({SPENT.detail}); the next run goes on"]


def test_the_next_run_goes_on_where_a_budget_ended_the_listing(run):
    pages = Pages([record(1)], SPENT, [record(3)])
    assert run(pages).course.is_unfinished
    pages.given = ([record(1)], [record(2)], [record(3)])
    found = finished(run(pages))
    assert pages.starts == [{}, {"at": 1}]
    assert sorted(found) == ["1", "2", "3"]


def test_what_earlier_runs_have_listed_is_offered_and_that_which_was_taken_first(run):
    run.remember_good(1, 2, 3)
    run(Pages([record(1), record(2), record(3)]))
    fetching = run(Pages([record(1), record(2), record(3)], []), taken=["3", "1"])
    order = []
    while not fetching.finished.empty():
        order += [one.record.id for one in fetching.finished.get()]
    assert order == ["1", "3", "2"]


def test_a_changed_record_comes_again_and_an_unchanged_one_does_not(run):
    run.remember_good(1, 2)
    run(Pages([record(1), record(2)]))
    fetching = run(Pages([], [record(1, licence="CC0 1.0"), record(2)]))
    assert {id_: len(results) for id_, results in finished(fetching).items()} == {"1": 2, "2": 1}


def test_a_source_that_lists_all_offers_nothing_else(run):
    run.remember_good(1, 2, 3)
    run(Pages([record(1), record(2)], lists_all=True))
    assert sorted(finished(run(Pages([record(2), record(3)], lists_all=True)))) == ["2", "3"]


def test_where_a_source_that_lists_all_breaks_off_the_rest_is_what_was_known(run):
    run.remember_good(1, 2)
    run(Pages([record(1), record(2)], lists_all=True))
    fetching = run(Pages([record(2)], FetchError("http_500", "500"), lists_all=True))
    assert {id_: len(results) for id_, results in finished(fetching).items()} == {"1": 1, "2": 1}


def test_a_cap_takes_up_no_more_records_than_it_has_places(run):
    places = Places(2)
    pages = Pages([record(1)], [record(2)], [record(3)], [record(4)])
    decided = False

    def decide(fetching: Fetching) -> None:
        nonlocal decided
        if fetching.finished.qsize() and not decided:
            places._num_kept, decided = 2, True

    fetching = run(pages, places=places, meanwhile=decide)
    assert (run.network.urls, pages.num_given) == (["1.jpg", "2.jpg"], 3)
    assert fetching.course.is_unfinished


def test_nothing_is_taken_up_while_open_containers_wait_for_places(run):
    asked = []

    def hold(fetching: Fetching) -> None:
        fetching.is_held = len(asked) < 20
        asked.append(len(run.network.urls))

    run(Pages([record(1), record(2)]), meanwhile=hold)
    assert asked[:20] == [0] * 20
    assert len(run.network.urls) == 2


def test_what_is_on_the_way_is_bounded(run, monkeypatch):
    monkeypatch.setattr(module, "MAX_IN_FLIGHT", 3)
    run(Pages([record(number) for number in range(20)]))
    assert run.network.most_open == 3


def test_nothing_is_fetched_faster_than_it_is_stored(run, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 100)
    monkeypatch.setattr(module, "MAX_IN_FLIGHT", 4)
    num_waiting = []
    keep = run.keeper.keep

    async def slowly(one, result, *, before):
        await asyncio.sleep(0.005)
        return await keep(one, result, before=before)

    run.keeper.keep = slowly
    run(
        Pages([record(number) for number in range(40)]),
        meanwhile=lambda fetching: num_waiting.append(fetching._num_bytes_arrived),
    )
    assert len(run.network.urls) == 40
    # As many more may have been under way.
    assert 100 < max(num_waiting) <= 100 + 4 * len(record(10).url)


def test_what_has_arrived_is_stored_and_recorded_though_nobody_takes_it(run, monkeypatch):
    monkeypatch.setattr(module, "GATHER_S", 60.0)
    run.network.is_open.clear()
    run.network.always.add(record(1).url)
    stored = []

    def look(fetching: Fetching) -> None:
        (outcome,) = run.outcomes.find([record(1).url])
        if outcome is not None:
            stored.append((fetching.finished.qsize(), run.blobs.get(outcome.blob)))
            run.network.is_open.set()

    run(Pages([record(1), record(2)]), meanwhile=look)
    assert stored[0] == (0, record(1).url.encode() + b"one version")


def test_a_record_that_waits_for_a_place_is_not_fetched_if_its_url_was_meanwhile(run):
    places = Places(1)
    url = record(1).url
    is_rejected = False

    def reject(fetching: Fetching) -> None:
        nonlocal is_rejected
        if not fetching.finished.empty() and not is_rejected:
            places._num_taken, is_rejected = 0, True

    found = finished(run(Pages([record(1), record(2, url=url)]), places=places, meanwhile=reject))
    assert run.network.urls == ["1.jpg"]
    assert found["1"] == found["2"]


def test_a_url_that_failed_is_not_asked_again_for_another_record_of_the_run(run):
    url = record(1).url
    run.network.errors[url] = FetchError("http_404", "404", status=404)
    pages = Pages(*([record(number, url=url)] for number in range(1, 30)))
    assert len(finished(run(pages, retry_days=0.0))) == 29
    assert run.network.urls == ["1.jpg"]


def test_a_listing_that_breaks_off_keeps_what_came(run):
    fetching = run(Pages([record(1)], FetchError("http_503", "503 from the site"), [record(2)]))
    assert sorted(finished(fetching)) == ["1"]
    assert fetching.problems == ["the listing broke off (http_503: 503 from the site)"]
    assert (fetching.course.position, fetching.course.is_unfinished) == ({"at": 1}, True)


def test_one_that_breaks_off_at_once_begins_anew_the_next_time(run):
    pages = Pages([record(1)], FetchError("http_503", "503"), [record(2)])
    run(pages)
    run(pages)
    assert run(pages).course.is_unfinished
    assert pages.starts == [{}, {"at": 1}, {}]


def test_a_forgotten_position_begins_anew_at_once(run):
    pages = Pages([record(1)], SPENT, [record(3)])
    run(pages)
    forgetful = Pages([record(1)], [record(2)], [record(3)], stale=[{"at": 1}])
    fetching = run(forgetful)
    assert forgetful.starts == [{"at": 1}, {}]
    assert (fetching.problems, sorted(finished(fetching))) == ([], ["1", "2", "3"])


def test_a_forgotten_watermark_begins_at_the_very_beginning(run):
    run(Pages([record(1)], [record(2)]))
    forgetful = Pages([record(1)], [record(2)], [record(3)], stale=[{"at": 2}])
    fetching = run(forgetful)
    assert forgetful.starts == [{"at": 2}, {"at": 2}, {}]
    assert (fetching.problems, fetching.course.position) == ([], {"at": 3})


def test_a_source_that_knows_not_even_its_first_position_is_a_problem_and_no_end(run):
    run.remember_good(1)
    run(Pages([record(1)]))
    fetching = run(Pages([record(1)], stale=[{"at": 1}, {}]))
    assert sorted(finished(fetching)) == ["1"]
    assert fetching.problems == ["the listing knows no position, not even its first (gone)"]


def test_a_list_on_this_machine_that_can_not_be_read_ends_the_run(run):
    run.network.is_open.clear()
    with pytest.raises(SourceError, match="no such file"):
        run(Pages([record(1)], SourceError("no such file")))


def test_a_problem_of_a_page_is_told_and_makes_a_gap(run):
    gap = Page(records=(record(1),), position={}, problem="page 2 could not be had", total=9)
    fetching = run(Pages(gap, [record(2)]))
    assert fetching.problems == ["page 2 could not be had"]
    assert (fetching.total, fetching.course.full_at, fetching.course.position) == (9, None, {})


def test_what_nobody_has_foreseen_of_a_picture_is_its_reason_and_not_the_end(run, surprises):
    run.network.errors[record(1).url] = OverflowError("date value out of range of a-secret-key")
    found = finished(run(Pages([record(1), record(2)])))
    assert [found[id_][0].reason for id_ in ("1", "2")] == ["unforeseen", None]
    (told,) = surprises
    assert "in download" in told.getMessage()
    assert told.getMessage().endswith("OverflowError")
    assert "a-secret-key" not in told.getMessage() + found["1"][0].detail
    surprises.clear()


def test_a_disk_that_is_full_ends_the_run(run):
    run.network.errors[record(1).url] = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        run(Pages([record(1), record(2)]))


def test_what_nobody_has_foreseen_of_a_listing_is_its_problem_and_not_the_end(run, surprises):
    pages = Pages([record(1)], IndexError("?"), [record(3)])
    fetching = run(pages)
    assert sorted(finished(fetching)) == ["1"]
    (problem,) = fetching.problems
    assert problem.startswith("the listing broke off (unforeseen: IndexError")
    assert fetching.course.is_unfinished
    # Perhaps it is the position: all else is tried before it is given up for the night.
    fetching = run(pages)
    assert pages.starts == [{}, {"at": 1}, {}]
    assert len(surprises) == 3
    surprises.clear()


def test_a_source_that_no_position_suits_is_a_problem(run, surprises):
    fetching = run(Pages(IndexError("?")))
    assert fetching.problems == [
        "the listing knows no position, not even its first "
        "(IndexError; the log tells where, please report it)"
    ]
    assert len(surprises) == 3
    surprises.clear()


@pytest.mark.parametrize("changes", [{"num_bytes": 10**30}, {"title": "\ud800"}, {"tags": (1,)}])
def test_a_page_that_can_not_be_kept_is_a_gap_and_the_others_are_kept(run, surprises, changes):
    fetching = run(Pages([record(1)], [record(2, **changes)], [record(3)]))
    assert sorted(finished(fetching)) == ["1", "3"]
    (problem,) = fetching.problems
    assert problem.startswith("a page can't be kept (")
    assert (fetching.course.position, fetching.course.full_at) == ({}, None)
    assert len(surprises) == 1
    surprises.clear()
    assert sorted(finished(run(Pages([record(1)], [record(2)], [record(3)])))) == ["1", "2", "3"]


def test_how_many_pictures_are_to_come_is_told_as_soon_as_the_source_tells(run):
    places = Places(None)
    first = Page(records=(record(1),), position={}, total=2)
    run(Pages(first, [record(2)]), places=places)
    assert places.num_expected == 2
    run(Pages([], [], first), places=places)
    assert places.num_expected == 4


def stored(run: Run, number: int) -> bytes:
    (outcome,) = run.outcomes.find([record(number).url])
    return run.blobs.get(outcome.blob)


@pytest.mark.parametrize("changes", [{"sha1": "b"}, {"md5": "b"}, {"num_bytes": 41}])
def test_what_is_published_with_another_size_or_digest_is_asked_for_again(run, changes):
    before = {"sha1": "a", "md5": "a", "num_bytes": 40}
    run(Pages([record(1, **before), record(2, **before)]))
    run.network.content = b"another version"
    run(Pages([], [record(1, **{**before, **changes}), record(2, **before)]))
    assert run.network.urls == ["1.jpg", "2.jpg", "1.jpg"]
    assert (
        run.network.asked[2].etag
        == hashlib.md5(record(1).url.encode() + b"one version").hexdigest()
    )
    assert stored(run, 1).endswith(b"another version")
    assert stored(run, 2).endswith(b"one version")
    run(Pages([], [], [record(1, **{**before, **changes})]))
    assert len(run.network.urls) == 3


def test_a_changed_title_is_no_reason_to_ask_again(run):
    run(Pages([record(1, sha1="a")]))
    run(Pages([], [record(1, sha1="a", title="Another")]))
    run(Pages([], [], [record(1, title="No digest this time")]))
    assert run.network.urls == ["1.jpg"]


def test_what_the_site_calls_unchanged_is_taken_if_it_is_as_published(run):
    content = record(1).url.encode() + b"one version"
    run(Pages([record(1, sha1="a wrong one")]))
    published = hashlib.sha1(content).hexdigest()
    found = finished(run(Pages([], [record(1, sha1=published)])))
    assert run.network.num_unchanged == 1
    assert found["1"][-1].reason is None
    assert stored(run, 1) == content


def test_what_the_site_calls_unchanged_though_it_publishes_another_is_fetched_whole(run):
    run(Pages([record(1, sha1="a")]))
    found = finished(run(Pages([], [record(1, sha1="b")])))
    assert found["1"][-1].reason == "wrong_digest"
    run.network.content = b"another version"
    run(Pages([], [], []), retry_days=0.0)
    assert [job.etag is None for job in run.network.asked] == [True, False, True]
    assert stored(run, 1).endswith(b"another version")


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_failed_file_that_is_still_stored_is_not_fetched_again_unless_it_has_changed(
    run, is_gone
):
    run(Pages([record(1)]))
    (outcome,) = run.outcomes.find([record(1).url])
    run.remember(failed(outcome, "not_an_image", ""))
    if is_gone:
        run.store.delete(Blobs.key(outcome.blob))
    run(Pages([]), retry_days=0.0)
    assert (len(run.network.urls), run.network.num_unchanged) == (2, int(not is_gone))
    (again,) = run.outcomes.find([record(1).url])
    assert (again.reason, again.sha256, again.num_failures) == (None, outcome.sha256, 1)
    assert stored(run, 1)


def test_the_validators_of_a_file_are_those_of_its_own_address(run):
    one = record(1, other_urls=("https://site.example/other.jpg",), sha1="a")
    run(Pages([one]))
    run(Pages([], [replace(one, sha1="b")]))
    assert [job.etag for job in run.network.asked] == [None, None]
