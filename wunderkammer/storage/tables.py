"""Arrow tables: to and from Parquet bytes, and their rows by a text."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_ROWS = 4096
PACK_ROWS = 16_384


def to_parquet(table: pa.Table) -> bytes:
    """The table as one Parquet file (zstd)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def from_parquet(content: bytes, *, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in one Parquet file, or some of its columns."""
    wanted = None if columns is None else list(columns)
    return pq.ParquetFile(pa.BufferReader(content)).read(wanted)


def release_memory() -> None:
    """Give back to the system what freed tables took; Arrow would keep it for the next ones."""
    pa.default_memory_pool().release_unused()


def values(column: pa.ChunkedArray) -> Iterator[Any]:
    """The values of a column, few of them as Python objects at a time."""
    for start in range(0, len(column), CHUNK_ROWS):
        yield from column.slice(start, CHUNK_ROWS).to_pylist()


def columns_digest(table: pa.Table, order: pa.Array) -> str:
    """The `digest` of a dict of a table's columns as lists, of the rows `order` in that order."""
    found = hashlib.sha256()
    for piece in _as_json(table, order):
        found.update(piece.encode())
    return found.hexdigest()


def _as_json(table: pa.Table, order: pa.Array) -> Iterator[str]:
    yield "{"
    for number, name in enumerate(sorted(table.column_names)):
        yield f"{',' if number else ''}{_json(name)}:["
        column = table[name].take(order)
        for start in range(0, len(column), CHUNK_ROWS):
            few = column.slice(start, CHUNK_ROWS).to_pylist()
            yield f"{',' if start else ''}{_json(few)[1:-1]}"
        yield "]"
    yield "}"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Pile:
    """Rows that come in small tables, packed until all of them are there."""

    def __init__(self, schema: pa.Schema) -> None:
        self.num_rows = 0
        self._schema = schema
        self._packed: list[bytes] = []
        self._loose: list[pa.Table] = []
        self._num_loose = 0

    def add(self, rows: pa.Table) -> None:
        """Put more rows on top."""
        self._loose.append(rows)
        self._num_loose += rows.num_rows
        self.num_rows += rows.num_rows
        if self._num_loose >= PACK_ROWS:
            self._packed.append(to_parquet(pa.concat_tables(self._loose)))
            self._loose, self._num_loose = [], 0

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all rows."""
        packed = [from_parquet(part, columns=[name]) for part in self._packed]
        loose = [rows.select([name]) for rows in self._loose]
        return pa.concat_tables([self._schema.empty_table().select([name]), *packed, *loose])[name]

    def take(self, numbers: pa.Array) -> pa.Table:
        """These rows; no more than one column of the others is unpacked at a time."""
        columns = [self.column(name).take(numbers) for name in self._schema.names]
        return pa.table(columns, schema=self._schema)


class Rows:
    """The rows of a table, found by a column of texts; of equal texts any one.

    That takes 16 bytes a row, where a dict of the texts would take 200.
    """

    def __init__(self, table: pa.Table, column: str) -> None:
        self.table = table.combine_chunks()
        self._texts = self.table[column]
        hashes = np.fromiter(map(hash, values(self._texts)), np.int64, table.num_rows)
        self._rows = np.argsort(hashes)
        self._hashes = hashes[self._rows]

    def find(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """The row of each text, -1 where there is none."""
        if not self.table.num_rows:
            return np.full(len(texts), -1)
        hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
        places = np.searchsorted(self._hashes, hashes) % len(self._hashes)
        rows = np.where(self._hashes[places] == hashes, self._rows[places], -1)
        # Two texts may have one hash, though hardly ever; then one of them is not found.
        theirs = self._texts.take(pa.array(rows, mask=rows < 0)).to_pylist()
        is_right = [text == their for text, their in zip(texts, theirs, strict=True)]
        return np.where(is_right, rows, -1)

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """These rows; all columns are null where the number is -1."""
        return self.table.take(pa.array(rows, mask=rows < 0))
