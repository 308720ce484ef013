"""Pictures for the tests of exports."""

import hashlib
from pathlib import Path

import numpy as np

NUM = 12
SIDE = 16


def drawn(k: int, *, channels: int = 3, side: int = SIDE) -> np.ndarray:
    """Picture number `k`, uint8 [H, W, C]."""
    return np.random.default_rng(k).integers(0, 256, (side, side, channels), dtype=np.uint8)


def contents(folder: Path) -> dict[str, str]:
    """The hash of each file of a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
