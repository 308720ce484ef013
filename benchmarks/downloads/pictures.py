"""Pictures to download, each with bytes of its own: photographs of 20 KB, or tiny ones."""

import io

import numpy as np
from PIL import Image

SIDE_PX = 256
QUALITY = 80
# Smooth colours with grain: what a photograph of this size takes in a JPEG.
NUM_PATCHES = 24
GRAIN = 9.0
NUM_DIGITS = 12


def photographs(num_pictures: int) -> list[bytes]:
    """JPEGs of about 20 KB, always the same ones."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(num_pictures):
        patches = rng.integers(0, 256, (NUM_PATCHES, NUM_PATCHES, 3), dtype=np.uint8)
        smooth = Image.fromarray(patches).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        grainy = np.asarray(smooth) + rng.normal(0, GRAIN, (SIDE_PX, SIDE_PX, 1))
        sink = io.BytesIO()
        Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(sink, "JPEG", quality=QUALITY)
        found.append(sink.getvalue())
    return found


def numbered_jpeg(jpeg: bytes, number: int) -> bytes:
    """The same picture, with a comment that makes it a file of its own."""
    comment = b"\xff\xfe\x00\x0e%012d" % number
    return b"".join((jpeg[:2], comment, jpeg[2:]))


def tiny_png() -> bytes:
    """A picture of 16 pixels."""
    sink = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 120, 40)).save(sink, "PNG")
    return sink.getvalue()


def numbered_png(png: bytes, number: int) -> bytes:
    """The same picture, with bytes after its end that make it a file of its own."""
    return png + b"%012d" % number
