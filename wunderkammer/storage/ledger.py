"""Per-image results that outlive a killed run.

A ledger is a growing set of Parquet parts. Each finished batch becomes one part, named by its
content and written whole, so that a rerun reads what is done and goes on from there.
"""

import hashlib
import logging
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import from_parquet, release_memory, to_parquet, values

MAX_PARTS = 32

log = logging.getLogger(__name__)


class Ledger:
    """Rows by `key` (a string column of `schema`); a row never changes once written.

    `blob_columns` are those with the SHA-256 of a row's blobs: a row of which a blob is gone (it
    was deleted by hand, or lost in a power cut) does not count, so that it is made again.
    """

    def __init__(
        self, store: Store, prefix: str, schema: pa.Schema, *, blob_columns: Sequence[str] = ()
    ) -> None:
        self.store = store
        self.prefix = prefix
        self.schema = schema
        self.blob_columns = blob_columns

    def rows(self) -> pa.Table:
        """All rows, one a key."""
        return self.select(self.schema.names)

    def select(self, names: Sequence[str]) -> pa.Table:
        """All rows, one a key, with `key` and these columns alone.

        Blobs are looked for only if their columns are among these.
        """
        schema = pa.schema([field for field in self.schema if field.name in ("key", *names)])
        contents: list[bytes | None] = [None]
        while None in contents:
            # A part vanishes only after one with its rows has landed: another process merges.
            contents = [self.store.find(key) for key in self._parts()]
        if not contents:
            return schema.empty_table()
        parts = [self._read(content, schema) for content in contents if content is not None]
        rows = _first_of_each(pa.concat_tables(parts))
        for name in self.blob_columns:
            if name in rows.column_names:
                rows = self._with_blobs(rows, name)
        release_memory()
        return rows

    def append(self, table: pa.Table) -> None:
        """Publish one batch of rows."""
        content = to_parquet(table.cast(self.schema))
        self.store.write(self._part_key(content), content)

    def compact(self) -> None:
        """Merge many small parts into one. The merged part lands before the others go."""
        old = self._parts()
        if len(old) <= MAX_PARTS:
            return
        content = to_parquet(self.rows())
        merged = self._part_key(content)
        self.store.write(merged, content)
        for key in old:
            if key != merged:
                self.store.delete(key)

    def _read(self, content: bytes, schema: pa.Schema) -> pa.Table:
        try:
            table = from_parquet(content, columns=schema.names)
            for field in schema:
                # A part may be older than a column.
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(table.num_rows, field.type))
            return table.select(schema.names).cast(schema)
        except pa.ArrowInvalid as error:
            # A power cut can leave a file without its bytes; what it held is made again.
            log.warning("a part of the ledger %s is damaged and ignored: %s", self.prefix, error)
            return schema.empty_table()

    def _with_blobs(self, rows: pa.Table, column: str) -> pa.Table:
        hashes = rows[column]
        # A rejected row may name a content that was never kept.
        claimed = pc.is_valid(hashes)
        if "reason" in rows.column_names:
            claimed = pc.and_(claimed, pc.is_null(rows["reason"]))
        lost = Blobs(self.store).lost(values(hashes.filter(claimed)))
        if not lost:
            return rows
        log.warning("%d blobs of the ledger %s are gone, made again", len(lost), self.prefix)
        is_lost = pc.is_in(hashes, value_set=pa.array(lost, pa.string()))
        return rows.filter(pc.invert(pc.and_(claimed, is_lost)))

    def _part_key(self, content: bytes) -> str:
        return f"{self.prefix}/{hashlib.sha256(content).hexdigest()[:32]}.parquet"

    def _parts(self) -> list[str]:
        return sorted(self.store.keys(self.prefix))


def _first_of_each(table: pa.Table) -> pa.Table:
    numbered = table.append_column("_row", pa.array(range(table.num_rows), pa.int64()))
    first = numbered.group_by("key").aggregate([("_row", "min")])["_row_min"]
    # Nearly always so; a copy of all rows is saved.
    if len(first) == table.num_rows:
        return table
    return table.take(first.combine_chunks().sort())
