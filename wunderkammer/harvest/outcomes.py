"""What became of each URL that was asked for: fetched once is never fetched again."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import Rows, release_memory

FOLD_ROWS = 4096
MAX_WAIT_DAYS = 64


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The last word on a URL.

    Attributes:
        url: or whatever else its source remembers its file by.
        at: when, ISO 8601.
        sha256: of the file; None where it could not be had.
        blob: the same, where the file itself is kept as a blob.
        headers: JSON of the response headers that matter.
        reason, detail: why there is no picture of it; None where there is one.
        num_failures: how often in a row; of a picture, how often the same bytes were none before.
        published: the size and the digests that the source told of the file when it was asked for.
    """

    url: str
    at: str
    sha256: str | None = None
    blob: str | None = None
    num_bytes: int | None = None
    headers: str | None = None
    reason: str | None = None
    detail: str | None = None
    num_failures: int = 0
    published: str | None = None

    def is_due(self, *, retry_days: float, at: datetime) -> bool:
        """Whether a failure may be asked for again: at once after the first, then less and less.

        The wait after the n-th failure is `retry_days` times 2^(n-1) - 1, at most 64 days.
        """
        wait_days = min(retry_days * (2 ** min(self.num_failures - 1, 16) - 1), MAX_WAIT_DAYS)
        return at - datetime.fromisoformat(self.at) >= timedelta(days=wait_days)


NAMES = tuple(field.name for field in fields(Outcome))
NUMBERS = ("num_bytes", "num_failures")
OUTCOMES = pa.schema(
    [
        ("key", pa.string()),
        *((name, pa.int64() if name in NUMBERS else pa.string()) for name in NAMES),
    ]
)


class Outcomes:
    """A ledger of outcomes with a journal; two threads and all sources of a subject may use it.

    The journal is a file of lines that a killed run leaves behind and the next one folds into the
    ledger, so that what was fetched is known however the run ended.
    """

    def __init__(self, store: Store, prefix: str, *, journal: Path) -> None:
        self._ledger = Ledger(store, prefix, OUTCOMES, blob_columns=("blob",))
        self._journal_path = journal
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._append(_read_journal(journal))
        # What is in the ledger, in parts of which a later one has the last word.
        self._parts = [Rows(_last_of_each(self._ledger.rows()), "url")]
        release_memory()
        self._new: dict[str, Outcome] = {}
        self._lock = Lock()
        # At its end, even if another run has begun and taken what stood there.
        self._journal = journal.open("a", encoding="utf-8")
        self._journal.truncate(0)

    def find(self, urls: Sequence[str]) -> list[Outcome | None]:
        """The last outcome of each URL, None where it was never asked for."""
        with self._lock:
            found = [self._new.get(url) for url in urls]
            for part in reversed(self._parts):
                places = [place for place, outcome in enumerate(found) if outcome is None]
                rows = part.find([urls[place] for place in places])
                if (rows >= 0).any():
                    outcomes = map(_outcome, part.take(rows).to_pylist())
                    for place, outcome in zip(places, outcomes, strict=True):
                        found[place] = outcome
        return found

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes; those fetched must have their blobs written."""
        with self._lock:
            for outcome in outcomes:
                before = self._new.get(outcome.url)
                if before is None or before.at <= outcome.at:
                    self._new[outcome.url] = outcome
                self._journal.write(json.dumps(vars(outcome)) + "\n")
            self._journal.flush()
            if len(self._new) >= FOLD_ROWS:
                self._fold()

    def close(self) -> None:
        """Leave everything in the ledger."""
        self._fold()
        self._journal.close()
        self._journal_path.unlink(missing_ok=True)
        self._ledger.compact()

    def _fold(self) -> None:
        """Move what the journal holds into the ledger."""
        self._parts.append(Rows(self._append([*self._new.values()]), "url"))
        self._new = {}
        self._journal.truncate(0)

    def _append(self, outcomes: Sequence[Outcome]) -> pa.Table:
        table = _table(outcomes)
        if outcomes:
            self._ledger.append(table)
        return table.drop_columns(["key"])


def _table(outcomes: Sequence[Outcome]) -> pa.Table:
    columns = {name: [getattr(o, name) for o in outcomes] for name in NAMES}
    return pa.table({"key": [f"{o.url}|{o.at}" for o in outcomes], **columns}, schema=OUTCOMES)


def _read_journal(path: Path) -> list[Outcome]:
    outcomes = []
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            # The last line of a killed run may be half a line, that of a power cut anything.
            with suppress(ValueError, TypeError):
                outcomes.append(Outcome(**json.loads(line)))
    return outcomes


def _outcome(row: dict[str, Any]) -> Outcome | None:
    return None if row["url"] is None else Outcome(**row)


def _last_of_each(table: pa.Table) -> pa.Table:
    """The row of each URL with the latest time; of equal times the later row. Without the keys."""
    table = table.drop_columns(["key"])
    if pc.count_distinct(table["url"]).as_py() == table.num_rows:
        return table
    table = table.sort_by([("at", "ascending")])
    table = table.append_column("_row", pa.array(range(table.num_rows), pa.int64()))
    last = table.group_by("url").aggregate([("_row", "max")])["_row_max"]
    return table.take(last.combine_chunks()).drop_columns(["_row"])
