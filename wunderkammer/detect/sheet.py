"""Pictures with the boxes that were found in them, on one JPEG for a person to look over."""

import io
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw

from wunderkammer.images.contact_sheet import MAX_TILES, PAPER, TILE_PX, Tile, contact_sheet
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.manifests import kept
from wunderkammer.storage.blobs import Blobs

# A picture beyond this is named on the sheet, not shown.
MAX_SHOWN_PIXELS = 50_000_000
# Of classes that count, and of others.
COLOUR = (255, 60, 40)
FAINT = (90, 150, 255)
LINE_PX = 2


def boxes_sheet(manifest: pa.Table, *, classes: Collection[str], blobs: Blobs) -> bytes:
    """A JPEG of some pictures of `DETECTIONS` with boxes; without any box, of some pictures."""
    pictures = kept(manifest)
    has_boxes = pc.greater(pc.list_value_length(pictures["confidence"]), 0)
    shown = pictures.filter(has_boxes)
    title = "of {} pictures with boxes"
    if shown.num_rows == 0:
        shown, title = pictures, "of {} pictures, none of which has a box"
    order = np.random.default_rng(0).permutation(shown.num_rows)[:MAX_TILES]
    rows = shown.take(np.sort(order)).to_pylist()
    tiles = [_tile(row, classes=classes, blobs=blobs) for row in rows]
    return contact_sheet(tiles, title=f"{len(tiles)} {title.format(shown.num_rows)}")


def _tile(row: Mapping[str, Any], *, classes: Collection[str], blobs: Blobs) -> Tile:
    wanted = [not classes or name in classes for name in row["class_name"]]
    caption = f"{row['id']}\n{_said(row)}"
    if row["width"] * row["height"] > MAX_SHOWN_PIXELS:
        return Tile(None, caption)
    data = blobs.get(row["sha256"])
    try:
        picture_HWC = decode_rgb(
            data, max_pixels=MAX_SHOWN_PIXELS, background=PAPER, min_side_px=TILE_PX
        )
    except DecodeError:
        return Tile(None, caption)
    picture = Image.fromarray(picture_HWC)
    picture.thumbnail((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    scale = picture.width / row["width"], picture.height / row["height"]
    draw = ImageDraw.Draw(picture)
    corners = zip(*(row[name] for name in ("x0", "y0", "x1", "y1")), strict=True)
    # The surest last, so that it lies on top.
    for box, counts in reversed(list(zip(corners, wanted, strict=True))):
        edges = [edge * scale[axis % 2] for axis, edge in enumerate(box)]
        draw.rectangle(edges, outline=COLOUR if counts else FAINT, width=LINE_PX)
    sink = io.BytesIO()
    picture.save(sink, "PNG", compress_level=1)
    return Tile(sink.getvalue(), caption)


def _said(row: Mapping[str, Any]) -> str:
    """The surest box in words."""
    if not row["confidence"]:
        return "nothing found"
    more = len(row["confidence"]) - 1
    surest = f"{row['class_name'][0]} {row['confidence'][0]:.2f}"
    return surest + (f" +{more}" if more else "")
