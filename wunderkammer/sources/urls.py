"""A list of URLs: what was fetched once is never fetched again, what failed is tried anew."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from wunderkammer.progress import track
from wunderkammer.sources.downloads import download
from wunderkammer.sources.fetch import FetchError, parse_url
from wunderkammer.sources.item import (
    PROVENANCE,
    BlobItem,
    RefusedItem,
    SourceError,
    SourceItem,
    UnreadableItemError,
    printable,
    provenance,
)
from wunderkammer.sources.params import UrlsParams
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import now

log = logging.getLogger(__name__)

SPELLINGS = {"license": "licence", "license_url": "licence_url"}
USER_INFO = re.compile(r"^([^/\\?#]*[/\\]{2})[^/\\?#]*@")
FETCHED = pa.schema(
    [
        ("key", pa.string()),
        ("sha256", pa.string()),
        ("num_bytes", pa.int64()),
        ("fetched_at", pa.string()),
    ]
)
# A kill loses at most what was fetched since the last part.
PART_ROWS = 512
PART_S = 5.0


@dataclass(frozen=True, kw_only=True)
class UrlItem(SourceItem):
    """A URL that `Urls.bring` has not fetched yet."""

    def read(self) -> bytes:
        """Never has bytes.

        Raises:
            UnreadableItemError: always.
        """
        raise UnreadableItemError("unreadable", "not fetched yet")


class Urls:
    """The URLs of a CSV or Parquet file, in its order.

    The id is the URL. Refused at once: an empty one ("no_url"), one given before
    ("duplicate_url"), one with a user name or password ("user_info_in_url", taken out of the id).
    """

    def __init__(self, params: UrlsParams, *, path: Path, store: Store, ledger: str) -> None:
        self.params = params
        self.path = path
        self.store = store
        self._fetched = Ledger(store, f"{ledger}/fetched", FETCHED, blob_column="sha256")

    def items(self) -> list[SourceItem]:
        """Every row of the list.

        Raises:
            SourceError: the list can't be read, has no column `url`, or no row.
        """
        where = f"scrape.path={self.params.path!r}: {str(self.path)!r}"
        if not self.path.is_file():
            raise SourceError(f"{where} is not a file; correct the path, or mount the disk")
        try:
            table = _read(self.path)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{where} is no readable CSV or Parquet file: {error}") from error
        if "url" not in table.column_names:
            names = ", ".join(table.column_names)
            raise SourceError(f"{where} has no column 'url' (its columns: {names}); rename one")
        if table.num_rows == 0:
            raise SourceError(f"{where} lists no URL; add rows below the header")
        columns = {n: table[n].to_pylist() for n in PROVENANCE if n in table.column_names}
        rows = (
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        )
        return list(_listed(rows))

    def bring(self, items: Sequence[SourceItem]) -> Sequence[SourceItem]:
        """Fetch what the ledger lacks; an item that can't be had comes back refused, with why."""
        known = self._fetched.rows()
        blobs = {row["key"]: row for row in known.to_pylist()}
        failures: dict[str, FetchError] = {}
        todo: dict[str, str] = {}
        for item in items:
            if isinstance(item, UrlItem) and item.key not in blobs:
                try:
                    ports = self.params.allow_loopback_ports
                    parse_url(item.url or "", loopback_ports=ports)
                    todo[item.url or ""] = item.key
                except FetchError as error:
                    failures[item.key] = error
        if todo:
            log.info("%d URLs to fetch, %d were fetched before", len(todo), len(blobs))
            self._fetch(todo, blobs, failures)
        return [self._brought(item, blobs, failures) for item in items]

    def _fetch(
        self, todo: dict[str, str], blobs: dict[str, Any], failures: dict[str, FetchError]
    ) -> None:
        store = Blobs(self.store)
        finished = download(list(todo), params=self.params)
        part: list[dict[str, Any]] = []
        last = monotonic()
        try:
            for batch in track(finished, total=len(todo), what="fetching", log=log, size=len):
                for url, outcome in batch:
                    key = todo[url]
                    if isinstance(outcome, FetchError):
                        failures[key] = outcome
                        continue
                    row = {"key": key, "num_bytes": len(outcome), "fetched_at": now()}
                    blobs[key] = {**row, "sha256": store.put(outcome)}
                    part.append(blobs[key])
                if len(part) >= PART_ROWS or monotonic() - last >= PART_S:
                    self._record(part)
                    part, last = [], monotonic()
        finally:
            self._record(part)
        self._fetched.compact()

    def _record(self, part: list[dict[str, Any]]) -> None:
        if part:
            self._fetched.append(pa.Table.from_pylist(part, schema=FETCHED))

    def _brought(
        self, item: SourceItem, blobs: dict[str, Any], failures: dict[str, FetchError]
    ) -> SourceItem:
        if not isinstance(item, UrlItem):
            return item
        if item.key not in blobs:
            error = failures[item.key]
            return RefusedItem(**provenance(item), reason=error.reason, detail=error.detail)
        blob = blobs[item.key]
        return BlobItem(
            **provenance(item),
            key=f"blob:{blob['sha256']}",
            store=self.store,
            sha256=blob["sha256"],
            fetched_at=blob["fetched_at"],
        )


def _read(path: Path) -> pa.Table:
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        table = pq.read_table(path)
    else:
        names = [*PROVENANCE, *SPELLINGS]
        table = pacsv.read_csv(
            path,
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types={
                    spelt: pa.string() for n in names for spelt in (n, n.upper(), n.capitalize())
                },
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    known: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = name.strip().lower()
        known.setdefault(SPELLINGS.get(plain, plain), column)
    wanted = {
        n: column.cast(pa.string()) if n in PROVENANCE else column for n, column in known.items()
    }
    return pa.table(wanted)


def _listed(rows: Iterator[dict[str, Any]]) -> Iterator[SourceItem]:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        text = (row.pop("url") or "").strip()
        url = USER_INFO.sub(r"\1", text)
        id_ = printable(url) or f"\\row {number}"
        count = seen[id_] = seen.get(id_, 0) + 1
        known = {**row, "url": url or None, "id": id_ if count == 1 else f"{id_}\\#{count}"}
        if not text:
            yield RefusedItem(**known, reason="no_url", detail=f"row {number}")
        elif url != text:
            detail = "a user name or password in a URL is not sent"
            yield RefusedItem(**known, reason="user_info_in_url", detail=detail)
        elif count > 1:
            yield RefusedItem(**known, reason="duplicate_url", detail=f"row {number}")
        else:
            yield UrlItem(**known, key=id_)
