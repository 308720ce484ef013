"""A source on the network as batches of items: listed, fetched and kept as they come."""

import logging
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from queue import Empty
from time import monotonic, sleep
from typing import Any

import pyarrow as pa

from wunderkammer.harvest.course import Course, next_course
from wunderkammer.harvest.fetching import Fetching
from wunderkammer.harvest.keeping import Finished, Keeper, failed
from wunderkammer.harvest.line import NetworkLine
from wunderkammer.harvest.outcomes import Outcomes
from wunderkammer.harvest.records import Records, records_of
from wunderkammer.params import digest
from wunderkammer.sources.container_params import ZipParams
from wunderkammer.sources.containers import ContainerItem, Containers
from wunderkammer.sources.item import (
    PROVENANCE,
    BlobItem,
    RefusedItem,
    SourceItem,
    SourceReport,
    printable,
    provenance,
)
from wunderkammer.sources.limits import MB, RemoteParams
from wunderkammer.sources.listing import Listing, Record
from wunderkammer.sources.places import BEYOND_CAP, Places
from wunderkammer.storage.store import Store

log = logging.getLogger(__name__)

PATIENCE_S = 0.1
LOG_INTERVAL_S = 10.0


class Harvest:
    """One listing, its downloads, and what is remembered of both: below `ledger`, in `outcomes`."""

    def __init__(
        self,
        name: str,
        listing: Listing,
        params: RemoteParams,
        *,
        store: Store,
        ledger: str,
        outcomes: Outcomes,
        line: NetworkLine,
        committed: Course | None,
    ) -> None:
        self.name = name
        self._listing = listing
        self._params = params
        self._store = store
        self._line = line
        query = digest(params.identity())
        if committed is not None and committed.query != query:
            committed = None
        self._records = Records(store, f"{ledger}/records/{name}/{query[:16]}")
        self._outcomes = outcomes
        course = next_course(
            committed,
            self._records.progress(),
            query=query,
            relist_days=0.0 if listing.lists_all else params.relist_days,
            at=datetime.now(UTC),
        )
        self._records.open(course, base=committed)
        self._containers = None
        unpacking = _unpacking(params)
        if unpacking is not None:
            self._containers = Containers(
                unpacking,
                store=store,
                ledger=f"{ledger}/containers",
                max_bytes=params.max_bytes,
                max_pixels=params.max_pixels,
            )
        self._begin = course
        self._keeper = Keeper(store, outcomes, key=listing.outcome_key)
        self._fetching: Fetching | None = None
        # The keys of the outcomes of pictures on their way to a decision, by the id of their item.
        self._undecided: dict[str, str] = {}
        # Pictures of containers that are open, but for which there was no place yet.
        self._left_over: list[SourceItem] = []
        # The ids of the pictures in each container that was opened.
        self._pictures: dict[str, frozenset[str]] = {}

    def batches(
        self, places: Places, *, taken: frozenset[str]
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        """Items as they are found in the ledger, and as they are fetched.

        Raises:
            SourceError: a list on this machine can't be read.
        """
        containers = self._containers
        fetching = self._fetching = Fetching(
            self._listing,
            self._params,
            network=self._line.network,
            records=self._records,
            outcomes=self._outcomes,
            keeper=self._keeper,
            places=places,
            taken=taken,
            course=self._begin,
            retry_days=self._params.conduct.retry_days,
            max_container_bytes=containers.params.max_container_bytes if containers else 0,
            unpacked=containers.unpacked() if containers else (),
        )
        running = self._line.start(fetching.run())
        try:
            yield from self._follow(fetching, running, places)
        finally:
            running.cancel()

    def _follow(
        self, fetching: Fetching, running: "Future[None]", places: Places
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        last = monotonic()
        while True:
            is_over = running.done()
            try:
                batch = fetching.finished.get(timeout=PATIENCE_S)
            except Empty:
                if is_over:
                    break
                yield self._admitted(places)
            else:
                yield self._items(batch, places)
            fetching.is_held = bool(self._left_over)
            if monotonic() - last >= LOG_INTERVAL_S:
                last = monotonic()
                self._log(fetching)
        running.result()
        while self._left_over and not places.are_full:
            items = self._admitted(places)
            if items is None:
                sleep(PATIENCE_S)
            yield items
        if self._left_over:
            yield [RefusedItem(**provenance(i), reason=BEYOND_CAP) for i in self._left_over]

    def _admitted(self, places: Places) -> list[SourceItem] | None:
        """Pictures left over that have got a place now."""
        num_places = places.take(len(self._left_over))
        admitted, self._left_over = self._left_over[:num_places], self._left_over[num_places:]
        return admitted or None

    def decided(self, rows: pa.Table) -> None:
        """A fetched file that is no picture has failed: it is asked for again another day."""
        reasons: dict[str, tuple[str, str]] = {}
        for row in rows.select(["id", "reason", "detail"]).to_pylist():
            key = self._undecided.pop(row["id"], None)
            if key is not None and row["reason"] is not None:
                reasons[key] = (row["reason"], row["detail"] or "")
        failures = []
        for outcome in self._outcomes.find([*reasons]):
            assert outcome is not None
            # Of records that share a URL the first one has told it.
            if outcome.reason is None:
                failures.append(failed(outcome, *reasons[outcome.url]))
        self._outcomes.add(failures)

    def report(self) -> SourceReport:
        """What was listed and fetched, and where the next scrape goes on."""
        fetching = self._fetching
        assert fetching is not None
        course = fetching.course
        is_whole = not course.is_unfinished and course.full_at is not None and not course.is_part
        lost = self._records.gone() if is_whole else ()
        gone = frozenset(map(_plain, lost))

        # Not of this object, which holds far more.
        pictures = self._pictures

        def is_gone(id_: str) -> bool:
            if not gone and not pictures:
                return False
            of = next((known for known in records_of(id_) if known in pictures), None)
            return not gone.isdisjoint(records_of(id_)) or (
                of is not None and id_ not in pictures[of]
            )

        return SourceReport(
            num_listed=self._records.num_listed,
            is_gone=is_gone,
            problems=tuple(f"{self.name}: {problem}" for problem in fetching.problems),
            measures=dict(self._keeper.counts),
            courses={self.name: course.model_dump(mode="json")},
        )

    def _items(self, batch: Sequence[Finished], places: Places) -> list[SourceItem]:
        found = [self._item(finished) for finished in batch]
        plain = [item for item in found if not isinstance(item, ContainerItem)]
        return plain + self._contained(
            [item for item in found if isinstance(item, ContainerItem)], places
        )

    def _contained(self, found: Sequence[ContainerItem], places: Places) -> list[SourceItem]:
        """The pictures in containers; each container has taken the place of its first one."""
        if not found:
            return []
        assert self._containers is not None
        items: list[SourceItem] = []
        for container, pictures in zip(found, self._containers.open(found), strict=True):
            if container.path is not None:
                container.path.unlink(missing_ok=True)
            self._pictures[container.id] = frozenset(picture.id for picture in pictures)
            num_places = 1 + places.take(len(pictures) - 1)
            items += pictures[:num_places]
            self._left_over += pictures[num_places:]
        return items

    def _item(self, finished: Finished) -> SourceItem:
        record, outcome = finished.record, finished.outcome
        known = self._provenance(record)
        if record.refused is not None:
            reason, detail = record.refused
            return RefusedItem(**known, reason=reason, detail=detail)
        if finished.not_had is not None:
            error = finished.not_had
            return RefusedItem(**known, reason=error.reason, detail=error.detail)
        assert outcome is not None
        fetched_at = datetime.fromisoformat(outcome.at).isoformat(timespec="seconds")
        known |= {"fetched_at": fetched_at, "headers": outcome.headers}
        if outcome.reason is not None:
            return RefusedItem(**known, reason=outcome.reason, detail=outcome.detail or "")
        assert outcome.sha256 is not None
        if record.form != "image":
            sha256, path = outcome.sha256, finished.path
            return ContainerItem(**known, form=record.form, sha256=sha256, path=path)
        self._undecided[known["id"]] = outcome.url
        key = f"blob:{outcome.sha256}"
        return BlobItem(**known, key=key, store=self._store, sha256=outcome.sha256)

    def _provenance(self, record: Record) -> dict[str, Any]:
        known = {name: getattr(record, name, None) or None for name in PROVENANCE}
        if self._listing.outcome_key(record) != record.url:
            # An address that passes would make each scrape a new version of the same pictures.
            known["url"] = record.landing_page
        return {**known, "id": _plain(record.id), "source": self.name}

    def _log(self, fetching: Fetching) -> None:
        listed = f"{self._records.num_listed} listed"
        if fetching.total is not None:
            listed += f" of {fetching.total}"
        counts = self._keeper.counts
        log.info(
            "%s: %s, %d downloads (%.1f MB), %d failed, %d requests",
            self.name,
            listed,
            counts["downloads"],
            counts["downloaded_bytes"] / MB,
            counts["failed_downloads"],
            self._line.network.stats.num_requests,
        )


def _unpacking(params: object) -> ZipParams | None:
    return params if isinstance(params, ZipParams) else None


def _plain(id_: str) -> str:
    return id_ if id_.isprintable() else printable(id_)
