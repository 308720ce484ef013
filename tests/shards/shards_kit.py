"""Small pictures for the tests of shards."""

import io

import numpy as np
from PIL import Image

SIDE = 16


def picture(seed: int, *, side: int = SIDE) -> np.ndarray:
    """Blotches: pictures of different seeds are far apart by their hashes."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(tiles).resize((side, side), Image.Resampling.BICUBIC))


def encoded(image_HWC: np.ndarray, codec: str = "png", **options: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(image_HWC).save(sink, codec, **options)
    return sink.getvalue()
