"""Any of Pillow's modes to 8-bit sRGB over a background."""

import io
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Rgb = tuple[int, int, int]

# The colour space (ICC.1:2010, 7.2.6) that a profile must describe to be used with a mode.
PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
ALPHA_MODES = {"LA": "L", "La": "L", "PA": "RGB", "RGBA": "RGB", "RGBa": "RGB"}
BITS_PER_SAMPLE_TAG = 258


def flatten_to_srgb(image: Image.Image, *, background: Rgb) -> Image.Image:
    """A loaded picture as RGB in sRGB, with `background` where it is transparent."""
    colour, alpha = _split_alpha(image)
    rgb = _to_srgb(colour, image.info.get("icc_profile"))
    if alpha is None:
        return rgb
    return Image.composite(rgb, Image.new("RGB", rgb.size, background), alpha)


def is_plain_srgb(image: Image.Image) -> bool:
    """Whether `flatten_to_srgb` changes nothing, so that the colours may be taken as they are."""
    if image.mode != "RGB" or image.info.get("transparency") is not None:
        return False
    icc_profile = image.info.get("icc_profile")
    is_described = isinstance(icc_profile, bytes) and icc_profile
    return not is_described or _transform(icc_profile, "RGB") is None


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours as L, RGB, CMYK or LAB, and the opacity as L (None: opaque throughout)."""
    mode = image.mode
    key = image.info.get("transparency")
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _split_deep(image, key)
    if mode in ("P", "1", "L", "RGB") and key is not None:
        image = _with_alpha_channel(image, key)
    elif mode == "P" and image.palette is not None and image.palette.mode == "RGBA":
        image = image.convert("RGBA")
    elif mode == "La" or mode == "RGBa":
        image = image.convert("LA" if mode == "La" else "RGBA")
    elif mode == "PA":
        image = image.convert("RGBA")
    if image.mode in ("LA", "RGBA"):
        return image.convert(ALPHA_MODES[image.mode]), image.getchannel("A")
    if image.mode in PROFILE_SPACES:
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _with_alpha_channel(image: Image.Image, key: object) -> Image.Image:
    # A key that does not fit the mode (a fault of the file) makes nothing transparent.
    fits = {"P": (bytes, int), "1": (int,), "L": (int,), "RGB": (tuple,)}[image.mode]
    if isinstance(key, fits):
        try:
            return image.convert("RGBA")
        except ValueError:
            pass
    plain = image.copy()
    del plain.info["transparency"]
    return plain


def _split_deep(image: Image.Image, key: object) -> tuple[Image.Image, Image.Image | None]:
    values = np.asarray(image)
    is_short = values.dtype.kind == "u" and values.dtype.itemsize == 2
    bytes_HW = _scale(values, white=_white(image)) if is_short else _stretch(values)
    grey = Image.fromarray(bytes_HW)
    if not isinstance(key, int):
        return grey, None
    return grey, Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))


def _white(image: Image.Image) -> int:
    """The value of white in a picture of at most 16 bits a sample (TIFF also knows 12)."""
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE_TAG)
    num_bits = bits[0] if isinstance(bits, tuple) and bits else 16
    return int(2 ** min(max(num_bits, 1), 16) - 1)


def _scale(shorts: npt.NDArray[np.uint16], *, white: int) -> npt.NDArray[np.uint8]:
    steps = np.rint(np.minimum(np.arange(2**16), white) * (255.0 / white))
    return np.take(steps.astype(np.uint8), shorts)


def _stretch(numbers: npt.NDArray[np.int32 | np.float32]) -> npt.NDArray[np.uint8]:
    """To 8 bits where no format fixes what white is; nothing is clipped, and order is kept.

    Black is 0 and white is 1 (fractions only), 255 or 65,535, the first that holds all values.
    Where even that fails (negative or larger values), the picture's own range is spread.
    """
    grey = numbers.astype(np.float32)
    np.nan_to_num(grey, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    fitting = [white for white in (1.0, 255.0, 65535.0) if low >= 0 and high <= white]
    if fitting:
        low, high = 0.0, fitting[0]
    # Scaled before the shift, and never by infinity: float32 must hold every step.
    scale = 255.0 / max(high - low, 1e-30)
    grey *= scale
    grey -= low * scale
    np.clip(np.rint(grey, out=grey), 0, 255, out=grey)
    return grey.astype(np.uint8)


def _to_srgb(image: Image.Image, icc_profile: object) -> Image.Image:
    if isinstance(icc_profile, bytes) and icc_profile:
        for mode in dict.fromkeys((image.mode, "RGB")):
            # A grey picture may carry an RGB profile; the colours are what the profile says.
            if mode == image.mode or image.mode == "L":
                transform = _transform(icc_profile, mode)
                if transform is not None:
                    return transform.apply(image.convert(mode))
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=64)
def _transform(icc_profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None if the profile is broken, unfit, or sRGB already."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        if profile.profile.xcolor_space.strip() != PROFILE_SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    converted = np.asarray(transform.apply(Image.fromarray(lattice))).astype(int)
    return int(np.abs(converted - lattice).max()) <= 1
