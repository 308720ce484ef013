"""The records that a source has listed, kept as they come, epoch by epoch."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
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
from wunderkammer.storage.tables import CHUNK_ROWS, Rows, release_memory, values

NAMES = tuple(field.name for field in fields(Record))
VALUES = attrgetter(*NAMES)
BRIEF = ("number", "digest", "id")
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
        self._pending: list[pa.Table] = []
        self._num_pending = 0
        self._saved_at = monotonic()
        self._number = self._num_before = 0
        # The newest record of each id of earlier runs, and which of them this epoch has.
        self._before = Rows(RECORDS.empty_table(), "id")
        self._is_own = np.zeros(0, np.bool_)
        # The digests of what this run has found new or changed, by id.
        self._found: dict[str, str] = {}
        self._num_new = 0

    def progress(self) -> Progress | None:
        """What an earlier run has saved and not committed."""
        return self._progress.read()

    def open(self, course: Course, *, base: Course | None) -> None:
        """Load what earlier runs have listed; `course` is where this one starts."""
        self._epoch = course.epoch
        self._base = None if base is None else base.name
        # What a whole listing has not shown any more was told of with it; what one that a cap has
        # ended has not shown may come in the next one.
        if base is None:
            first = 0
        elif base.is_capped:
            first = base.epoch - 1
        else:
            first = 0 if base.full_at is None else base.epoch
        for epoch in self._epochs():
            if not first <= epoch <= course.epoch:
                self._drop(epoch)
        rows = self._select(BRIEF)
        self._number = self._num_before = pc.max(rows["number"]).as_py() or 0
        self._before = Rows(rows.take(_newest(rows)), "id")
        own = self._ledger(self._epoch).select(["id"])["id"].combine_chunks()
        self._is_own = pc.is_in(self._before.table["id"], value_set=own).to_numpy()
        del rows
        release_memory()

    def known(self, *, first: Collection[str] = ()) -> Iterator[list[Record]]:
        """The records of earlier runs in the order of their first listing, in chunks.

        Those of the ids in `first` come before the others.
        """
        rows = self._select(("number", *NAMES))
        rows = rows.filter(pc.less_equal(rows["number"], self._num_before))
        newest = _newest(rows)
        ids = rows["id"].take(newest)
        is_first = pc.is_in(ids, value_set=pa.array(list(first), pa.string()))
        order = newest.to_numpy()[np.argsort(np.invert(is_first.to_numpy()), kind="stable")]
        rows = rows.select(NAMES)
        for start in range(0, len(order), CHUNK_ROWS):
            yield _records(rows.take(order[start : start + CHUNK_ROWS]))

    @property
    def num_known(self) -> int:
        """How many records earlier runs have listed."""
        return len(self._before.table)

    def is_listed(self, id_: str) -> bool:
        """Whether this epoch has a record of this id."""
        (row,) = self._before.find([id_])
        return id_ in self._found or (row >= 0 and bool(self._is_own[row]))

    def add(self, records: Sequence[Record], course: Course) -> list[Record]:
        """Keep a page and the course after it; returns the records that are new or have changed.

        Raises:
            ValueError, TypeError, OverflowError: a value that no column can hold.
        """
        fresh = []
        for start in range(0, len(records), CHUNK_ROWS):
            fresh += self._add(records[start : start + CHUNK_ROWS])
            if self._num_pending >= PART_ROWS:
                self._write_pending()
        if self._num_pending >= SAVE_ROWS or monotonic() - self._saved_at >= SAVE_S:
            self.save(course)
        return fresh

    def _add(self, records: Sequence[Record]) -> list[Record]:
        fresh, pending = [], []
        places = self._before.find([record.id for record in records])
        digests = self._before.take(places)["digest"].to_pylist()
        for record, place, before in zip(records, places.tolist(), digests, strict=True):
            row = self._row(record)
            is_known = place >= 0
            has_changed = self._found.get(record.id, before) != row["digest"]
            if has_changed:
                self._num_new += not is_known and record.id not in self._found
                self._found[record.id] = row["digest"]
                fresh.append(record)
            if has_changed or (is_known and not self._is_own[place]):
                pending.append(row)
            if is_known:
                self._is_own[place] = True
        if pending:
            self._pending.append(pa.Table.from_pylist(pending, schema=RECORDS))
            self._num_pending += len(pending)
        return fresh

    def save(self, course: Course) -> None:
        """Write what is pending, then the course that comes after it."""
        self._write_pending()
        self._progress.write(Progress(base=self._base, course=course))
        self._saved_at = monotonic()

    def _write_pending(self) -> None:
        if self._pending:
            self._ledger(self._epoch).append(pa.concat_tables(self._pending))
            self._pending, self._num_pending = [], 0

    def finish(self, course: Course) -> None:
        """Save, and merge what has become many small parts."""
        self.save(course)
        self._ledger(self._epoch).compact()

    def unlisted(self, items: Collection[str]) -> set[str]:
        """The records of items of earlier runs that this epoch has not listed yet."""
        ids = [*{id_ for item in items for id_ in records_of(item)}]
        rows = self._before.find(ids)
        return {
            id_ for id_, row in zip(ids, rows, strict=True) if row >= 0 and not self._is_own[row]
        }

    def gone(self) -> set[str]:
        """The ids that earlier epochs listed and this one, now whole, does not."""
        return set(values(self._before.table["id"].filter(pa.array(~self._is_own))))

    @property
    def num_listed(self) -> int:
        """Ids of this epoch."""
        return int(self._is_own.sum()) + self._num_new

    def _row(self, record: Record) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(NAMES, VALUES(record), strict=True))
        self._number += 1
        told = {"digest": digest(row)[:16], "number": self._number}
        # What a record comes back to after a change is a row of its own.
        return {**row, **told, "key": f"{record.id}|{self._number}"}

    def _select(self, names: Sequence[str]) -> pa.Table:
        """These columns, and the keys, of all epochs."""
        ledgers = map(self._ledger, self._epochs())
        none = RECORDS.empty_table().select(["key", *names])
        return pa.concat_tables([none, *(ledger.select(names) for ledger in ledgers)])

    def _ledger(self, epoch: int) -> Ledger:
        return Ledger(self._store, f"{self._prefix}/{epoch:06d}", RECORDS)

    def _epochs(self) -> list[int]:
        below = {key.removeprefix(f"{self._prefix}/") for key in self._store.keys(self._prefix)}
        return sorted({int(key.split("/")[0]) for key in below if "/" in key})

    def _drop(self, epoch: int) -> None:
        for key in list(self._store.keys(f"{self._prefix}/{epoch:06d}")):
            self._store.delete(key)


def records_of(item: str) -> Iterator[str]:
    """The ids of the records that an item of this id may come from: its own, or a container's."""
    yield item
    for separator in re.finditer("/|#", item):
        yield item[: separator.start()]


def _newest(rows: pa.Table) -> pa.ChunkedArray:
    """Where the last row of each id stands, in the order of the first ones."""
    groups = rows.group_by("id").aggregate([("number", "max"), ("number", "min")])
    newest = groups.sort_by("number_min")["number_max"]
    return pc.index_in(newest, value_set=rows["number"].combine_chunks())


def _records(table: pa.Table) -> list[Record]:
    rows = table.to_pylist()
    for row in rows:
        row["other_urls"] = tuple(row["other_urls"] or ())
        row["tags"] = tuple(row["tags"] or ())
        row["refused"] = tuple(row["refused"]) if row["refused"] is not None else None
    return [Record(**row) for row in rows]
