"""The contact sheets of a scrape."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.manifests import KEPT, REJECTED, kept
from wunderkammer.sources.counts import new_rows
from wunderkammer.storage.blobs import Blobs

# Beyond these a picture is named on its sheet, not shown.
MAX_SHOWN_PIXELS = 50_000_000
MAX_SHOWN_BYTES = 256_000_000

FIELDS = ("id", "sha256", "num_bytes", "width", "height", "licence", "decision", "reason")


def scrape_sheets(manifest: pa.Table, *, blobs: Blobs) -> dict[str, bytes]:
    """`kept.jpg` and `rejected.jpg`: evenly spread examples; of the rejected, by reason."""
    manifest = manifest.select(FIELDS)
    rows = kept(manifest)
    rejected = manifest.filter(pc.equal(manifest["decision"], REJECTED))
    return {
        KEPT + ".jpg": contact_sheet(
            _tiles(rows.take(_spread(rows.num_rows)), blobs), title=f"kept: {rows.num_rows}"
        ),
        REJECTED + ".jpg": contact_sheet(
            _tiles(_some_of_each(rejected), blobs), title=f"rejected: {rejected.num_rows}"
        ),
    }


def new_sheet(manifest: pa.Table, previous: pa.Table, *, blobs: Blobs) -> bytes:
    """Evenly spread examples of what `previous`, the version before, did not hold."""
    rows = new_rows(manifest, previous)
    return contact_sheet(
        _tiles(rows.select(FIELDS).take(_spread(rows.num_rows)), blobs),
        title=f"new: {rows.num_rows}",
    )


def _spread(num_rows: int) -> npt.NDArray[np.int64]:
    """At most `MAX_TILES` row numbers, evenly spread."""
    return np.linspace(0, max(num_rows - 1, 0), min(num_rows, MAX_TILES)).astype(np.int64)


def _some_of_each(rejected: pa.Table) -> pa.Table:
    """Up to `MAX_TILES` rows, as many of each reason as there is room for."""
    reasons = rejected["reason"].combine_chunks().dictionary_encode()
    codes = np.asarray(reasons.indices, dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], codes[order])
    rank_in_reason = np.arange(len(order)) - starts
    chosen = order[np.argsort(rank_in_reason, kind="stable")[:MAX_TILES]]
    return rejected.take(chosen[np.argsort(codes[chosen], kind="stable")])


def _tiles(rows: pa.Table, blobs: Blobs) -> list[Tile]:
    tiles, total = [], 0
    for row in rows.to_pylist():
        num_pixels = (row["width"] or 0) * (row["height"] or 0)
        image = None
        # A file that did not decode has no size, and there is nothing to show of it.
        if 0 < num_pixels <= MAX_SHOWN_PIXELS and total + row["num_bytes"] <= MAX_SHOWN_BYTES:
            image = blobs.store.find(blobs.key(row["sha256"]))
            total += row["num_bytes"]
        size = f"{row['width']} x {row['height']}"
        tiles.append(Tile(image, f"{row['reason'] or row['licence'] or size}\n{row['id']}"))
    return tiles
