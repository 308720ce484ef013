"""Small pictures that the tests of this folder make for themselves."""

import io

import numpy as np
from PIL import Image


def encoded(picture, codec="PNG", **options):
    sink = io.BytesIO()
    picture.save(sink, codec, **options)
    return sink.getvalue()


def blotches(width, height, seed=0):
    """A smooth random colour picture, so that crops differ and survive JPEG."""
    seeds = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(seeds).resize((width, height), Image.Resampling.BICUBIC)


def correlation(a_HWC, b_HWC):
    """Pearson's, of the grey pictures at 64 by 64."""
    small = [
        np.asarray(Image.fromarray(x).convert("L").resize((64, 64)), float) for x in (a_HWC, b_HWC)
    ]
    return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])
