"""The SHA-256 that tables and texts name, wherever in them: what keeps a blob from being garbage.

A hash is held as its first 64 bits. Two blobs that share them would only ever keep each other.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wunderkammer.storage.tables import release_memory

HEX = "[0-9a-f]{64}"
NUM_HEX = 64
NUM_HELD = 16
# A blob that a row was made from is named by its key, one that was made by a column of such a name.
MADE = re.compile(r"^(?!key$).*(sha256|blob|members)$")

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

NONE: Hashes = np.zeros(0, np.uint64)


def of_names(names: Sequence[str]) -> Hashes:
    """The hashes that are written in hex digits."""
    digits = "".join(name[:NUM_HELD] for name in names)
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)


def in_text(content: bytes) -> Hashes:
    """Those that a text names."""
    return of_names([found.decode() for found in re.findall(HEX.encode(), content)])


def in_parquet(content: bytes) -> Hashes:
    """Those that a Parquet file names anywhere."""
    made, used = links(content)
    return np.unique(np.concatenate([made[1], used[1]]))


def links(content: bytes) -> tuple[tuple[Rows, Hashes], tuple[Rows, Hashes]]:
    """The blobs that the rows of a ledger's part made, and those that they were made from.

    Each is two arrays, the number of the row and the hash.
    """
    found: dict[bool, list[tuple[Rows, Hashes]]] = {True: [], False: []}
    for name, column in _texts(content).items():
        found[bool(MADE.match(name))] += _found(column, np.arange(len(column), dtype=np.int64))
    release_memory()
    return _joined(found[True]), _joined(found[False])


def among(hashes: Hashes, of: Hashes) -> npt.NDArray[np.bool_]:
    """Which of `hashes` are in the sorted `of`."""
    if not len(of):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(of, hashes), len(of) - 1)
    return np.asarray(of[places] == hashes)


def _texts(content: bytes) -> dict[str, pa.Array]:
    """The columns that hold texts and no bytes."""
    file = pq.ParquetFile(pa.BufferReader(content))
    names = [field.name for field in file.schema_arrow if _is_text(field.type)]
    table = file.read(names)
    return {name: table[name].combine_chunks() for name in names}


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _is_text(kind.value_type)
    if pa.types.is_struct(kind):
        return all(not pa.types.is_binary(field.type) for field in kind)
    return bool(pa.types.is_string(kind))


def _found(column: pa.Array, rows: Rows) -> Iterator[tuple[Rows, Hashes]]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_list(column.type):
        yield from _found(column.flatten(), rows[pc.list_parent_indices(column).to_numpy()])
    elif pa.types.is_struct(column.type):
        for part in column.flatten():
            yield from _found(part, rows)
    elif pa.types.is_string(column.type):
        first = pc.struct_field(pc.extract_regex(column, f"(?P<hash>{HEX})"), "hash")
        valid = np.asarray(first.is_valid())
        yield rows[valid], of_names(first.drop_null().to_pylist())
        several = pc.fill_null(pc.greater_equal(pc.utf8_length(column), 2 * NUM_HEX), False)
        for row in np.flatnonzero(np.asarray(several)):
            hashes = in_text(column[int(row)].as_py().encode())
            yield np.full(len(hashes), rows[row]), hashes


def _joined(found: Sequence[tuple[Rows, Hashes]]) -> tuple[Rows, Hashes]:
    if not found:
        return np.zeros(0, np.int64), NONE
    rows, hashes = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(hashes)
