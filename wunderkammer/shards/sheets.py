"""Contact sheets of the shards: what is kept, and each group of duplicates after what is kept."""

import numpy as np
import pyarrow as pa

from wunderkammer.dedupe.groups import Duplicates, Ints
from wunderkammer.dedupe.leaders import PHASH
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet
from wunderkammer.storage.blobs import Blobs

# Of a large group, the least alike are shown.
MAX_OF_GROUP = 7


def kept_sheet(crops: pa.Table, *, blobs: Blobs) -> bytes:
    """The first of the kept crops, a table in the shards' order, which is a random one."""
    chosen = crops.slice(0, MAX_TILES).to_pylist()
    tiles = [Tile(blobs.get(row["crop_sha256"]), row["label"] or "") for row in chosen]
    return contact_sheet(tiles, title=f"{len(tiles)} of {crops.num_rows} kept")


def rejected_sheet(crops: pa.Table, duplicates: Duplicates, *, blobs: Blobs) -> bytes:
    """Groups of a kept crop and those dropped for it, the least alike first.

    What lies at the threshold, and what a closer look has found, tells whether it is a good one.
    """
    dropped = np.flatnonzero(~duplicates.is_kept)
    ids = np.asarray(crops["id"].take(dropped))
    order = dropped[np.lexsort((ids, *_least_alike(duplicates, dropped)))]
    tiles: list[Tile] = []
    num_shown = 0
    for leader in dict.fromkeys(duplicates.duplicate_of[order].tolist()):
        followers = order[duplicates.duplicate_of[order] == leader][:MAX_OF_GROUP]
        if len(tiles) + 1 + len(followers) > MAX_TILES:
            break
        tiles.append(_tile(crops, leader, "kept", blobs=blobs))
        for row in followers.tolist():
            tiles.append(_tile(crops, row, _how(duplicates, row), blobs=blobs))
        num_shown += len(followers)
    return contact_sheet(tiles, title=f"{num_shown} of {len(dropped)} duplicates")


def _least_alike(duplicates: Duplicates, rows: Ints) -> tuple[Ints, np.ndarray]:
    """Keys for `lexsort`, the last first: what hashes alone did not find, then by unlikeness."""
    likeness = np.nan_to_num(duplicates.likeness[rows], nan=1.0)
    unlike = np.where(np.isnan(duplicates.likeness[rows]), -duplicates.distances[rows], likeness)
    return unlike, duplicates.found_by[rows] == PHASH


def _how(duplicates: Duplicates, row: int) -> str:
    """Why a crop is a duplicate, in a few words."""
    if duplicates.is_exact[row]:
        return "same bytes"
    if duplicates.found_by[row] == PHASH:
        return f"{duplicates.distances[row]} bits from it"
    if np.isnan(duplicates.likeness[row]):
        return f"of its group, {duplicates.distances[row]} bits"
    return f"alike {duplicates.likeness[row]:.2f}, {duplicates.distances[row]} bits"


def _tile(crops: pa.Table, row: int, verdict: str, *, blobs: Blobs) -> Tile:
    content = blobs.get(crops["crop_sha256"][row].as_py())
    return Tile(content, f"{verdict}\n{crops['id'][row].as_py()}")
