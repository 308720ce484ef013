"""Bytes of any picture to upright 8-bit sRGB, or a typed reason why not.

Pillow decodes. The pixels of a sound JPEG come from simplejpeg, as an array from the start; both
run libjpeg-turbo, so they are the same ones. Pillow's process-wide switches (the bomb limit,
tolerance of truncated files, warnings) are set here for the length of one decode and put back, so
nobody else's settings change a result.
"""

import io
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageFile, UnidentifiedImageError

from wunderkammer.images.colour import Rgb, flatten_to_srgb, is_plain_srgb

# The reasons of a `DecodeError`.
NOT_AN_IMAGE = "not_an_image"
TRUNCATED = "truncated"
DAMAGED = "damaged"
UNSUPPORTED = "unsupported"
TOO_MANY_PIXELS = "too_many_pixels"
OUT_OF_MEMORY = "out_of_memory"

# Every raster format that Pillow decodes by itself. Left out: EPS and WMF, which run a program or
# the system's renderer on the file's content, and the formats that Pillow only identifies.
# fmt: off
FORMATS = (
    "JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM", "TGA", "ICO",
    "CUR", "ICNS", "PSD", "DDS", "QOI", "SGI", "PCX", "DCX", "IM", "IMT", "XBM", "XPM", "MSP",
    "SUN", "FITS", "FLI", "FTEX", "GBR", "BLP", "IPTC", "MCIDAS", "PCD", "PIXAR", "SPIDER",
    "XVTHUMB",
)
# fmt: on

# First bytes that only a picture has: what fails with one of these is damaged, not something else.
SIGNATURES = (
    rb"\xff\xd8|\x89PNG|GIF8[79]a|BM|II\*\0|MM\0\*|RIFF....WEBP|....ftypavi[fs]|....jP  |"
    rb"\xff\x4f\xff\x51|8BPS|DDS |qoif|\0\0[\1\2]\0|icns"
)
# HEIF and its kin, EPS, Windows metafiles: pictures, though not for this decoder.
OTHER_PICTURES = rb"....ftyp(he|mi|ms)|%!PS-Adobe|\xc5\xd0\xd3\xc6|\xd7\xcd\xc6\x9a"

# What Pillow and its plugins raise for damaged content: seen on fuzzed and on mutated files.
DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

ORIENTATION_TAG = 0x0112
# EXIF 2.3, tag Orientation: what turns the stored picture upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)

# By Pillow's mode. A phone's JPEG with a second picture behind the first is an MPO.
JPEG_FORMATS = ("JPEG", "MPO")
SIMPLE_JPEG_COLOURS = {"RGB": "RGB", "L": "GRAY"}
# A JPEG can be decoded at 1/2, 1/4 and 1/8.
MAX_DCT_SCALE = 8
# With less, simplejpeg could take a DCT scale (of eighths) for the one that Pillow takes (halves).
MIN_SIMPLE_JPEG_PX = 16

_pillow_lock = threading.RLock()


class DecodeError(ValueError):
    """Bytes that are no picture, or one that can't be decoded.

    `reason` is one of this module's constants; `detail` is the decoder's own message.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True)
class ImageFacts:
    """What a decoded picture is; width and height in px, upright."""

    format: str
    width: int
    height: int


def probe(data: bytes, *, max_pixels: int) -> ImageFacts:
    """Decode the first frame whole, and say what it is.

    Of a JPEG all data is read and its pixels are made at 1/8 of their size, for half of the time.

    Raises:
        DecodeError: the bytes are no picture, a damaged one, or one of more than `max_pixels`.
    """
    with _opened(data, max_pixels=max_pixels, min_side_px=1) as (image, whole_size):
        _load(image)
        # Some formats tell their size only with the picture.
        width, height = whole_size or image.size
        if _orientation(image) in SIDEWAYS:
            width, height = height, width
        return ImageFacts(image.format or "", width, height)


def decode_rgb(
    data: bytes,
    *,
    max_pixels: int,
    background: Rgb,
    min_side_px: int | None = None,
) -> npt.NDArray[np.uint8]:
    """The first frame, upright, in sRGB, over `background` where it is transparent: HWC uint8.

    With `min_side_px`, a JPEG may come out at 1/2, 1/4 or 1/8 of its size, as long as its shorter
    side keeps at least that many pixels: the decoder then skips most of its work. One at 1/s has
    1/s of the sides, rounded up: its pixel at (x, y) is the whole one's from (s·x, s·y) on.

    Raises:
        DecodeError: the bytes are no picture, a damaged one, or one of more than `max_pixels`.
    """
    with _opened(data, max_pixels=max_pixels, min_side_px=min_side_px, is_placed=True) as (
        image,
        _,
    ):
        pixels = _simple_jpeg(image, data)
        if pixels is None:
            _load(image)
            picture: Image.Image = image
        elif is_plain_srgb(image):
            return _upright(pixels, _orientation(image))
        else:
            picture = Image.fromarray(pixels)
            picture.info = image.info
        rgb = flatten_to_srgb(picture, background=background)
        method = UPRIGHT.get(_orientation(image))
        return np.asarray(rgb if method is None else rgb.transpose(method))


@contextmanager
def _opened(
    data: bytes, *, max_pixels: int, min_side_px: int | None, is_placed: bool = False
) -> Iterator[tuple[ImageFile.ImageFile, tuple[int, int] | None]]:
    """The first frame, and if it will be decoded smaller, its size in the file.

    With `is_placed` only where its pixels will lie as `decode_rgb` has it.

    Every error of the decoder, here or in the body, is a DecodeError.
    """
    with _own_pillow_settings(max_pixels):
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                num_pixels = image.width * image.height
                if num_pixels > max_pixels:
                    raise DecodeError(
                        TOO_MANY_PIXELS,
                        f"{image.width} x {image.height} = {num_pixels} pixels, "
                        f"the limit is {max_pixels}",
                    )
                size = image.size
                is_smaller = (
                    min_side_px is not None
                    and not (is_placed and _would_shift(image))
                    and image.draft(None, (min_side_px, min_side_px))
                )
                yield image, size if is_smaller else None
        except DecodeError:
            raise
        except DECODER_ERRORS as error:
            raise _explain(error, data) from error


@contextmanager
def _own_pillow_settings(max_pixels: int) -> Iterator[None]:
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        # Pillow refuses what is beyond twice this number.
        Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _would_shift(image: ImageFile.ImageFile) -> bool:
    """Whether a smaller one's padding, right and below as stored, might lie left or above."""
    if image.format not in JPEG_FORMATS or not any(side % MAX_DCT_SCALE for side in image.size):
        return False
    return _orientation(image) in UPRIGHT


def _load(image: ImageFile.ImageFile) -> None:
    # Counting frames reads the container's index; one that can't be read is damaged.
    getattr(image, "n_frames", 1)
    try:
        image.load()
    except DECODER_ERRORS:
        if image.format != "PNG" or image.tile:
            raise
        # The whole file has been read, and a second look takes the picture as it is: complete if
        # the damage comes after the pixels, black from where their own stream broke off.
        image.load()


def _simple_jpeg(image: ImageFile.ImageFile, data: bytes) -> npt.NDArray[np.uint8] | None:
    """What Pillow would load of a sound JPEG of colours or greys; None for anything else."""
    colours = SIMPLE_JPEG_COLOURS.get(image.mode)
    too_small = min(image.size) < MIN_SIMPLE_JPEG_PX
    if image.format not in JPEG_FORMATS or colours is None or too_small:
        return None
    try:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, colorspace=colours, min_height=image.height, min_width=image.width
        )
    except ValueError:
        return None  # Pillow knows what may be overlooked, and what to call the rest
    if pixels.shape[:2] != (image.height, image.width):
        return None
    return pixels if colours == "RGB" else pixels[..., 0]


def _upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    if orientation not in UPRIGHT:
        return pixels
    import cv2  # few pictures are turned, and few readers load it for anything else

    if orientation in SIDEWAYS:
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    # Around which axes (OpenCV's flip codes) what is left of the operation mirrors.
    code = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if code is None else np.asarray(cv2.flip(pixels, code), np.uint8)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except DECODER_ERRORS:
        return 1  # damaged metadata is no reason to lose the picture
    return value if isinstance(value, int) and value in UPRIGHT else 1


def _explain(error: Exception, data: bytes) -> DecodeError:
    detail = f"{type(error).__name__}: {error}".strip(": ")
    if isinstance(error, Image.DecompressionBombError):
        return DecodeError(TOO_MANY_PIXELS, detail)
    if isinstance(error, MemoryError):
        return DecodeError(OUT_OF_MEMORY, detail)
    if isinstance(error, UnidentifiedImageError):
        return _explain_unidentified(data)
    if isinstance(error, NotImplementedError) or "unsupported" in detail.lower():
        return DecodeError(UNSUPPORTED, detail)
    return DecodeError(TRUNCATED if "truncated" in detail.lower() else DAMAGED, detail)


def _explain_unidentified(data: bytes) -> DecodeError:
    # Pillow's own message holds the address of a buffer; the first bytes tell more.
    begins = f"{len(data)} bytes that begin with {data[:24]!r}"
    if re.match(OTHER_PICTURES, data[:16], re.DOTALL):
        return DecodeError(UNSUPPORTED, begins)
    if re.match(SIGNATURES, data[:16], re.DOTALL):
        return DecodeError(DAMAGED, f"the header can't be read: {begins}")
    return DecodeError(NOT_AN_IMAGE, begins)
