"""Pictures of a store in the frames that a detector looks at; runs in worker processes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wunderkammer.detect.letterbox import Placement, letterbox, placement
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

# Pillow's own bomb limit: the scrape has judged the picture by the subject's limit already.
MIN_PIXEL_LIMIT = 178_956_970

SIZE_CHANGED = "size_changed"
# Shows through transparent pixels.
BACKGROUND = (255, 255, 255)


@dataclass(frozen=True)
class Picture:
    """A picture to look at: its blob, its upright size in px as the scrape found it, its frame."""

    sha256: str
    width: int
    height: int
    place: Placement

    @classmethod
    def of(
        cls, sha256: str, *, width: int, height: int, image_size_px: int, step_px: int
    ) -> "Picture":
        """With the frame that a detector of that size and step gives it."""
        place = placement(width=width, height=height, image_size_px=image_size_px, step_px=step_px)
        return cls(sha256, width, height, place)


@dataclass(frozen=True)
class Framed:
    """A picture in its frame (HWC, RGB), or why there is none."""

    frame_HWC: npt.NDArray[np.uint8] | None
    reason: str | None = None
    detail: str | None = None


def framed(picture: Picture, *, store: Store) -> Framed:
    """Decode a picture, at the smallest scale that has its frame's pixels, and frame it."""
    data = Blobs(store).get(picture.sha256)
    try:
        picture_HWC = decode_rgb(
            data,
            max_pixels=max(picture.width * picture.height, MIN_PIXEL_LIMIT),
            background=BACKGROUND,
            min_side_px=min(picture.place.inner),
        )
    except DecodeError as error:
        return Framed(None, error.reason, error.detail)
    height, width = picture_HWC.shape[:2]
    scale = max(1, round(picture.width / width), round(picture.height / height))
    if (-(-picture.width // scale), -(-picture.height // scale)) != (width, height):
        was = f"{picture.width} x {picture.height} when it was scraped"
        return Framed(None, SIZE_CHANGED, f"{width} x {height} px, {was}")
    return Framed(letterbox(picture_HWC, picture.place))
