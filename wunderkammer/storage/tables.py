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


def to_parquet(table: pa.Table) -> bytes:
    """The table as one Parquet file (zstd)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def from_parquet(content: bytes) -> pa.Table:
    """The table in one Parquet file."""
    return pq.read_table(pa.BufferReader(content))


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
