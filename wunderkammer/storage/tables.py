"""Arrow tables to and from Parquet bytes."""

import pyarrow as pa
import pyarrow.parquet as pq


def to_parquet(table: pa.Table) -> bytes:
    """The table as one Parquet file (zstd)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def from_parquet(content: bytes) -> pa.Table:
    """The table in one Parquet file."""
    return pq.read_table(pa.BufferReader(content))
