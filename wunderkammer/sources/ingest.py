"""From listed items to rows: read each new one in a worker, decode it, keep its bytes."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.images.decode import DecodeError, probe
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.manifests import KEPT, RAW, REJECTED
from wunderkammer.sources.item import (
    PROVENANCE,
    BlobItem,
    RefusedItem,
    SourceItem,
    UnreadableItemError,
)
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import now
from wunderkammer.workers import Casualty

log = logging.getLogger(__name__)

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


def facts_ledger(store: Store, prefix: str) -> Ledger:
    """The ledger of `ingest`."""
    return Ledger(store, prefix, FACTS, blob_column="sha256")


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
        try:
            facts = probe(content, max_pixels=self.max_pixels)
        except DecodeError as error:
            sha256 = hashlib.sha256(content).hexdigest()
            return row | rejected(error.reason, error.detail) | {"sha256": sha256}
        sha256 = Blobs(self.store).put(content)
        measured = {"format": facts.format, "width": facts.width, "height": facts.height}
        return row | measured | {"sha256": sha256}


def rejected(reason: str, detail: str) -> Row:
    """The part of a row that says why not. The detail may quote bytes of anybody's making."""
    return {"reason": reason, "detail": detail.encode(errors="replace").decode()[:MAX_DETAIL]}


def ingest(items: Sequence[SourceItem], *, facts: Ledger, do: Ingest) -> pa.Table:
    """The rows of `RAW` for `items`, in their order."""
    readable = {item.key: item for item in items if not isinstance(item, RefusedItem)}
    known = map_ledgered(facts, readable, fn=do, on_casualty=_casualty, what="pictures", log=log)
    keys = pa.array([item.key for item in items], pa.string())
    found = known.take(pc.index_in(keys, value_set=known["key"].combine_chunks()))
    refused = [item if isinstance(item, RefusedItem) else None for item in items]
    reasons = pa.array([item and item.reason for item in refused], pa.string())
    details = pa.array([item and item.detail for item in refused], pa.string())
    fetched_at = [item.fetched_at if isinstance(item, BlobItem) else None for item in items]
    reason = pc.coalesce(reasons, found["reason"])
    return _raw_rows(
        items,
        {
            **{name: found[name] for name in ("sha256", "num_bytes", "format", "width", "height")},
            "fetched_at": pc.coalesce(pa.array(fetched_at, pa.string()), found["fetched_at"]),
            "decision": pc.if_else(pc.is_null(reason), KEPT, REJECTED),
            "reason": reason,
            "detail": pc.coalesce(details, found["detail"]),
        },
    )


def unread_rows(items: Sequence[SourceItem], *, reason: str) -> pa.Table:
    """The rows of `RAW` for items that nobody has looked at, rejected for `reason`."""
    same = {"decision": REJECTED, "reason": reason}
    return _raw_rows(items, {name: pa.repeat(text, len(items)) for name, text in same.items()})


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


def _casualty(_: SourceItem, casualty: Casualty) -> Row:
    detail = "reading or decoding it ended or blocked a worker process"
    return {"fetched_at": now()} | rejected(casualty.reason, detail)
