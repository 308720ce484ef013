"""Labelled pictures with their boxes drawn, for a person to look over."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from wunderkammer.images.contact_sheet import MAX_TILES, TILE_PX, Tile, contact_sheet
from wunderkammer.images.decode import decode_rgb
from wunderkammer.labels.consistency import Faults
from wunderkammer.labels.label_set import LabelSet
from wunderkammer.storage.blobs import Blobs

MAX_PIXELS = 178_956_970
PAPER = (255, 255, 255)
SOUND = (0, 200, 80)
ODD = (230, 30, 30)
# Tiles are drawn larger than they are shown, so that lines stay sharp.
DRAWN_PX = 2 * TILE_PX
LINE_PX = 3


@dataclass(frozen=True)
class DrawnBox:
    """A box in px of the whole picture, and its colour."""

    edges: Sequence[float]
    colour: tuple[int, int, int]


def drawn(content: bytes, boxes: Sequence[DrawnBox], *, width: int, height: int) -> bytes:
    """A small JPEG of a picture of that size in px, itself stored at any size, with boxes."""
    rgb_HWC = decode_rgb(
        content, max_pixels=MAX_PIXELS, background=PAPER, min_side_px=min(DRAWN_PX, width, height)
    )
    picture = Image.fromarray(rgb_HWC)
    picture.thumbnail((DRAWN_PX, DRAWN_PX))
    x, y = picture.width / width, picture.height / height
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        x0, y0, x1, y1 = (edge * s for edge, s in zip(box.edges, (x, y, x, y), strict=True))
        draw.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=box.colour, width=LINE_PX)
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=90)
    return sink.getvalue()


def label_sheet(labels: LabelSet, faults: Faults, *, blobs: Blobs) -> bytes:
    """A contact sheet: pictures with odd boxes (red) first, then others by chance."""
    images_B = labels.boxes["image"].to_numpy()
    odd_rows = list(dict.fromkeys(images_B[faults.any].tolist()))[: MAX_TILES // 2]
    others = np.random.default_rng(0).permutation(labels.images.num_rows).tolist()
    rows = list(dict.fromkeys([*odd_rows, *others]))[:MAX_TILES]
    tiles = [_tile(labels, faults, row, images_B, blobs) for row in rows]
    num = labels.images.num_rows
    title = f"{len(rows)} of {num} labelled; red: {int(faults.any.sum())} odd boxes"
    return contact_sheet(tiles, title=title)


def _tile(
    labels: LabelSet, faults: Faults, row: int, images_B: npt.NDArray[np.int64], blobs: Blobs
) -> Tile:
    image = labels.images.slice(row, 1).to_pylist()[0]
    own = np.flatnonzero(images_B == row)
    edges_B4, is_odd_B = labels.edges, faults.any
    boxes = [DrawnBox(edges_B4[b].tolist(), ODD if is_odd_B[b] else SOUND) for b in own]
    words = [name for name, found in faults.by_name.items() if found[own].any()]
    content = blobs.get(image["picture_sha256"])
    shown = drawn(content, boxes, width=image["width"], height=image["height"])
    counted = f"{len(own)} box{'es' * (len(own) != 1)}"
    return Tile(shown, f"{image['name']}\n{', '.join(words) or counted}")
