"""One crop: decode, cut the centre square, resize, encode, measure."""

import io
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from wunderkammer.crops.params import CropParams, Rgb
from wunderkammer.crops.windows import centre_squares
from wunderkammer.dedupe.phash import phash
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.params import digest
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty

# Bump when the same source and settings would give other pixels or measures.
RENDER_VERSION = 1

# Pillow's own bomb limit. The scrape has judged the picture by the subject's limit already; this
# one only has to be no stricter for what was let through.
MIN_PIXEL_LIMIT = 178_956_970

SIZE_CHANGED = "size_changed"

RENDERS = pa.schema(
    [
        ("key", pa.string()),
        ("crop_sha256", pa.string()),
        ("phash", pa.uint64()),
        ("sharpness", pa.float64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A picture to render: its blob, and its upright size in px as the scrape found it."""

    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class RenderSettings:
    """All that a crop's pixels and measures depend on, besides its source."""

    size_px: int
    background: Rgb
    codec: str
    quality: int

    @classmethod
    def of(cls, params: CropParams) -> "RenderSettings":
        """What of a `filter` section reaches the pixels; no threshold does.

        The kind of section is not among it: `whole` and `square` cut the same window.
        """
        return cls(params.size_px, params.background, params.codec, params.quality)

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        return digest({**asdict(self), "window": "centre_square", "version": RENDER_VERSION})


def render_row(source: Source, *, settings: RenderSettings, store: Store) -> Row:
    """Render a source into the store's blobs; the row of `RENDERS` that says how it went."""
    blobs = Blobs(store)
    data = blobs.get(source.sha256)
    try:
        crop_HWC = render(data, source=source, settings=settings)
    except DecodeError as error:
        return _failure(error.reason, error.detail)
    return {
        "crop_sha256": blobs.put(encode(crop_HWC, settings=settings)),
        "phash": phash(crop_HWC),
        "sharpness": sharpness(crop_HWC),
        "reason": None,
        "detail": None,
    }


def casualty_row(source: Source, casualty: Casualty) -> Row:
    """The row of a source that crashed its worker, or on which the worker hung."""
    size = f"{source.width} x {source.height} px"
    return _failure(casualty.reason, f"while rendering a picture of {size}")


def render(data: bytes, *, source: Source, settings: RenderSettings) -> npt.NDArray[np.uint8]:
    """The centre square of a picture at `size_px`: HWC uint8, sRGB.

    Raises:
        DecodeError: it can't be decoded, or has another size than the scrape found.
    """
    # A JPEG is decoded at the smallest of its DCT scales that still has two pixels for one of
    # the crop's: half the time, and 47 dB from the same resize of the whole picture (1.5 Mpx).
    picture_HWC = decode_rgb(
        data,
        max_pixels=max(source.width * source.height, MIN_PIXEL_LIMIT),
        background=settings.background,
        min_side_px=2 * settings.size_px,
    )
    height, width = picture_HWC.shape[:2]
    scale = max(1, round(source.width / width), round(source.height / height))
    if (-(-source.width // scale), -(-source.height // scale)) != (width, height):
        detail = f"{width} x {height} px, {source.width} x {source.height} when it was scraped"
        raise DecodeError(SIZE_CHANGED, detail)
    window = centre_squares(np.array([source.width]), np.array([source.height]))
    edges = (window.x0[0], window.y0[0], window.x1[0], window.y1[0])
    side = settings.size_px
    crop = Image.fromarray(picture_HWC).resize(
        (side, side),
        Image.Resampling.LANCZOS,
        box=tuple(float(edge) / scale for edge in edges),
        reducing_gap=2.0,
    )
    return np.asarray(crop)


def encode(crop_HWC: npt.NDArray[np.uint8], *, settings: RenderSettings) -> bytes:
    """The crop as a file. JPEG keeps the full resolution of its colours (4:4:4)."""
    options: dict[str, dict[str, int]] = {
        "jpeg": {"quality": settings.quality, "subsampling": 0},
        "png": {"compress_level": 1},
        "webp": {"quality": settings.quality},
    }
    sink = io.BytesIO()
    Image.fromarray(crop_HWC).save(sink, settings.codec, **options[settings.codec])
    return sink.getvalue()


def sharpness(crop_HWC: npt.NDArray[np.uint8]) -> float:
    """The variance of the Laplacian of the grey picture (Pech-Pacheco et al., ICPR 2000).

    Summed in integers, so that every machine gets the same number.
    """
    grey = cv2.cvtColor(crop_HWC, cv2.COLOR_RGB2GRAY)
    laplacian = cv2.Laplacian(grey, cv2.CV_16S).astype(np.int64)
    total, squares = int(laplacian.sum()), int((laplacian**2).sum())
    return (squares * laplacian.size - total**2) / laplacian.size**2


def _failure(reason: str, detail: str) -> Row:
    return {
        "crop_sha256": None,
        "phash": None,
        "sharpness": None,
        "reason": reason,
        "detail": detail,
    }
