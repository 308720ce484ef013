"""A detector small enough to be trained by a test: squares and discs on a noisy ground."""

from benchmarks.detection import shapes
from benchmarks.detection.shapes import NAMES, encoded

__all__ = ["ARCHITECTURE", "NAMES", "SIDE_PX", "encoded", "scene", "trained", "untrained"]

SIDE_PX = 64

ARCHITECTURE = {
    "nc": len(NAMES),
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "C2f", [16, True]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]],
        [-1, 1, "C2f", [32]],
        [[9, 6], 1, "Detect", ["nc"]],
    ],
}


def scene(rng, *, width=SIDE_PX, height=SIDE_PX, num_objects=1, smallest=4):
    """A picture (HWC), and a row (class, x0, y0, x1, y1 in px) for each object in it."""
    shorter = min(width, height)
    sides_px = (shorter // smallest, shorter // 2)
    return shapes.scene(rng, width=width, height=height, num_objects=num_objects, sides_px=sides_px)


def untrained(seed=0):
    """A detector with seeded random weights."""
    return shapes.untrained(ARCHITECTURE, seed=seed)


def trained():
    """A detector that finds the objects of `scene`."""

    def draw(rng):
        return scene(rng, num_objects=int(rng.integers(1, 3)), smallest=7)

    return shapes.trained(ARCHITECTURE, draw, num_steps=200, batch_size=16)
