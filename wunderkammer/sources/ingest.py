"""From listed items to rows: read each new one in a worker, decode it, keep its bytes."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.images.decode import DecodeError, probe
from wunderkammer.ledger_map import stream_ledgered
from wunderkammer.manifests import KEPT, RAW, REJECTED
from wunderkammer.sources.item import (
    PROVENANCE,
    BlobItem,
    RefusedItem,
    SourceItem,
    UnreadableItemError,
)
from wunderkammer.sources.placeholders import placeholder_of
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import Rows
from wunderkammer.storage.versions import now
from wunderkammer.workers import Casualty, Workers

MAX_DETAIL = 500

FACTS = pa.schema(
    [
        ("key", pa.string()),
        ("sha256", pa.string()),
        ("num_bytes", pa.int64()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fetched_at", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
Row = dict[str, Any]
# Items of one key: they name the same content.
Twins = tuple[SourceItem, ...]


def facts_ledger(store: Store, prefix: str) -> Ledger:
    """The ledger of `ingest`."""
    return Ledger(store, prefix, FACTS, blob_columns=("sha256",))


@dataclass(frozen=True)
class Ingest:
    """Read, check and keep one item; the function that workers run."""

    store: Store
    max_bytes: int
    max_pixels: int

    def __call__(self, item: SourceItem) -> Row:
        """A row of `FACTS` without its key. Only a picture that decodes becomes a blob."""
        row: Row = {"fetched_at": now()}
        try:
            content = item.read()
        except UnreadableItemError as error:
            return row | rejected(error.reason, error.detail)
        row["num_bytes"] = len(content)
        if not content:
            return row | rejected("empty", "")
        if len(content) > self.max_bytes:
            detail = f"{len(content)} bytes, allowed: {self.max_bytes}"
            return row | rejected("too_large", detail)
        site = placeholder_of(content)
        if site is not None:
            detail = f"what {site} sends in place of a deleted picture"
            return row | rejected("placeholder", detail)
        try:
            facts = probe(content, max_pixels=self.max_pixels)
        except DecodeError as error:
            sha256 = hashlib.sha256(content).hexdigest()
            return row | rejected(error.reason, error.detail) | {"sha256": sha256}
        kept_as = item.sha256 if isinstance(item, BlobItem) else None
        sha256 = kept_as or Blobs(self.store).put(content)
        measured = {"format": facts.format, "width": facts.width, "height": facts.height}
        return row | measured | {"sha256": sha256}


def rejected(reason: str, detail: str) -> Row:
    """The part of a row that says why not. The detail may quote bytes of anybody's making."""
    return {"reason": reason, "detail": detail.encode(errors="replace").decode()[:MAX_DETAIL]}


def ingest(
    batches: Iterator[Sequence[SourceItem] | None], *, facts: Ledger, do: Ingest, workers: Workers
) -> Iterator[pa.Table]:
    """The rows of `RAW` of all items, table by table as they are decided."""
    sorting = _Sorting(batches, known=Rows(facts.rows(), "key"), batch_size=workers.batch_size)
    for finished, found in stream_ledgered(
        facts, sorting.unknown(), fn=_OfTwins(do), on_casualty=_casualty, workers=workers
    ):
        yield from sorting.settled()
        if finished:
            items = [item for twins in finished for item in twins]
            keys = pa.array([item.key for item in items], pa.string())
            yield _rows(items, found.take(pc.index_in(keys, value_set=found["key"])))
    yield from sorting.settled()


class _Sorting:
    """Parts the items that need a worker from those that are refused or known."""

    def __init__(
        self, batches: Iterator[Sequence[SourceItem] | None], *, known: Rows, batch_size: int
    ) -> None:
        self._batches = batches
        self._known = known
        self._batch_size = batch_size
        self._settled: deque[pa.Table] = deque()

    def unknown(self) -> Iterator[Sequence[tuple[str, Twins]] | None]:
        """Batches for the workers; None where there is nothing for them now."""
        for batch in self._batches:
            items = batch or ()
            rows = self._known.find([item.key for item in items])
            new: dict[str, Twins] = {}
            old: list[int] = []
            for number, item in enumerate(items):
                if isinstance(item, RefusedItem) or rows[number] >= 0:
                    old.append(number)
                else:
                    new[item.key] = (*new.get(item.key, ()), item)
            if old:
                facts = self._known.take(rows[old])
                self._settled.append(_rows([items[number] for number in old], facts))
            keyed = list(new.items())
            for start in range(0, len(keyed), self._batch_size):
                yield keyed[start : start + self._batch_size]
            if not keyed:
                yield None

    def settled(self) -> Iterator[pa.Table]:
        """The rows of items that needed no worker, since the last look."""
        while self._settled:
            yield self._settled.popleft()


@dataclass(frozen=True)
class _OfTwins:
    """`do` of the first of several items that name the same content."""

    do: "Ingest"

    def __call__(self, twins: Twins) -> Row:
        return self.do(twins[0])


def _rows(items: Sequence[SourceItem], found: pa.Table) -> pa.Table:
    """The rows of items, of which `found` has the facts in the same order."""
    refused = [item if isinstance(item, RefusedItem) else None for item in items]
    reasons = pa.array([item and item.reason for item in refused], pa.string())
    details = pa.array([item and item.detail for item in refused], pa.string())
    fetched_at = pa.array([item.fetched_at for item in items], pa.string())
    reason = pc.coalesce(reasons, found["reason"])
    return _raw_rows(
        items,
        {
            **{name: found[name] for name in ("sha256", "num_bytes", "format", "width", "height")},
            "fetched_at": pc.coalesce(fetched_at, found["fetched_at"]),
            "headers": [item.headers for item in items],
            "decision": pc.if_else(pc.is_null(reason), KEPT, REJECTED),
            "reason": reason,
            "detail": pc.coalesce(details, found["detail"]),
        },
    )


def _raw_rows(items: Sequence[SourceItem], columns: dict[str, Any]) -> pa.Table:
    columns |= {name: [getattr(item, name) for item in items] for name in ("id", *PROVENANCE)}
    empty = pa.nulls(len(items))
    arrays = (columns.get(field.name, empty) for field in RAW)
    return pa.table(
        [
            pa.array(array, field.type) if isinstance(array, list) else array.cast(field.type)
            for array, field in zip(arrays, RAW, strict=True)
        ],
        schema=RAW,
    )


def _casualty(_: Twins, casualty: Casualty) -> Row:
    detail = "reading or decoding it ended or blocked a worker process"
    return {"fetched_at": now()} | rejected(casualty.reason, detail)
