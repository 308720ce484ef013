"""One crop: decode, cut the window, resize, encode, measure."""

import io
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from wunderkammer.crops.params import CropParams, Rgb
from wunderkammer.dedupe.dhash import dhash
from wunderkammer.dedupe.phash import as_grey, phash
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.images.resize import resize
from wunderkammer.params import digest
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty

# Bump when the same source and settings would give other pixels or measures.
RENDER_VERSION = 5

# Pillow's own bomb limit. The scrape has judged the picture by the subject's limit already; this
# one only has to be no stricter for what was let through.
MIN_PIXEL_LIMIT = 178_956_970

# A JPEG is decoded at the smallest of its DCT scales that still has two pixels for one of the crop:
# 50 dB from the same resize of the whole picture, for photographs. But detail finer than that scale
# does not quite vanish: rings of a zone plate leave ghosts of a tenth of their contrast. So much
# detail takes more than these bits a pixel (a photograph about 2), and is decoded in full.
MAX_SCALED_BITS = 2.75

SIZE_CHANGED = "size_changed"

RENDERS = pa.schema(
    [
        ("key", pa.string()),
        ("crop_sha256", pa.string()),
        ("phash", pa.uint64()),
        ("dhash", pa.uint64()),
        ("sharpness", pa.float64()),
        ("brightness", pa.float64()),
        ("contrast", pa.float64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

Row = dict[str, Any]
Image8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """A window of a picture: its blob, its upright size in px as the scrape found it, the edges.

    The window may reach beyond the picture, and is turned by `angle_deg` about its centre. If
    `shown_width` is not 0, only the part of that size about its centre is shown.
    """

    sha256: str
    width: int
    height: int
    x0: int
    y0: int
    x1: int
    y1: int
    angle_deg: float = 0.0
    shown_width: int = 0
    shown_height: int = 0

    @property
    def key(self) -> str:
        """Names it in a ledger."""
        edges = f"{self.x0},{self.y0},{self.x1},{self.y1}"
        turned = f",{self.angle_deg:.4f}" if self.angle_deg else ""
        shown = f",{self.shown_width}x{self.shown_height}" if self.shown_width else ""
        return f"{self.sha256}:{edges}{turned}{shown}"

    @property
    def is_inside(self) -> bool:
        """Whether it is an upright part of the picture, shown whole."""
        fits = self.x0 >= 0 and self.y0 >= 0 and self.x1 <= self.width and self.y1 <= self.height
        return fits and not self.angle_deg and not self.shown_width


@dataclass(frozen=True)
class RenderSettings:
    """All that a crop's pixels and measures depend on, besides its window."""

    size_px: int
    background: Rgb
    codec: str
    quality: int
    outside: str = "background"

    @classmethod
    def of(cls, params: CropParams) -> "RenderSettings":
        """What of a `filter` section reaches the pixels; no threshold and no kind does."""
        return cls(params.size_px, params.background, params.codec, params.quality, params.outside)

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        return digest({**asdict(self), "version": RENDER_VERSION})


def render_row(window: Window, *, settings: RenderSettings, store: Store) -> Row:
    """Render a window into the store's blobs; the row of `RENDERS` that says how it went."""
    blobs = Blobs(store)
    data = blobs.get(window.sha256)
    try:
        crop_HWC = render(data, window=window, settings=settings)
    except DecodeError as error:
        return _failure(error.reason, error.detail)
    grey_HW1 = as_grey(crop_HWC)
    return {
        "crop_sha256": blobs.put(encode(crop_HWC, settings=settings)),
        "phash": phash(grey_HW1),
        "dhash": dhash(grey_HW1),
        **measures(crop_HWC),
        "reason": None,
        "detail": None,
    }


def casualty_row(window: Window, casualty: Casualty) -> Row:
    """The row of a picture that crashed its worker, or on which the worker hung."""
    size = f"{window.width} x {window.height} px"
    return _failure(casualty.reason, f"while rendering a picture of {size}")


def render(data: bytes, *, window: Window, settings: RenderSettings) -> Image8:
    """The window of a picture at `size_px`: HWC uint8, sRGB.

    Raises:
        DecodeError: it can't be decoded, or has another size than the scrape found.
    """
    picture_HWC = decode_rgb(
        data,
        max_pixels=max(window.width * window.height, MIN_PIXEL_LIMIT),
        background=settings.background,
        min_side_px=_min_side(len(data), window=window, size_px=settings.size_px),
    )
    height, width = picture_HWC.shape[:2]
    scale = max(1, round(window.width / width), round(window.height / height))
    if (-(-window.width // scale), -(-window.height // scale)) != (width, height):
        detail = f"{width} x {height} px, {window.width} x {window.height} when it was scraped"
        raise DecodeError(SIZE_CHANGED, detail)
    if window.is_inside:
        box = (window.x0 / scale, window.y0 / scale, window.x1 / scale, window.y1 / scale)
    else:
        picture_HWC = _cut_out(picture_HWC, window, scale=scale, settings=settings)
        box = (0.0, 0.0, float(picture_HWC.shape[1]), float(picture_HWC.shape[0]))
    return resize(picture_HWC, size_px=settings.size_px, box=box)


def _min_side(num_bytes: int, *, window: Window, size_px: int) -> int | None:
    """The shorter side that a JPEG has to keep; None: all of it."""
    if 8 * num_bytes > MAX_SCALED_BITS * window.width * window.height:
        return None
    shorter = min(window.x1 - window.x0, window.y1 - window.y0)
    return ceil(2 * size_px * min(window.width, window.height) / max(shorter, 1))


def _cut_out(
    picture_HWC: Image8, window: Window, *, scale: int, settings: RenderSettings
) -> Image8:
    """The turned window at the scale of the decoded picture; outside of the picture, the fill."""
    fill = settings.background if settings.outside == "background" else _border(picture_HWC)
    centre = ((window.x0 + window.x1) / 2 / scale, (window.y0 + window.y1) / 2 / scale)
    width = max(1, round((window.x1 - window.x0) / scale))
    height = max(1, round((window.y1 - window.y0) / scale))
    # Pixel centres lie at half px: cv2's coordinates are those of the centres.
    matrix = cv2.getRotationMatrix2D((centre[0] - 0.5, centre[1] - 0.5), window.angle_deg, 1.0)
    matrix[:, 2] += np.array([width / 2 - centre[0], height / 2 - centre[1]])
    cut_HWC = cv2.warpAffine(
        picture_HWC,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=tuple(map(int, fill)),
    ).astype(np.uint8, copy=False)
    if not window.shown_width:
        return cut_HWC
    left = max(0, round((width - window.shown_width / scale) / 2))
    top = max(0, round((height - window.shown_height / scale) / 2))
    inner = np.s_[top : height - top, left : width - left]
    framed_HWC = np.empty_like(cut_HWC)
    framed_HWC[:] = fill
    framed_HWC[inner] = cut_HWC[inner]
    return framed_HWC


def _border(picture_HWC: Image8) -> tuple[int, ...]:
    """The median colour of the picture's outermost pixels."""
    edges = (picture_HWC[0], picture_HWC[-1], picture_HWC[:, 0], picture_HWC[:, -1])
    return tuple(int(value) for value in np.median(np.concatenate(edges), axis=0))


def encode(crop_HWC: Image8, *, settings: RenderSettings) -> bytes:
    """The crop as a file. JPEG keeps the full resolution of its colours (4:4:4)."""
    if settings.codec == "jpeg":
        return _jpeg(crop_HWC, quality=settings.quality)
    options: dict[str, dict[str, int]] = {
        "png": {"compress_level": 1},
        "webp": {"quality": settings.quality},
    }
    sink = io.BytesIO()
    Image.fromarray(crop_HWC).save(sink, settings.codec, **options[settings.codec])
    return sink.getvalue()


def _jpeg(crop: Image8, *, quality: int) -> bytes:
    """The file that Pillow would write, without the copy that Pillow would make."""
    if crop.ndim == 3:
        crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), np.uint8)
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling])
    return data.tobytes()


def measures(crop_HWC: Image8) -> dict[str, float]:
    """Sharpness, brightness and contrast of the grey crop.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), summed in integers,
    so that every machine gets the same number; brightness and contrast are the mean and the
    standard deviation of 0 to 1.
    """
    grey = cv2.cvtColor(crop_HWC, cv2.COLOR_RGB2GRAY)
    laplacian = cv2.Laplacian(grey, cv2.CV_16S)
    mean, variance = _moments(grey)
    return {
        "sharpness": _moments(laplacian)[1],
        "brightness": mean / 255,
        "contrast": variance**0.5 / 255,
    }


def _moments(values: Any) -> tuple[float, float]:
    # Sums of whole numbers below 2^53 are exact in floating point; OpenCV's norm takes a root and
    # squares it, hence the rounding.
    total, squares = round(cv2.sumElems(values)[0]), round(cv2.norm(values, cv2.NORM_L2SQR))
    return total / values.size, (squares * values.size - total**2) / values.size**2


def _failure(reason: str, detail: str) -> Row:
    return {**dict.fromkeys(RENDERS.names[1:]), "reason": reason, "detail": detail}
