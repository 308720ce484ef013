"""Contestants that look at the same pictures, each in a process of its own."""

import logging
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.detection.task import CHECKPOINT, STORE, WEIGHTS, Task
from wunderkammer.detect.detector_file import read_detector
from wunderkammer.detect.params import YoloParams
from wunderkammer.detect.runner import FOUND, DetectSettings, detect_ledgered
from wunderkammer.detect.start import start_backend
from wunderkammer.detect.ultralytics_offline import ultralytics_module
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store

PLAIN = "ultralytics, torch"
OURS: dict[str, dict[str, str]] = {
    "ours, torch": {"backend": "torch"},
    "ours, OpenVINO float32": {"backend": "openvino", "precision": "float32"},
    "ours": {},
}
MIN_CONFIDENCE, MAX_OVERLAP = 0.25, 0.7
CACHE = "exports"

# A row a box: x0, y0, x1, y1 in px, confidence, class.
Boxes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """What a contestant took and found: seconds of all its processes for few and for many."""

    few_s: tuple[float, float]
    many_s: tuple[float, float]
    boxes: dict[str, Boxes]


Look = Callable[[Task], dict[str, Boxes]]


def compete(task: Task, *, num_rounds: int, num_few: int) -> dict[str, list[Round]]:
    """The rounds of each contestant; they take turns."""
    rounds: dict[str, list[Round]] = {name: [] for name in (PLAIN, *OURS)}
    for number in range(1, num_rounds + 1):
        for name, done in rounds.items():
            print(f"round {number}: {name}", file=sys.stderr, flush=True)
            done.append(run_round(name, task, num_few=num_few))
    return rounds


def run_round(name: str, task: Task, *, num_few: int) -> Round:
    """One contestant in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_round, name, task, num_few).result()


def _round(name: str, task: Task, num_few: int) -> Round:
    torch.set_num_threads(task.num_threads)
    look = _plain(task) if name == PLAIN else _ours(OURS[name], task)
    few, many = task.part(0, num_few), task.part(num_few, len(task.sizes))
    # Some ways make a network for each size of frame that they have seen often.
    look(many)
    few_s, _ = _timed(look, few)
    many_s, boxes = _timed(look, many)
    return Round(few_s, many_s, boxes)


def _timed(look: Look, task: Task) -> tuple[tuple[float, float], dict[str, Boxes]]:
    """Wall and CPU seconds."""
    wall_s, cpu_s = time.perf_counter(), _cpu_s()
    boxes = look(task)
    return (time.perf_counter() - wall_s, _cpu_s() - cpu_s), boxes


def _cpu_s() -> float:
    """Of this process, and of those that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _plain(task: Task) -> Look:
    model = ultralytics_module("models").YOLO(task.folder / CHECKPOINT)

    def look(part: Task) -> dict[str, Boxes]:
        found = {}
        for sha256, file in zip(part.sizes, part.files, strict=True):
            (result,) = model.predict(
                file,
                imgsz=part.image_size_px,
                conf=MIN_CONFIDENCE,
                iou=MAX_OVERLAP,
                device="cpu",
                verbose=False,
            )
            found[sha256] = result.boxes.data.numpy().astype(np.float64)
        return found

    return look


def _ours(settings: dict[str, str], task: Task) -> Look:
    params = YoloParams.model_validate(
        {
            "kind": "yolo",
            "weights": WEIGHTS,
            "image_size_px": task.image_size_px,
            "min_confidence": MIN_CONFIDENCE,
            "max_overlap": MAX_OVERLAP,
            "device": "cpu",
            **settings,
        }
    )
    detector = read_detector(task.folder / WEIGHTS)
    backend = start_backend(detector, params, cache=task.folder / CACHE)

    def look(part: Task) -> dict[str, Boxes]:
        found = detect_ledgered(
            Ledger(Store(str(part.folder / STORE)), f"ledger/{time.time_ns()}", FOUND),
            part.sizes,
            start=lambda: backend,
            settings=DetectSettings.of(params, weights_sha256=detector.sha256),
            batch_size=params.batch_size,
            what=backend.name,
            log=logging.getLogger(__name__),
        )
        return {row["key"]: _rows(row) for row in found.to_pylist()}

    return look


def _rows(row: dict[str, Any]) -> Boxes:
    names = ("x0", "y0", "x1", "y1", "confidence", "class_index")
    return np.array([row[name] for name in names], np.float64).T.reshape(-1, 6)
