"""Crops at the size that a network looks at; runs in worker processes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

Bytes = npt.NDArray[np.uint8]

# Pillow's own bomb limit: examples may be photographs.
MAX_PIXELS = 178_956_970
# Shows through transparent pixels.
BACKGROUND = (255, 255, 255)


@dataclass(frozen=True)
class Frame:
    """A picture at a network's size (HWC, RGB), or why there is none."""

    image_HWC: Bytes | None
    reason: str | None = None
    detail: str | None = None


def frame(sha256: str, *, store: Store, side_px: int) -> Frame:
    """The centre square of a picture of the store, resized (bilinear, anti-aliased)."""
    data = Blobs(store).get(sha256)
    try:
        picture_HWC = decode_rgb(
            data, max_pixels=MAX_PIXELS, background=BACKGROUND, min_side_px=2 * side_px
        )
    except DecodeError as error:
        return Frame(None, error.reason, error.detail)
    return Frame(square(picture_HWC, side_px=side_px))


def square(picture_HWC: Bytes, *, side_px: int) -> Bytes:
    """The centre square of a picture at `side_px`."""
    height, width = picture_HWC.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    image = Image.fromarray(picture_HWC)
    small = image.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)
    return np.asarray(small)
