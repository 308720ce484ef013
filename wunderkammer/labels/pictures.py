"""What training needs of a labelled picture, remembered by its hash: size, pHash, a smaller copy.

The copy is upright, in sRGB, its longer side at most what the network sees. It is reduced as
`detect/letterbox.py` reduces what a detector looks at, so that it learns from what it will see.
"""

import io
import logging
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from wunderkammer.dedupe.phash import phash
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.params import digest
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import MissingObjectError, Store
from wunderkammer.workers import Casualty

PICTURES = pa.schema(
    [
        ("key", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("phash", pa.uint64()),
        ("picture_sha256", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
MAX_PIXELS = 178_956_970
WHITE = (255, 255, 255)
QUALITY = 95
RECIPE = "1"
# May be there the next time: no ledger keeps it.
UNREADABLE = "unreadable"

log = logging.getLogger(__name__)


def labelled_pictures(
    store: Store, sha256s: list[str], *, home: str, subject: str, image_size_px: int
) -> pa.Table:
    """A row of `PICTURES` for each of the blobs `sha256s`, in their order.

    Args:
        home: the key prefix below which they are remembered.
        image_size_px: the longer side that a copy has at most.
    """
    named = digest({"recipe": RECIPE, "image_size_px": image_size_px})[:16]
    ledger = Ledger(store, f"{home}/ledger/{named}", PICTURES, blob_columns=("picture_sha256",))
    return map_ledgered(
        ledger,
        {sha256: sha256 for sha256 in sha256s},
        fn=partial(picture_row, store=store, image_size_px=image_size_px),
        on_casualty=_casualty_row,
        what=f"labelled pictures of {subject}",
        log=log,
    )


def picture_row(sha256: str, *, store: Store, image_size_px: int) -> dict[str, Any]:
    """The row of one picture, or why there is none."""
    blobs = Blobs(store)
    try:
        rgb_HWC = decode_rgb(blobs.get(sha256), max_pixels=MAX_PIXELS, background=WHITE)
    except MissingObjectError as error:
        return _refused(UNREADABLE, str(error))
    except DecodeError as error:
        return _refused(error.reason, error.detail)
    height, width, _ = rgb_HWC.shape
    small_HWC = reduced(rgb_HWC, image_size_px)
    sink = io.BytesIO()
    Image.fromarray(small_HWC).save(sink, "JPEG", quality=QUALITY, subsampling=0)
    return {
        "width": width,
        "height": height,
        "phash": phash(small_HWC),
        "picture_sha256": blobs.put(sink.getvalue()),
        "reason": None,
        "detail": None,
    }


def reduced(rgb_HWC: npt.NDArray[np.uint8], longer_side_px: int) -> npt.NDArray[np.uint8]:
    """The picture, its longer side no longer than that."""
    height, width, _ = rgb_HWC.shape
    scale = longer_side_px / max(height, width)
    if scale >= 1:
        return rgb_HWC
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if height > 2 * size[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb_HWC, size, interpolation=method), np.uint8)


def _refused(reason: str, detail: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(PICTURES.names)
    del row["key"]
    return {**row, "reason": reason, "detail": detail}


def _casualty_row(_sha256: str, casualty: Casualty) -> dict[str, Any]:
    return _refused(casualty.reason, "the worker that decoded it died or hung")
