"""The records that a source has listed, kept as they come, epoch by epoch."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from itertools import compress
from operator import attrgetter
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.harvest.course import Course, Progress, ProgressFile
from wunderkammer.params import digest
from wunderkammer.sources.listing import Record
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import CHUNK_ROWS, values

NAMES = tuple(field.name for field in fields(Record))
VALUES = attrgetter(*NAMES)
LISTS = ("other_urls", "tags", "refused")
RECORDS = pa.schema(
    [
        ("key", pa.string()),
        ("number", pa.int64()),
        ("digest", pa.string()),
        *(
            (
                name,
                pa.list_(pa.string())
                if name in LISTS
                else pa.int64()
                if name == "num_bytes"
                else pa.string(),
            )
            for name in NAMES
        ),
    ]
)
# A killed run lists again at most what came since the last save.
SAVE_ROWS = 2048
# Of a page that holds many more than these.
PART_ROWS = 16384
SAVE_S = 5.0


class Records:
    """All records of one query of one source, the newest of each id."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._progress = ProgressFile(store, f"{prefix}/progress.json")
        self._epoch = 0
        self._base: str | None = None
        self._pending: list[dict[str, Any]] = []
        self._saved_at = monotonic()
        self._table = RECORDS.empty_table()
        # Of the newest record of each id of any epoch, and the ids of this one.
        self._digests: dict[str, str] = {}
        self._ids: set[str] = set()
        self._number = 0

    def progress(self) -> Progress | None:
        """What an earlier run has saved and not committed."""
        return self._progress.read()

    def open(self, course: Course, *, base: Course | None) -> None:
        """Load what earlier runs have listed; `course` is where this one starts."""
        self._epoch = course.epoch
        self._base = None if base is None else base.name
        tables = {epoch: self._ledger(epoch).rows() for epoch in self._epochs()}
        for epoch in [*tables]:
            # The listing of this epoch is whole: what only earlier ones knew is gone.
            if epoch > course.epoch or (epoch < course.epoch and course.full_at is not None):
                self._drop(epoch)
                del tables[epoch]
        own = tables.get(self._epoch, RECORDS.empty_table())
        everything = pa.concat_tables([RECORDS.empty_table(), *tables.values()])
        newest = _newest(everything)
        self._number = pc.max(everything["number"]).as_py() or 0
        self._digests = dict(zip(values(newest["id"]), values(newest["digest"]), strict=True))
        is_own = pc.is_in(newest["id"], value_set=own["id"].combine_chunks())
        self._ids = set(compress(self._digests, values(is_own)))
        self._table = newest.select(NAMES)

    def known(self, *, first: Collection[str] = ()) -> Iterator[list[Record]]:
        """The records of earlier runs in the order of their first listing, in chunks.

        Those of the ids in `first` come before the others.
        """
        is_first = pc.is_in(self._table["id"], value_set=pa.array(list(first), pa.string()))
        order = np.argsort(np.invert(is_first.to_numpy()), kind="stable")
        for start in range(0, len(order), CHUNK_ROWS):
            yield _records(self._table.take(order[start : start + CHUNK_ROWS]))

    @property
    def num_known(self) -> int:
        """How many records earlier runs have listed."""
        return len(self._table)

    def is_listed(self, id_: str) -> bool:
        """Whether this epoch has a record of this id."""
        return id_ in self._ids

    def add(self, records: Sequence[Record], course: Course) -> list[Record]:
        """Keep a page and the course after it; returns the records that are new or have changed."""
        fresh = []
        for record in records:
            row = self._row(record)
            has_changed = self._digests.get(record.id) != row["digest"]
            if has_changed:
                self._digests[record.id] = row["digest"]
                fresh.append(record)
            if has_changed or record.id not in self._ids:
                self._ids.add(record.id)
                self._pending.append(row)
                if len(self._pending) >= PART_ROWS:
                    self._write_pending()
        if len(self._pending) >= SAVE_ROWS or monotonic() - self._saved_at >= SAVE_S:
            self.save(course)
        return fresh

    def save(self, course: Course) -> None:
        """Write what is pending, then the course that comes after it."""
        self._write_pending()
        self._progress.write(Progress(base=self._base, course=course))
        self._saved_at = monotonic()

    def _write_pending(self) -> None:
        if self._pending:
            rows = pa.Table.from_pylist(self._pending, schema=RECORDS)
            self._ledger(self._epoch).append(rows)
            self._pending = []

    def finish(self, course: Course) -> None:
        """Save, and merge what has become many small parts."""
        self.save(course)
        self._ledger(self._epoch).compact()

    def gone(self) -> set[str]:
        """The ids that earlier epochs listed and this one, now whole, does not."""
        return self._digests.keys() - self._ids

    @property
    def num_listed(self) -> int:
        """Ids of this epoch."""
        return len(self._ids)

    def _row(self, record: Record) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(NAMES, VALUES(record), strict=True))
        self._number += 1
        told = {"digest": digest(row)[:16], "number": self._number}
        # What a record comes back to after a change is a row of its own.
        return {**row, **told, "key": f"{record.id}|{self._number}"}

    def _ledger(self, epoch: int) -> Ledger:
        return Ledger(self._store, f"{self._prefix}/{epoch:06d}", RECORDS)

    def _epochs(self) -> list[int]:
        below = {key.removeprefix(f"{self._prefix}/") for key in self._store.keys(self._prefix)}
        return sorted({int(key.split("/")[0]) for key in below if "/" in key})

    def _drop(self, epoch: int) -> None:
        for key in list(self._store.keys(f"{self._prefix}/{epoch:06d}")):
            self._store.delete(key)


def _newest(table: pa.Table) -> pa.Table:
    """The last row of each id, in the order of the first ones."""
    table = table.append_column("_row", pa.array(range(table.num_rows), pa.int64()))
    groups = table.group_by("id").aggregate([("number", "max"), ("number", "min")])
    groups = groups.sort_by("number_min")
    newest = pc.index_in(groups["number_max"], value_set=table["number"].combine_chunks())
    return table.take(newest).drop_columns(["_row"])


def _records(table: pa.Table) -> list[Record]:
    rows = table.to_pylist()
    for row in rows:
        row["other_urls"] = tuple(row["other_urls"] or ())
        row["tags"] = tuple(row["tags"] or ())
        row["refused"] = tuple(row["refused"]) if row["refused"] is not None else None
    return [Record(**row) for row in rows]
