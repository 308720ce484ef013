"""Contact sheets of the shards: what is kept, and each duplicate beside what it duplicates."""

import numpy as np
import pyarrow as pa

from wunderkammer.dedupe.groups import Duplicates
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.storage.blobs import Blobs


def kept_sheet(crops: pa.Table, *, blobs: Blobs) -> bytes:
    """The first of the kept crops, a table in the shards' order, which is a random one."""
    chosen = crops.slice(0, MAX_TILES).to_pylist()
    tiles = [Tile(blobs.get(row["crop_sha256"]), row["label"] or "") for row in chosen]
    return contact_sheet(tiles, title=f"{len(tiles)} of {crops.num_rows} kept")


def rejected_sheet(crops: pa.Table, duplicates: Duplicates, *, blobs: Blobs) -> bytes:
    """Pairs of a kept crop and a dropped one, the least alike first: they tell the threshold."""
    dropped = np.flatnonzero(~duplicates.is_kept)
    ids = np.asarray(crops["id"].take(dropped))
    chosen = dropped[np.lexsort((ids, -duplicates.distances[dropped]))][: MAX_TILES // 2]
    tiles = []
    for row in chosen:
        distance = duplicates.distances[row]
        what = "same bytes" if duplicates.is_exact[row] else f"{distance} bits from it"
        tiles += [
            _tile(crops, int(duplicates.duplicate_of[row]), "kept", blobs=blobs),
            _tile(crops, int(row), f"dropped: {what}", blobs=blobs),
        ]
    return contact_sheet(tiles, title=f"{len(chosen)} of {len(dropped)} duplicates")


def _tile(crops: pa.Table, row: int, verdict: str, *, blobs: Blobs) -> Tile:
    content = blobs.get(crops["crop_sha256"][row].as_py())
    return Tile(content, f"{verdict}\n{crops['id'][row].as_py()}")
