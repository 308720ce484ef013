"""What came of downloads, stored and recorded as they end: a kill loses what is on its way."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.network import OVER
from wunderkammer.conduct.requests import Downloaded
from wunderkammer.harvest.outcomes import Outcome, Outcomes
from wunderkammer.sources.containers import HEAD_BYTES, form_fault
from wunderkammer.sources.listing import Record
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store


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

    async def keep(self, record: Record, result: Downloaded | FetchError) -> Finished:
        """Store and record what a download has given.

        Raises:
            OSError: the disk is full, or the store can't be reached.
        """
        finished = await self._kept(record, result)
        if isinstance(result, Downloaded):
            self.counts["downloads"] += 1
            self.counts["downloaded_bytes"] += result.num_bytes
        if finished.outcome is not None and finished.outcome.reason is not None:
            self.counts["failed_downloads"] += 1
        return finished

    async def _kept(self, record: Record, result: Downloaded | FetchError) -> Finished:
        content = result.content if isinstance(result, Downloaded) else b""
        if isinstance(content, bytes) and self._blobs.store.root is not None:
            # It takes less than to ask a thread, and leaves nothing behind that a kill would lose.
            return self._keep(record, result)
        return await asyncio.to_thread(self._keep, record, result)

    def _keep(self, record: Record, result: Downloaded | FetchError) -> Finished:
        if isinstance(result, FetchError) and _is_no_fault_of_its_own(result):
            return Finished(record, not_had=result)
        if isinstance(result, FetchError):
            outcome = self._failure(record, result.reason, result.detail)
        else:
            outcome = self._stored(record, result)
        self._outcomes.add([outcome])
        is_zip = record.form == "zip" and outcome.reason is None
        content = result.content if is_zip and isinstance(result, Downloaded) else None
        return Finished(record, outcome, path=content if isinstance(content, Path) else None)

    def _stored(self, record: Record, found: Downloaded) -> Outcome:
        """Store what was fetched; a zip file stays where it is, to be unpacked from there."""
        fault = None if record.form == "image" else form_fault(record.form, _head(found.content))
        if fault is not None:
            _forget(found)
            return self._failure(record, *fault)
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
            url=self._key(record),
            at=_now(),
            sha256=found.sha256,
            blob=blob,
            num_bytes=found.num_bytes,
            headers=json.dumps({k: v for k, v in headers.items() if v is not None}),
        )

    def _failure(self, record: Record, reason: str, detail: str) -> Outcome:
        key = self._key(record)
        (before,) = self._outcomes.find([key])
        return failed(before or Outcome(url=key, at=""), reason, detail)


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
