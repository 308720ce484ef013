"""The network's side of a harvest: list page by page, and fetch what is new beside it."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from queue import SimpleQueue

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.requests import Download, Downloaded
from wunderkammer.harvest.course import Course, after_page
from wunderkammer.harvest.keeping import Finished, Keeper, has_changed
from wunderkammer.harvest.outcomes import Outcome, Outcomes
from wunderkammer.harvest.records import Records
from wunderkammer.harvest.surprise import SurpriseError
from wunderkammer.sources.item import SourceError
from wunderkammer.sources.limits import MB, RemoteParams
from wunderkammer.sources.listing import Listing, Page, Record, StalePositionError
from wunderkammer.sources.places import Places

MAX_IN_FLIGHT = 1000
MAX_WAITING_BYTES = 64 * MB
MAX_WAITING_BATCHES = 64
BATCH_RECORDS = 64
CHUNK_RECORDS = 512
# How long finished files wait for company before they are handed over.
GATHER_S = 0.1
# How far a full collection is listed beyond the last record that it was taken from before: so
# what is not found there can be told to be gone only where the source ends sooner.
MAX_SEARCHED = 50_000
LOOK_S = 0.01


class Fetching:
    """One listing and its downloads; hands finished records over in batches."""

    def __init__(
        self,
        listing: Listing,
        params: RemoteParams,
        *,
        network: Network,
        records: Records,
        outcomes: Outcomes,
        keeper: Keeper,
        places: Places,
        taken: frozenset[str],
        course: Course,
        retry_days: float,
        max_container_bytes: int,
        unpacked: Collection[str],
    ) -> None:
        self.finished: SimpleQueue[list[Finished]] = SimpleQueue()
        self.problems: list[str] = []
        self.course = course
        self.total: int | None = None
        # Whether pictures of containers that are open already wait for the next places.
        self.is_held = False
        self._listing = listing
        self._params = params
        self._network = network
        self._records = records
        self._outcomes = outcomes
        self._keeper = keeper
        self._places = places
        self._taken = taken
        self._retry_days = retry_days
        self._max_container_bytes = max_container_bytes
        self._unpacked = unpacked
        self._turns = asyncio.Semaphore(listing.files_at_once or MAX_IN_FLIGHT)
        self._began_at = datetime.now(UTC)
        # Of what was fetched and is not stored yet.
        self._num_bytes_arrived = 0
        self._gathered: list[Finished] = []
        # Records that wait for the download of their file, which the first of them has begun.
        self._waiting: dict[str, list[Record]] = {}
        # What was recorded since the outcomes of the chunk that is being offered were looked up.
        self._recorded: dict[str, Outcome] = {}
        self._is_over = False
        # Records of pictures that were taken before, which a listing anew has to show again.
        self._unseen = set() if course.is_capped else records.unlisted(taken)
        self._num_searched = 0

    async def run(self) -> None:
        """Offer what earlier runs have listed, then list, and offer what is new.

        Whatever the network does ends in `problems` and in the results.

        Raises:
            SourceError: a list on this machine can't be read.
        """
        gathering = asyncio.create_task(self._gather())
        try:
            async with asyncio.TaskGroup() as downloads:
                if not self._listing.lists_all:
                    await self._offer_known(downloads)
                await self._list(downloads)
                if self._listing.lists_all and self.course.is_unfinished:
                    await self._offer_known(downloads)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            gathering.cancel()
        self._hand_over()

    async def _list(self, downloads: asyncio.TaskGroup) -> None:
        course = self.course
        for origin, position in ((course.origin, course.position), (course.origin,) * 2, ({}, {})):
            self.course = course.model_copy(update={"origin": origin, "position": position})
            try:
                await self._pages(downloads)
                break
            except StalePositionError as error:
                stale = error
        else:
            self.problems.append(f"the listing knows no position, not even its first ({stale})")
        self._records.finish(self.course)

    async def _pages(self, downloads: asyncio.TaskGroup) -> None:
        num_pages = 0
        self.course = self.course.model_copy(update={"is_unfinished": True, "is_capped": False})
        try:
            async with aclosing(self._given()) as pages:
                async for page in pages:
                    num_pages += 1
                    fresh = self._take_in(page)
                    await self._offer(page.records if self._listing.lists_all else fresh, downloads)
                    is_searching = self._is_searching(page)
                    has_enough = self._places.are_full and not is_searching
                    if has_enough and not page.is_last:
                        self.course = self.course.model_copy(update={"is_capped": True})
                    if page.is_last or self._is_over or has_enough:
                        break
        except BudgetSpentError as error:
            self._end(error)
        except FetchError as error:
            if num_pages == 0 and isinstance(error, SurpriseError):
                raise StalePositionError(error.detail) from error
            self.problems.append(f"the listing broke off ({error.reason}: {error.detail})")
            if num_pages == 0:
                # Perhaps it is the position that the source can't answer.
                self.course = self.course.model_copy(update={"position": self.course.origin})

    def _is_searching(self, page: Page) -> bool:
        """Whether pictures that were taken before may still come, and tell if they are gone."""
        num_before = len(self._unseen)
        self._unseen.difference_update(record.id for record in page.records)
        self._num_searched += len(page.records)
        if len(self._unseen) < num_before:
            self._num_searched = 0
        return bool(self._unseen) and self._num_searched < MAX_SEARCHED

    async def _given(self) -> AsyncGenerator[Page, None]:
        """The pages of the listing.

        Raises:
            SurpriseError: it has not foreseen what the site gave.
            SourceError, StalePositionError, FetchError, OSError: as the listing does.
        """
        pages = self._listing.pages(self.course.position, known=self._records.is_listed)
        try:
            async for page in pages:
                yield page
        except (SourceError, StalePositionError, FetchError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - as for a picture
            raise SurpriseError(error, of="a listing") from None
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    def _take_in(self, page: Page) -> list[Record]:
        """Keep a page, or tell that it can't be kept; returns what is new of it."""
        if page.total is not None:
            self.total = page.total
            self._places.expect(page.total + (self._records.num_known if self.course.origin else 0))
        try:
            fresh = self._records.add(page.records, after_page(self.course, page))
        except (ValueError, TypeError, OverflowError) as error:
            told = SurpriseError(error, of="a page of a listing")
            page, fresh = replace(page, problem=f"a page can't be kept ({told.detail})"), []
        if page.problem is not None:
            self.problems.append(page.problem)
        self.course = after_page(self.course, page)
        return fresh

    async def _offer_known(self, downloads: asyncio.TaskGroup) -> None:
        """What earlier runs have listed, less what this one has listed again and offered."""
        for records in self._records.known(first=self._taken):
            wanted = [
                record
                for record in records
                if not (self._listing.lists_all and self._records.is_listed(record.id))
            ]
            await self._offer(wanted, downloads)

    async def _offer(self, records: Sequence[Record], downloads: asyncio.TaskGroup) -> None:
        """Hand over what is known of the records, and begin to fetch the others."""
        records = sorted(records, key=lambda record: record.id not in self._taken)
        for start in range(0, len(records), CHUNK_RECORDS):
            chunk = records[start : start + CHUNK_RECORDS]
            self._recorded = {}
            keys = [self._listing.outcome_key(record) for record in chunk]
            for record, key, before in zip(chunk, keys, self._outcomes.find(keys), strict=True):
                if not await self._place():
                    return
                outcome = self._recorded.get(key, before)
                if record.refused is not None:
                    self._give(Finished(record))
                elif outcome is not None and self._is_settled(record, outcome):
                    self._give(Finished(record, outcome))
                elif key in self._waiting:
                    self._waiting[key].append(record)
                else:
                    self._waiting[key] = []
                    downloads.create_task(self._fetch(record, outcome))

    def _is_settled(self, record: Record, outcome: Outcome) -> bool:
        """Whether nothing is to be fetched for the record, at least not in this run."""
        if datetime.fromisoformat(outcome.at) >= self._began_at:
            return True
        if has_changed(record, outcome):
            return False
        if outcome.reason is not None:
            return not outcome.is_due(retry_days=self._retry_days, at=self._began_at)
        return record.form != "zip" or outcome.sha256 in self._unpacked

    async def _place(self) -> bool:
        """Wait until one more record may be taken up; False if none may any more."""
        while (
            len(self._waiting) >= MAX_IN_FLIGHT
            or self._num_bytes_arrived > MAX_WAITING_BYTES
            or self.finished.qsize() > MAX_WAITING_BATCHES
        ):
            await asyncio.sleep(LOOK_S)
        while self.is_held or not self._places.take(1):
            if self._places.are_full:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    def _job(self, record: Record, stored: Mapping[str, str]) -> Download:
        is_image = record.form == "image"
        return Download(
            url=record.url,
            other_urls=record.other_urls,
            max_bytes=self._params.max_bytes if is_image else self._max_container_bytes,
            num_bytes=record.num_bytes,
            md5=record.md5,
            sha1=record.sha1,
            etag=stored.get("etag"),
            last_modified=stored.get("last_modified"),
            robots=self._listing.obeys_robots,
            to_file=not is_image,
        )

    async def _fetch(self, record: Record, before: Outcome | None) -> None:
        result: Downloaded | FetchError
        stored = await self._keeper.validators(record, before)
        try:
            async with self._turns:
                if self._is_over:
                    raise BudgetSpentError("budget_spent", "not asked for in this run")
                result = await self._network.download(self._job(record, stored))
        except BudgetSpentError as error:
            self._end(error)
            result = error
        except FetchError as error:
            result = error
        except OSError:
            # This machine's disk has failed, not the site.
            raise
        except Exception as error:  # noqa: BLE001 - what one site sends must not end the others
            result = SurpriseError(error, of=f"the picture {record.id}")
        num_bytes = result.num_bytes if isinstance(result, Downloaded) else 0
        self._num_bytes_arrived += num_bytes
        finished = await self._keeper.keep(record, result, before=before)
        self._num_bytes_arrived -= num_bytes
        if finished.outcome is not None:
            self._recorded[finished.outcome.url] = finished.outcome
        self._give(finished)
        for other in self._waiting.pop(self._listing.outcome_key(record)):
            self._give(Finished(other, finished.outcome, finished.not_had))

    def _end(self, error: BudgetSpentError) -> None:
        if not self._is_over:
            self.problems.append(f"the budget is spent ({error.detail}); the next run goes on")
        self._is_over = True

    def _give(self, finished: Finished) -> None:
        self._gathered.append(finished)
        if len(self._gathered) >= BATCH_RECORDS:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._gathered:
            self.finished.put(self._gathered)
            self._gathered = []

    async def _gather(self) -> None:
        while True:
            await asyncio.sleep(GATHER_S)
            self._hand_over()
