"""Apply a function to new items only: what a ledger already holds is not computed again."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.manifests import TRANSIENT
from wunderkammer.progress import track
from wunderkammer.storage.ledger import Ledger
from wunderkammer.workers import Casualty, Workers, guarded_map, guarded_stream

Item = TypeVar("Item")
Row = dict[str, Any]

# A ledger part a batch would be many small objects; a kill loses at most this much work.
PART_ROWS = 1024


def map_ledgered(
    ledger: Ledger,
    items: Mapping[str, Item],
    *,
    fn: Callable[[Item], Row],
    on_casualty: Callable[[Item, Casualty], Row],
    what: str,
    log: logging.Logger,
    workers: Workers | None = None,
) -> pa.Table:
    """The ledger's rows for every key of `items`, in that order, computing those it lacks.

    `fn` runs in guarded worker processes and returns a row without its `key`; `on_casualty` makes
    the row of an item that crashed its worker or hung. Finished rows are kept as they come, so a
    killed run goes on where it was; those with a `reason` of `TRANSIENT` hold for this run only.
    """
    done = ledger.rows()
    wanted = pa.array(items.keys(), pa.string())
    missing = pc.invert(pc.is_in(wanted, value_set=done["key"].combine_chunks()))
    todo = [(key, items[key]) for key in wanted.filter(missing).to_pylist()]
    if todo:
        log.info("%s: %d new, %d known", what, len(todo), len(items) - len(todo))
        new = _compute(ledger, todo, fn, on_casualty, what, log, workers or Workers())
        done = pa.concat_tables([done, *new])
        ledger.compact()
    return done.take(pc.index_in(wanted, value_set=done["key"].combine_chunks()))


def stream_ledgered(
    ledger: Ledger,
    batches: Iterator[Sequence[tuple[str, Item]] | None],
    *,
    fn: Callable[[Item], Row],
    on_casualty: Callable[[Item, Casualty], Row],
    workers: Workers,
) -> Iterator[tuple[list[Item], pa.Table]]:
    """As `map_ledgered`, of batches that come one by one, none of which the ledger holds.

    Yields the items of each finished batch with their rows; nothing of either, now and then,
    while none is ready.
    """
    pending: list[Row] = []
    try:
        for batch in guarded_stream(_Keyed(fn), batches, workers=workers):
            rows = _rows(batch, on_casualty)
            pending += rows
            yield [item for (_, item), _ in batch], pa.Table.from_pylist(rows, ledger.schema)
            if len(pending) >= PART_ROWS:
                append_lasting(ledger, pending)
                pending = []
    finally:
        if pending:
            append_lasting(ledger, pending)
    ledger.compact()


def _compute(
    ledger: Ledger,
    todo: list[tuple[str, Item]],
    fn: Callable[[Item], Row],
    on_casualty: Callable[[Item, Casualty], Row],
    what: str,
    log: logging.Logger,
    workers: Workers,
) -> Iterator[pa.Table]:
    batches = guarded_map(_Keyed(fn), todo, workers=workers)
    pending: list[Row] = []
    for batch in track(batches, total=len(todo), what=what, log=log, size=len):
        pending += _rows(batch, on_casualty)
        if len(pending) >= PART_ROWS:
            yield append_lasting(ledger, pending)
            pending = []
    if pending:
        yield append_lasting(ledger, pending)


def _rows(
    batch: Sequence[tuple[tuple[str, Item], Row | Casualty]],
    on_casualty: Callable[[Item, Casualty], Row],
) -> list[Row]:
    return [
        {**(on_casualty(item, result) if isinstance(result, Casualty) else result), "key": key}
        for (key, item), result in batch
    ]


def append_lasting(ledger: Ledger, rows: list[Row]) -> pa.Table:
    """The rows as a table; those that will hold the next time are put into the ledger."""
    table = pa.Table.from_pylist(rows, schema=ledger.schema)
    passes = pc.is_in(table["reason"], value_set=pa.array(TRANSIENT))
    lasting = table.filter(pc.invert(pc.fill_null(passes, False)))
    if lasting.num_rows:
        ledger.append(lasting)
    return table


@dataclass(frozen=True)
class _Keyed(Generic[Item]):
    """`fn` on the item of a (key, item) pair; a class, so that a worker can unpickle it."""

    fn: Callable[[Item], Row]

    def __call__(self, keyed: tuple[str, Item]) -> Row:
        return self.fn(keyed[1])
