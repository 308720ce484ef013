"""A detector over many pictures: decoded ahead in guarded processes, found in this one, remembered.

What was found in a picture is kept in a ledger by the picture's hash, under a name made of all that
it depends on, so that only pictures that were never looked at cost anything.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.detect.backend import Backend, Numbers
from wunderkammer.detect.boxes import BoxSettings, find_boxes
from wunderkammer.detect.frames import Framed, Picture, framed
from wunderkammer.detect.params import YoloParams
from wunderkammer.ledger_map import PART_ROWS, append_lasting
from wunderkammer.params import digest
from wunderkammer.progress import track
from wunderkammer.storage.ledger import Ledger
from wunderkammer.workers import Casualty, Workers, guarded_map, num_cpus

# Bump when the same picture and settings would give other boxes.
DETECT_VERSION = 2

# A batch of frames on its way from a worker: some MB.
FRAMES_A_BATCH = 8
# So many batches' worth of frames wait at most for others of their size: of 16 at 640 px, 40 MB.
MAX_WAITING_BATCHES = 2
# On a CPU, a detector takes many times what a decoder takes.
CPUS_A_DECODER = 4

FOUND = pa.schema(
    [
        ("key", pa.string()),
        ("x0", pa.list_(pa.float64())),
        ("y0", pa.list_(pa.float64())),
        ("x1", pa.list_(pa.float64())),
        ("y1", pa.list_(pa.float64())),
        ("confidence", pa.list_(pa.float64())),
        ("class_index", pa.list_(pa.int32())),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

Row = dict[str, Any]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DetectSettings:
    """All that the boxes of a picture depend on, besides the picture."""

    weights_sha256: str
    image_size_px: int
    min_confidence: float
    max_overlap: float
    max_objects: int
    precision: str

    @classmethod
    def of(cls, params: YoloParams, *, weights_sha256: str) -> "DetectSettings":
        """What of a `detect` section reaches the boxes; neither the classes nor the device do."""
        return cls(
            weights_sha256=weights_sha256,
            image_size_px=params.image_size_px,
            min_confidence=params.min_confidence,
            max_overlap=params.max_overlap,
            max_objects=params.max_objects,
            precision=params.precision,
        )

    @property
    def digest(self) -> str:
        """The name of these settings (64 hex digits)."""
        return digest({**asdict(self), "version": DETECT_VERSION})

    @property
    def boxes(self) -> BoxSettings:
        """What is kept of a detector's boxes."""
        return BoxSettings(self.min_confidence, self.max_overlap, self.max_objects)


def detect_ledgered(
    ledger: Ledger,
    sizes: Mapping[str, tuple[int, int]],
    *,
    start: Callable[[], Backend],
    settings: DetectSettings,
    batch_size: int,
    what: str,
    log: logging.Logger,
    workers: Workers | None = None,
) -> pa.Table:
    """Rows of `FOUND` for pictures of the ledger's store, in their order; what is new is looked at.

    Args:
        sizes: width and height of each picture, by its hash.
        start: makes the detector ready; called only if there is something new.

    A picture that kills its worker, or can't be decoded, has a row with the reason and no boxes.
    """
    done = ledger.rows()
    wanted = pa.array(sizes.keys(), pa.string())
    missing = pc.invert(pc.is_in(wanted, value_set=done["key"].combine_chunks()))
    todo = wanted.filter(missing).to_pylist()
    if todo:
        log.info("%s: %d new, %d known", what, len(todo), len(sizes) - len(todo))
        backend = start()
        log.info("%s: %s", what, backend.name)
        pictures = _pictures(todo, sizes, settings.image_size_px, backend.facts.step_px)
        run = _Run(backend, settings, batch_size)
        frames = guarded_map(
            partial(framed, store=ledger.store),
            pictures,
            workers=workers or _decoders(backend),
        )
        tracked = track(frames, total=len(todo), what=what, log=log, size=len)
        done = pa.concat_tables([done, *_kept(ledger, run.rows(tracked))])
        ledger.compact()
    return done.take(pc.index_in(wanted, value_set=done["key"].combine_chunks()))


def _pictures(
    sha256s: list[str], sizes: Mapping[str, tuple[int, int]], image_size_px: int, step_px: int
) -> list[Picture]:
    """Those with frames of one size one after the other."""
    pictures = [
        Picture.of(
            sha256,
            width=sizes[sha256][0],
            height=sizes[sha256][1],
            image_size_px=image_size_px,
            step_px=step_px,
        )
        for sha256 in sha256s
    ]
    return sorted(pictures, key=lambda picture: picture.place.frame)


def _decoders(backend: Backend) -> Workers:
    num = num_cpus() if "cuda" in backend.name else ceil(num_cpus() / CPUS_A_DECODER)
    return Workers(num_workers=num, batch_size=FRAMES_A_BATCH)


def _kept(ledger: Ledger, rows: Iterator[Row]) -> Iterator[pa.Table]:
    pending: list[Row] = []
    for row in rows:
        pending.append(row)
        if len(pending) >= PART_ROWS:
            yield append_lasting(ledger, pending)
            pending = []
    if pending:
        yield append_lasting(ledger, pending)


class _Run:
    """Gathers frames of one size into batches, and makes rows of what is found in them."""

    def __init__(self, backend: Backend, settings: DetectSettings, batch_size: int) -> None:
        self._backend = backend
        self._settings = settings
        self._batch_size = batch_size
        self._waiting: dict[tuple[int, int], list[tuple[Picture, Image]]] = defaultdict(list)

    def rows(self, batches: Iterator[list[tuple[Picture, Framed | Casualty]]]) -> Iterator[Row]:
        """A row a picture, as they are ready."""
        for batch in batches:
            for picture, result in batch:
                yield from self._take(picture, result)
        while self._waiting:
            yield from self._look(next(iter(self._waiting)))

    def _take(self, picture: Picture, result: Framed | Casualty) -> Iterator[Row]:
        if isinstance(result, Casualty):
            size = f"{picture.width} x {picture.height} px"
            yield _failure(picture, result.reason, f"while decoding a picture of {size}")
        elif result.frame_HWC is None:
            yield _failure(picture, result.reason, result.detail)
        else:
            frame = picture.place.frame
            self._waiting[frame].append((picture, result.frame_HWC))
            if len(self._waiting[frame]) == self._batch_size:
                yield from self._look(frame)
            elif sum(map(len, self._waiting.values())) > MAX_WAITING_BATCHES * self._batch_size:
                # Pictures come by their frames: of the one that has waited longest few are left.
                yield from self._look(next(iter(self._waiting)))

    def _look(self, frame: tuple[int, int]) -> Iterator[Row]:
        waiting = self._waiting.pop(frame)
        x_NHWC = np.stack([frame_HWC for _, frame_HWC in waiting])
        distances, logits = self._backend.run(x_NHWC)
        for row, (picture, _) in enumerate(waiting):
            yield self._row(picture, distances[row], logits[row])

    def _row(self, picture: Picture, distances_DA: Numbers, logits_CA: Numbers) -> Row:
        found = find_boxes(
            distances_DA,
            logits_CA,
            frame=picture.place.frame,
            facts=self._backend.facts,
            settings=self._settings.boxes,
        )
        # To hundredths of a px: what another machine computes otherwise lies far below.
        corners = picture.place.to_picture(found.corners_K4).round(2).T.tolist()
        return {
            "key": picture.sha256,
            **dict(zip(("x0", "y0", "x1", "y1"), corners, strict=True)),
            "confidence": found.confidence_K.round(4).tolist(),
            "class_index": found.class_K.tolist(),
            "reason": None,
            "detail": None,
        }


def _failure(picture: Picture, reason: str | None, detail: str | None) -> Row:
    lists = dict.fromkeys(("x0", "y0", "x1", "y1", "confidence", "class_index"))
    return {"key": picture.sha256, **lists, "reason": reason, "detail": detail}
