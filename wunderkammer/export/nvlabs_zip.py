"""The archive that NVlabs' StyleGAN2-ADA and StyleGAN3 train on.

    00000/img00000000.png    square, the side a power of two, RGB or grey, uncompressed
    dataset.json             {"labels": [["00000/img00000000.png", 3], …]}, or null for no labels

and nothing else. PNG with stored blocks and filter 0 on each row is the fastest to read.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.export.collection import Collection, Picture, ahead, interleaved

# The first time that a zip can tell: equal pictures make equal archives.
NO_TIME = (1980, 1, 1, 0, 0, 0)
STORED = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 0),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
    # Pillow reads them a fifth faster than in chunks of 8 kB.
    *(cv2.IMWRITE_PNG_ZLIBBUFFER_SIZE, 2**16),
)


def write_nvlabs_zip(collection: Collection, pictures: Iterable[Picture], *, folder: Path) -> None:
    """Write `<subject>.zip`."""
    labels = []
    with ZipFile(folder / f"{collection.subject}.zip", "w") as archive:
        for picture, png in ahead(lambda p: stored_png(collection.pixels(p)), pictures):
            name = f"{picture.index // 1000:05d}/img{picture.name}.png"
            archive.writestr(_entry(name), png)
            if picture.number is not None:
                labels.append((name, picture.number))
        archive.writestr(_entry("dataset.json"), json.dumps({"labels": labels or None}))


def stored_png(image_CHW: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of RGB or grey pixels in stored blocks, with filter 0 on every row."""
    pixels = interleaved(image_CHW)
    in_order = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, ::-1])
    _, content = cv2.imencode(".png", in_order, STORED)
    return content.tobytes()


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, NO_TIME)
    entry.external_attr = 0o644 << 16
    return entry
