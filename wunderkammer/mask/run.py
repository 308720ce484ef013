"""Masks of many crops, each made once."""

import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from wunderkammer.crops.render import RenderSettings, encode, measures
from wunderkammer.dedupe.dhash import dhash
from wunderkammer.dedupe.phash import phash
from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.mask.fill import filled, finished_mask
from wunderkammer.mask.segmenter import Segmenter
from wunderkammer.mask.settings import MaskSettings
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty, Workers

log = logging.getLogger(__name__)

MASKS = pa.schema(
    [
        ("key", pa.string()),
        ("masked_sha256", pa.string()),
        ("mask_sha256", pa.string()),
        ("mask_area", pa.float64()),
        ("mask_peak", pa.float64()),
        ("phash", pa.uint64()),
        ("dhash", pa.uint64()),
        ("sharpness", pa.float64()),
        ("brightness", pa.float64()),
        ("contrast", pa.float64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
BLOBS = ("masked_sha256", "mask_sha256")
# A large model takes half a minute a crop on one thread, and seconds to open.
WORKERS = Workers(batch_size=16, item_timeout_s=300.0)
MAX_PIXELS = 4096 * 4096
PNG_LEVEL = 3

Row = dict[str, Any]
Bytes = npt.NDArray[np.uint8]


def mask_ledgered(
    store: Store,
    ledger_prefix: str,
    crop_sha256s: Iterable[str],
    settings: MaskSettings,
    *,
    render: RenderSettings,
    workers: Workers = WORKERS,
) -> pa.Table:
    """A row of `MASKS` for each crop, in order; only crops that were never masked so are computed.

    The ledgers lie below `ledger_prefix`, one for each model and settings. `masked_sha256` is the
    crop with its background painted over, in the codec and quality of `render` (the crop itself for
    `fill: none`); `mask_sha256` is a grey PNG of the crop's size, white for the subject.
    `mask_area` is the mask's share of the crop, `mask_peak` the segmenter's highest value before
    its range was spread; the other measures are those of the masked crop.

    Raises:
        SegmenterFileError: the segmenter can't be run.
    """
    name = settings.digest(codec=render.codec, quality=render.quality)
    return map_ledgered(
        Ledger(store, f"{ledger_prefix}/{name}", MASKS, blob_columns=BLOBS),
        {sha256: sha256 for sha256 in crop_sha256s},
        fn=_MaskCrop(store, settings, render),
        on_casualty=_casualty_row,
        what="masks",
        log=log,
        workers=workers,
    )


@dataclass(frozen=True)
class _MaskCrop:
    """Masks the crop with a hash; a class, so that a worker can unpickle it."""

    store: Store
    settings: MaskSettings
    render: RenderSettings

    def __call__(self, sha256: str) -> Row:
        """A row of `MASKS` without its key."""
        blobs = Blobs(self.store)
        try:
            crop_HWC = decode_rgb(
                blobs.get(sha256), max_pixels=MAX_PIXELS, background=self.render.background
            )
        except DecodeError as error:
            return _failure(error.reason, error.detail)
        prediction = _segmenter(self.settings).predict(crop_HWC)
        mask_HW = finished_mask(prediction.mask_HW, self.settings)
        masked_HWC = filled(crop_HWC, mask_HW, self.settings)
        is_changed = self.settings.fill != "none"
        return {
            "masked_sha256": (
                blobs.put(encode(masked_HWC, settings=self.render)) if is_changed else sha256
            ),
            "mask_sha256": blobs.put(_as_png(mask_HW)),
            "mask_area": float(mask_HW.mean(dtype=np.float64)) / 255,
            "mask_peak": prediction.peak,
            "phash": phash(masked_HWC),
            "dhash": dhash(masked_HWC),
            **measures(masked_HWC),
            "reason": None,
            "detail": None,
        }


@lru_cache(maxsize=1)
def _segmenter(settings: MaskSettings) -> Segmenter:
    """The one model that a worker holds open."""
    return Segmenter(settings)


def _as_png(mask_HW: Bytes) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(mask_HW).save(sink, "PNG", compress_level=PNG_LEVEL)
    return sink.getvalue()


def _casualty_row(_: str, casualty: Casualty) -> Row:
    return _failure(casualty.reason, "while a crop was masked")


def _failure(reason: str, detail: str) -> Row:
    return {**dict.fromkeys(MASKS.names[1:]), "reason": reason, "detail": detail}
