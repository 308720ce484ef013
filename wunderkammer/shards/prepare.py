"""From a crop to a training picture: the shards' resolution, channels and codec."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from PIL import Image

from wunderkammer.crops.params import CropParams
from wunderkammer.crops.render import RenderSettings, encode
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.params import digest
from wunderkammer.shards.params import ShardParams
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Record
from wunderkammer.workers import Casualty

# Bump when the same crop and settings would give other pixels.
PREPARE_VERSION = 1

MAX_PIXELS = 178_956_970
WHITE = (255, 255, 255)
TOO_SMALL = "too_small"

PREPARED = pa.schema([("key", pa.string()), ("image_sha256", pa.string()), ("reason", pa.string())])

Row = dict[str, Any]


@dataclass(frozen=True)
class ImageSettings:
    """All that a training picture depends on, besides its crop."""

    resolution_px: int
    channels: Literal[1, 3]
    codec: str
    quality: int

    @classmethod
    def of(cls, params: ShardParams) -> "ImageSettings":
        """What of the `shard` section reaches the pixels."""
        return cls(params.resolution_px, params.channels, params.codec, params.quality)

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        return digest({**asdict(self), "version": PREPARE_VERSION})

    def are_those_of(self, crops: Record) -> bool:
        """Whether the crops of this version are such pictures already, byte for byte."""
        section = crops.sections.get("filter", {})
        size_px, codec, quality = (
            section.get(name, CropParams.model_fields[name].default)
            for name in ("size_px", "codec", "quality")
        )
        same_quality = quality == self.quality or codec == "png"
        return (self.channels, self.resolution_px, self.codec) == (3, size_px, codec) and (
            same_quality
        )


def prepare_row(crop_sha256: str, *, settings: ImageSettings, store: Store) -> Row:
    """Put the training picture of a crop into the store's blobs; a row of `PREPARED`."""
    blobs = Blobs(store)
    try:
        content = prepare(blobs.get(crop_sha256), settings=settings)
    except DecodeError as error:
        return {"image_sha256": None, "reason": error.reason}
    return {"image_sha256": blobs.put(content), "reason": None}


def casualty_row(crop_sha256: str, casualty: Casualty) -> Row:
    """The row of a crop that crashed its worker, or on which the worker hung."""
    del crop_sha256
    return {"image_sha256": None, "reason": casualty.reason}


def prepare(crop: bytes, *, settings: ImageSettings) -> bytes:
    """The training picture's file. Colours become grey by ITU-R 601 luma; Lanczos resizes.

    Raises:
        DecodeError: the crop can't be decoded, or is smaller than the training picture.
    """
    side = settings.resolution_px
    # A JPEG may be decoded at a DCT scale that leaves two pixels for one, as crops are.
    crop_HWC = decode_rgb(crop, max_pixels=MAX_PIXELS, background=WHITE, min_side_px=2 * side)
    if min(crop_HWC.shape[:2]) < side:
        height, width = crop_HWC.shape[:2]
        raise DecodeError(TOO_SMALL, f"{width} x {height} px, needed are {side} x {side}")
    picture = Image.fromarray(crop_HWC)
    if settings.channels == 1:
        picture = picture.convert("L")
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    encoding = RenderSettings(side, WHITE, settings.codec, settings.quality)
    return encode(np.asarray(picture), settings=encoding)
