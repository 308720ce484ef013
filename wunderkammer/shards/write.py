"""Parquet shards in the Hugging Face layout: pictures as files inside a table.

    image: struct<bytes: binary, path: string>    the picture's file, and a name for it
    label: int64 (`ClassLabel`) where every picture has a label, else string
    sha256: string                                SHA-256 of the picture's file
    family: string                                the same for pictures that are near each other:
                                                  the least SHA-256 among them

The schema carries the `huggingface` metadata from which `datasets` makes its features
(https://huggingface.co/docs/datasets, `Features.arrow_schema`), so that
`load_dataset("parquet", data_files=...)` shows pictures.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wunderkammer.storage.blobs import Blobs

# A reader holds one row group at a time.
ROW_GROUP_BYTES = 8_000_000
# Beyond this, labels are more like captions; each name would be repeated in every shard's schema.
MAX_CLASSES = 10_000

READ_THREADS = 8
READ_CHUNK = 16


@dataclass(frozen=True)
class ShardImage:
    """A picture's file, its SHA-256, its label, and the name that it goes by.

    `family` is the least SHA-256 among the pictures near it; None if it is alone.
    """

    content: bytes
    sha256: str
    label: str | None
    path: str
    family: str | None = None


@dataclass(frozen=True)
class Shard:
    """A finished shard file."""

    path: Path
    num_rows: int


def shard_name(number: int, *, num_shards: int) -> str:
    """The name of a shard: `train-00000-of-00003.parquet` is number 0 of 3."""
    return f"train-{number:05d}-of-{num_shards:05d}.parquet"


def class_names(labels: Iterable[str | None]) -> tuple[str, ...] | None:
    """The names of a `ClassLabel`, sorted; None where a picture has no label or there are many."""
    distinct = set(labels)
    if not distinct or None in distinct or len(distinct) > MAX_CLASSES:
        return None
    return tuple(sorted(label for label in distinct if label is not None))


def write_shards(
    images: Iterable[ShardImage],
    *,
    folder: Path,
    names: Sequence[str] | None,
    max_shard_mb: float,
) -> list[Shard]:
    """Write the pictures in their order into as many files of `folder` as they need.

    A shard is cut before the picture that would bring it beyond `max_shard_mb` (of 10^6 bytes);
    a single larger picture has one to itself. `names` are those of `class_names`.
    """
    shards: list[Shard] = []
    writer: _ShardWriter | None = None
    for image in images:
        if writer and writer.num_bytes + len(image.content) > max_shard_mb * 1e6:
            shards.append(writer.close())
            writer = None
        if writer is None:
            writer = _ShardWriter(folder / f"{len(shards):05d}.parquet", names)
        writer.add(image)
    if writer:
        shards.append(writer.close())
    return shards


def read_in_order(blobs: Blobs, sha256s: Iterable[str]) -> Iterator[bytes]:
    """The contents of blobs in the order asked for, read ahead by a few threads."""
    chunks = _chunks(sha256s)
    with ThreadPoolExecutor(READ_THREADS) as pool:
        pending: deque[Future[list[bytes]]] = deque()
        for chunk in chunks:
            pending.append(pool.submit(_read_all, blobs, chunk))
            if len(pending) >= 2 * READ_THREADS:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _chunks(sha256s: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for sha256 in sha256s:
        chunk.append(sha256)
        if len(chunk) == READ_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _read_all(blobs: Blobs, sha256s: Sequence[str]) -> list[bytes]:
    return [blobs.get(sha256) for sha256 in sha256s]


class _ShardWriter:
    """One shard file; pictures are kept back until they fill a row group."""

    def __init__(self, path: Path, names: Sequence[str] | None) -> None:
        self.path = path
        self.num_rows = 0
        self.num_bytes = 0
        self._codes: dict[str | None, int] | None = None
        if names is not None:
            self._codes = {name: i for i, name in enumerate(names)}
        self._schema = _schema(names)
        self._pending: list[ShardImage] = []
        self._pending_bytes = 0
        self._file = pq.ParquetWriter(
            path,
            self._schema,
            # Compressed pictures don't compress, and their smallest and largest mean nothing.
            compression={
                "image.bytes": "none",
                "image.path": "zstd",
                "label": "zstd",
                "sha256": "zstd",
                "family": "zstd",
            },
            use_dictionary=["label"],
            write_statistics=False,
            write_page_checksum=True,
        )

    def add(self, image: ShardImage) -> None:
        self._pending.append(image)
        self.num_rows += 1
        self.num_bytes += len(image.content)
        self._pending_bytes += len(image.content)
        if self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> Shard:
        if self._pending:
            self._flush()
        self._file.close()
        return Shard(self.path, self.num_rows)

    def _flush(self) -> None:
        self._file.write_table(self._table())
        self._pending = []
        self._pending_bytes = 0

    def _table(self) -> pa.Table:
        rows, codes = self._pending, self._codes
        files = [
            pa.array([row.content for row in rows], pa.binary()),
            pa.array([row.path for row in rows], pa.string()),
        ]
        columns = [
            pa.StructArray.from_arrays(files, ["bytes", "path"]),
            pa.array([row.label if codes is None else codes[row.label] for row in rows]),
            pa.array([row.sha256 for row in rows], pa.string()),
            pa.array([row.family or row.sha256 for row in rows], pa.string()),
        ]
        types = self._schema.types
        return pa.table([c.cast(t) for c, t in zip(columns, types, strict=True)], self._schema)


def _schema(names: Sequence[str] | None) -> pa.Schema:
    label = {"dtype": "string", "_type": "Value"}
    features = {
        "image": {"_type": "Image"},
        "label": label if names is None else {"names": list(names), "_type": "ClassLabel"},
        "sha256": {"dtype": "string", "_type": "Value"},
        "family": {"dtype": "string", "_type": "Value"},
    }
    return pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.string() if names is None else pa.int64()),
            ("sha256", pa.string()),
            ("family", pa.string()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
