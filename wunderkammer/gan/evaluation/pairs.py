"""Generated pictures beside the training pictures nearest to them, on one JPEG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from wunderkammer.gan.evaluation.pictures import Pictures, as_rgb
from wunderkammer.images.contact_sheet import MAX_TILES, Tile, contact_sheet

MAX_PAIRS = MAX_TILES // 2


@dataclass(frozen=True)
class Pair:
    """Two pictures, uint8 [C, H, W], and a caption of at most two lines for each."""

    fake_CHW: Pictures
    real_CHW: Pictures
    fake_caption: str
    real_caption: str


def pairs_sheet(pairs: Sequence[Pair], *, title: str) -> bytes:
    """A JPEG of at most 200 kB with the first 24 pairs, four a row, in their order."""
    tiles: list[Tile] = []
    for pair in pairs[:MAX_PAIRS]:
        tiles += [
            Tile(_png(pair.fake_CHW), pair.fake_caption),
            Tile(_png(pair.real_CHW), pair.real_caption),
        ]
    return contact_sheet(tiles, title=title)


def _png(picture_CHW: Pictures) -> bytes:
    sink = io.BytesIO()
    rgb_HWC = as_rgb(picture_CHW[None])[0].transpose(1, 2, 0)
    Image.fromarray(rgb_HWC).save(sink, "PNG")
    return sink.getvalue()
