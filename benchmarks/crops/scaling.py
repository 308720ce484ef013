"""How much faster two worker processes are than one, and whether their memory stays flat."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from benchmarks.crops.pictures import Picture, settings
from wunderkammer.crops.render import RenderSettings, Window, render_row
from wunderkammer.images import resize
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty, Workers, guarded_map

# After this share of its crops, a worker has loaded what it needs.
WARM_SHARE = 0.25


@dataclass(frozen=True)
class Crop:
    """What a crop took its worker: when it was done, CPU time, and the worker's peak memory."""

    done_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Run:
    """Crops a second of warm workers, CPU-seconds a crop, peak memory when warm and at the end."""

    crops_a_second: float
    cpu_s: float
    warm_mb: float
    peak_mb: float


@dataclass(frozen=True)
class Renderer:
    """The row of a window; a class, so that a worker can unpickle it."""

    settings: RenderSettings
    store: Store

    def __call__(self, window: Window) -> Crop:
        resize.PATIENCE_S = 0.0  # what is loaded later would look like memory that grows
        start = process_time()
        row = render_row(window, settings=self.settings, store=self.store)
        if row["reason"]:
            raise RuntimeError(f"a crop failed: {row['reason']}: {row['detail']}")
        return Crop(perf_counter(), process_time() - start, _peak_mb())


def _peak_mb() -> float:
    # Not getrusage: what that tells a new process begins with its parent's memory.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measured(pictures: Sequence[Picture], *, size_px: int, num_crops: int, num_workers: int) -> Run:
    """Make that many crops of the pictures in turn, as the stage does."""
    with tempfile.TemporaryDirectory() as folder:
        blobs = Blobs(Store(folder))
        put = [replace(p.window, sha256=blobs.put(p.data)) for p in pictures]
        windows = [put[number % len(put)] for number in range(num_crops)]
        renderer = Renderer(settings(size_px), blobs.store)
        workers = Workers(num_workers=num_workers, batch_size=16)
        crops = [
            result
            for batch in guarded_map(renderer, windows, workers=workers)
            for _, result in batch
        ]
    if any(isinstance(crop, Casualty) for crop in crops):
        raise RuntimeError("a worker died; is memory short?")
    return _run(sorted((c for c in crops if isinstance(c, Crop)), key=lambda crop: crop.done_s))


def _run(crops: Sequence[Crop]) -> Run:
    """By the middle of the crops: at the start and the end some worker has nothing to do."""
    first, last = int(WARM_SHARE * len(crops)), int((1 - WARM_SHARE / 2) * len(crops))
    middle = crops[first:last]
    return Run(
        crops_a_second=(len(middle) - 1) / (middle[-1].done_s - middle[0].done_s),
        cpu_s=median(crop.cpu_s for crop in middle),
        warm_mb=max(crop.peak_mb for crop in crops[:first]),
        peak_mb=max(crop.peak_mb for crop in crops),
    )


def scaling(
    pictures: Sequence[Picture], *, size_px: int, num_crops: int, num_rounds: int
) -> list[tuple[Run, Run]]:
    """One worker and two, in turn."""
    return [
        (
            measured(pictures, size_px=size_px, num_crops=num_crops // 2, num_workers=1),
            measured(pictures, size_px=size_px, num_crops=num_crops, num_workers=2),
        )
        for _ in range(num_rounds)
    ]
