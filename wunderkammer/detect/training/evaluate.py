"""How good a detector is on pictures that it was not trained on, run as `detections` runs it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from wunderkammer.detect.backend import Backend
from wunderkammer.detect.boxes import Boxes, BoxSettings, find_boxes
from wunderkammer.detect.detector_file import Detector
from wunderkammer.detect.frames import Picture, framed
from wunderkammer.detect.network import RawDetector, build_network
from wunderkammer.detect.torch_backend import TorchBackend
from wunderkammer.detect.training.average_precision import (
    ClassPrecision,
    Examined,
    class_precision,
)
from wunderkammer.storage.store import Store

# As COCO's own evaluation: all boxes that might be one count, the surest hundred of a picture.
BOXES = BoxSettings(min_confidence=0.001, max_overlap=0.7, max_objects=100)


@dataclass(frozen=True)
class Evaluation:
    """What came of the pictures held out.

    Attributes:
        examined: in the order of the rows, None for one that could not be read.
        classes: of each class that was labelled there.
    """

    examined: list[Examined | None]
    classes: dict[str, ClassPrecision]

    @property
    def map50(self) -> float:
        """The mean of the classes' average precision at an overlap of 0.5."""
        return _mean([found.ap50 for found in self.classes.values()])

    @property
    def best_confidence(self) -> float:
        """The mean of the classes' best cuts."""
        return _mean([found.best_confidence for found in self.classes.values()])

    @property
    def map50_95(self) -> float:
        """That over the overlaps 0.5 to 0.95."""
        return _mean([found.ap50_95 for found in self.classes.values()])


def evaluate(
    detector: Detector,
    held_out: pa.Table,
    *,
    store: Store,
    image_size_px: int,
    batch_size: int,
    device: torch.device,
) -> Evaluation:
    """Examine a detector on rows of `DATASET`, whose pictures are blobs of the store."""
    backend = TorchBackend(RawDetector(build_network(detector)), device=device)
    rows = held_out.to_pylist()
    examined: list[Examined | None] = [None] * len(rows)
    pictures = [
        Picture.of(
            row["sha256"],
            width=row["width"],
            height=row["height"],
            image_size_px=image_size_px,
            step_px=backend.facts.step_px,
        )
        for row in rows
    ]
    for places in _batches(pictures, batch_size):
        found = look_at([pictures[place] for place in places], backend, store=store)
        for place, boxes in zip(places, found, strict=True):
            if boxes is not None:
                examined[place] = _examined(rows[place], pictures[place], boxes)
    known = [picture for picture in examined if picture is not None]
    classes = {name: class_precision(known, number) for number, name in enumerate(detector.names)}
    return Evaluation(examined, {name: c for name, c in classes.items() if c is not None})


def look_at(pictures: Sequence[Picture], backend: Backend, *, store: Store) -> list[Boxes | None]:
    """What is found in frames of one size, in px of the frame; None of what can't be read."""
    frames = [framed(picture, store=store).frame_HWC for picture in pictures]
    there = [frame for frame in frames if frame is not None]
    if not there:
        return [None] * len(frames)
    numbers = zip(*backend.run(np.stack(there)), strict=True)
    return [
        None
        if frame is None
        else find_boxes(
            *next(numbers), frame=picture.place.frame, facts=backend.facts, settings=BOXES
        )
        for picture, frame in zip(pictures, frames, strict=True)
    ]


def _examined(row: dict[str, Any], picture: Picture, found: Boxes) -> Examined:
    return Examined(
        boxes_L4=np.array(row["boxes"], np.float64).reshape(-1, 4),
        classes_L=np.array(row["classes"], np.int64),
        found_F4=picture.place.to_picture(found.corners_K4),
        confidence_F=found.confidence_K,
        found_classes_F=found.class_K,
    )


def _batches(pictures: Sequence[Picture], batch_size: int) -> Iterator[list[int]]:
    """Places of pictures with frames of one size, so many at a time."""
    by_frame: dict[tuple[int, int], list[int]] = {}
    for place, picture in enumerate(pictures):
        by_frame.setdefault(picture.place.frame, []).append(place)
    for places in by_frame.values():
        for start in range(0, len(places), batch_size):
            yield places[start : start + batch_size]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
