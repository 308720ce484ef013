"""The blobs that have to be in a store: those that finished rows say were kept."""

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.manifests import KEPT
from wunderkammer.storage.tables import from_parquet

# Not of weights, which lie elsewhere.
NAMES = re.compile(r"^(?!weights_).*sha256$")
KEPT_AS, MEMBERS, SIZE = "blob", "members", "num_bytes"


def blobs_of_manifest(content: bytes) -> Iterator[tuple[str, int | None]]:
    """The hashes that a manifest's rows name, with their sizes in bytes where it tells them."""
    rows = from_parquet(content)
    # The bytes of a rejected picture may never have been kept; what was made of it was.
    decided = "decision" in rows.column_names
    kept = rows.filter(pc.equal(rows["decision"], KEPT)) if decided else rows.slice(0, 0)
    # Where there are crops, the size is theirs.
    yield from _of_column(kept, "sha256", has_sizes="crop_sha256" not in rows.column_names)
    for name in rows.column_names:
        if NAMES.match(name) and name != "sha256":
            yield from _of_column(rows, name, has_sizes=False)


def blobs_of_part(content: bytes) -> Iterator[tuple[str, int | None]]:
    """As `blobs_of_manifest`, of a part of a ledger."""
    rows = from_parquet(content)
    names = rows.column_names
    if MEMBERS in names:
        hashes = pc.struct_field(pc.list_flatten(rows[MEMBERS]), "sha256")
        yield from ((sha256, None) for sha256 in hashes.drop_null().to_pylist())
        return
    if "reason" in names:
        rows = rows.filter(pc.is_null(rows["reason"]))
    # Of what was fetched `sha256` may be that of a file which was not kept.
    kept_as = [KEPT_AS] if KEPT_AS in names else [name for name in names if NAMES.match(name)]
    for name in kept_as:
        yield from _of_column(rows, name, has_sizes=True)


def _of_column(rows: pa.Table, name: str, *, has_sizes: bool) -> Iterator[tuple[str, int | None]]:
    if name not in rows.column_names:
        return
    rows = rows.filter(pc.is_valid(rows[name]))
    sizes: list[int | None] = [None] * rows.num_rows
    if has_sizes and SIZE in rows.column_names:
        sizes = rows[SIZE].to_pylist()
    yield from zip(rows[name].to_pylist(), sizes, strict=True)
