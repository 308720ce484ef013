"""Per-image results that outlive a killed run.

A ledger is a growing set of Parquet parts. Each finished batch becomes one part, named by its
content and written whole, so that a rerun reads what is done and goes on from there.
"""

import hashlib

import pyarrow as pa

from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import from_parquet, to_parquet

MAX_PARTS = 32


class Ledger:
    """Rows by `key` (a string column of `schema`); a row never changes once written."""

    def __init__(self, store: Store, prefix: str, schema: pa.Schema) -> None:
        self.store = store
        self.prefix = prefix
        self.schema = schema

    def rows(self) -> pa.Table:
        """All rows, one a key."""
        contents: list[bytes | None] = [None]
        while None in contents:
            # A part vanishes only after one with its rows has landed: another process merges.
            contents = [self.store.find(key) for key in self._parts()]
        if not contents:
            return self.schema.empty_table()
        parts = [from_parquet(content) for content in contents if content is not None]
        table = pa.concat_tables([part.cast(self.schema) for part in parts])
        return _first_of_each(table)

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

    def _part_key(self, content: bytes) -> str:
        return f"{self.prefix}/{hashlib.sha256(content).hexdigest()[:32]}.parquet"

    def _parts(self) -> list[str]:
        return sorted(self.store.keys(self.prefix))


def _first_of_each(table: pa.Table) -> pa.Table:
    numbered = table.append_column("_row", pa.array(range(table.num_rows), pa.int64()))
    first = numbered.group_by("key").aggregate([("_row", "min")])["_row_min"]
    return table.take(first.combine_chunks().sort())
