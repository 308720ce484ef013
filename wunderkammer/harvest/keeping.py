"""What came of downloads, stored and recorded as they end: a kill loses what is on its way."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.files import Digests
from wunderkammer.conduct.network import OVER
from wunderkammer.conduct.requests import Download, Downloaded
from wunderkammer.harvest.outcomes import Outcome, Outcomes
from wunderkammer.sources.containers import HEAD_BYTES, form_fault
from wunderkammer.sources.listing import Record
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import MissingObjectError, Store


@dataclass(frozen=True)
class Finished:
    """A record and what came of it.

    Attributes:
        outcome: what is recorded under its URL; None where a rule refuses the record.
        not_had: why its URL gave nothing in this run, where that tells nothing about the URL.
        path: where a zip file lies that was fetched just now.
    """

    record: Record
    outcome: Outcome | None = None
    not_had: FetchError | None = None
    path: Path | None = None


class Keeper:
    """Stores the files of one source as blobs, and records in `outcomes` what came of each URL."""

    def __init__(self, store: Store, outcomes: Outcomes, *, key: Callable[[Record], str]) -> None:
        self.counts: Counter[str] = Counter()
        self._blobs = Blobs(store)
        self._outcomes = outcomes
        self._key = key

    async def validators(self, record: Record, before: Outcome | None) -> Mapping[str, str]:
        """By what a site may tell that a file is still the one that is stored here."""
        # Another address may have given it, whose validators would mean nothing to the first one.
        if before is None or before.blob is None or record.other_urls:
            return {}
        if await asyncio.to_thread(self._blobs.store.size, Blobs.key(before.blob)) is None:
            return {}
        headers = json.loads(before.headers or "{}")
        return {name: headers[name] for name in ("etag", "last_modified") if name in headers}

    async def keep(
        self, record: Record, result: Downloaded | FetchError, *, before: Outcome | None
    ) -> Finished:
        """Store and record what a download has given; `before` is what was recorded last.

        Raises:
            OSError: the disk is full, or the store can't be reached.
        """
        finished = await self._kept(record, result, before)
        if isinstance(result, Downloaded) and not result.not_modified:
            self.counts["downloads"] += 1
            self.counts["downloaded_bytes"] += result.num_bytes
        if finished.outcome is not None and finished.outcome.reason is not None:
            self.counts["failed_downloads"] += 1
        return finished

    async def _kept(
        self, record: Record, result: Downloaded | FetchError, before: Outcome | None
    ) -> Finished:
        content = result.content if isinstance(result, Downloaded) else b""
        if isinstance(content, bytes) and self._blobs.store.root is not None:
            # It takes less than to ask a thread, and leaves nothing behind that a kill would lose.
            return self._keep(record, result, before)
        return await asyncio.to_thread(self._keep, record, result, before)

    def _keep(
        self, record: Record, result: Downloaded | FetchError, before: Outcome | None
    ) -> Finished:
        if isinstance(result, FetchError) and _is_no_fault_of_its_own(result):
            return Finished(record, not_had=result)
        last = before or Outcome(url=self._key(record), at="")
        if isinstance(result, FetchError):
            outcome = failed(last, result.reason, result.detail)
        elif result.not_modified:
            outcome = self._unchanged(record, last)
        else:
            outcome = self._stored(record, result, last)
        outcome = replace(outcome, published=_published(record))
        self._outcomes.add([outcome])
        is_zip = record.form == "zip" and outcome.reason is None
        content = result.content if is_zip and isinstance(result, Downloaded) else None
        return Finished(record, outcome, path=content if isinstance(content, Path) else None)

    def _stored(self, record: Record, found: Downloaded, last: Outcome) -> Outcome:
        """Store what was fetched; a zip file stays where it is, to be unpacked from there."""
        fault = None if record.form == "image" else form_fault(record.form, _head(found.content))
        if fault is not None:
            _forget(found)
            return failed(last, *fault)
        blob = None
        if record.form != "zip":
            blob = self._blobs.put(found.content, sha256=found.sha256)
            _forget(found)
        headers = {
            "etag": found.etag,
            "last_modified": found.last_modified,
            "content_type": found.content_type,
        }
        return Outcome(
            url=last.url,
            at=_now(),
            sha256=found.sha256,
            blob=blob,
            num_bytes=found.num_bytes,
            headers=json.dumps({k: v for k, v in headers.items() if v is not None}),
            num_failures=last.num_failures if last.sha256 == found.sha256 else 0,
        )

    def _unchanged(self, record: Record, last: Outcome) -> Outcome:
        """The site says that the file is still the one that is stored: if that is as published."""
        assert last.blob is not None, "only of what is stored that is asked"
        job = Download(
            url=record.url,
            max_bytes=0,
            num_bytes=record.num_bytes,
            md5=record.md5,
            sha1=record.sha1,
        )
        try:
            content = self._blobs.get(last.blob)
            digests = Digests(job)
            digests.update(content)
            digests.verified()
        except (FetchError, MissingObjectError, ValueError):
            detail = "the site says that it is unchanged, but what was fetched is not as published"
            # The next time the whole of it is asked for.
            return replace(failed(last, "wrong_digest", detail), blob=None, headers=None)
        # It may have been about to go as garbage.
        self._blobs.put(content, sha256=last.blob)
        return replace(last, at=_now(), reason=None, detail=None)


def has_changed(record: Record, outcome: Outcome) -> bool:
    """Whether the source publishes another size or digest than when the file was asked for."""
    published = _published(record)
    return None not in (published, outcome.published) and published != outcome.published


def _published(record: Record) -> str | None:
    told = (record.num_bytes, record.sha1, record.md5)
    return None if told == (None,) * 3 else json.dumps(told)


def failed(before: Outcome, reason: str, detail: str) -> Outcome:
    """What is to be recorded after one more failure."""
    return replace(
        before,
        at=_now(),
        reason=reason,
        detail=detail,
        num_failures=before.num_failures + 1,
    )


def _is_no_fault_of_its_own(error: FetchError) -> bool:
    """Whether the URL was not asked for: the budget is spent, or its host was given up."""
    return isinstance(error, BudgetSpentError) or error.reason in OVER


def _forget(found: Downloaded) -> None:
    if isinstance(found.content, Path):
        found.content.unlink(missing_ok=True)


def _head(content: bytes | Path) -> bytes:
    if isinstance(content, bytes):
        return content[:HEAD_BYTES]
    with content.open("rb") as file:
        return file.read(HEAD_BYTES)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
