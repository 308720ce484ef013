"""What another threshold costs a subject whose detections are stored: only the crops that change.

    python benchmarks/threshold_change.py [--pictures N] [--write]

Each change is an edit of `filter.min_confidence` and a build of `filtered_crops` in a process of
its own. There is no file of weights, so that nothing could look at a picture again; the process
tells which libraries of networks it has loaded besides.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np
import pyarrow as pa

from benchmarks.document import DOCUMENT, processor, table, write_section
from wunderkammer.build import build_stage
from wunderkammer.crops.render import RENDERS, RenderSettings
from wunderkammer.crops.stage import crop_images
from wunderkammer.manifests import DETECTIONS, KEPT, RAW
from wunderkammer.stages import DETECTIONS as DETECTIONS_STAGE
from wunderkammer.stages import FILTERED_CROPS, RAW_SCRAPE, Stage
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions
from wunderkammer.subject import Subject, SubjectSpec
from wunderkammer.workers import num_cpus

WIDTH, HEIGHT, SIDE = 400, 300, 256
# Shares of the pictures whose crops a change adds; what the others leave is there from the start.
ADDED = (0.01, 0.1, 0.5)
BEST_QUALITY = 95
NETWORK_LIBRARIES = ("onnxruntime", "openvino", "torch", "ultralytics")


@dataclass(frozen=True)
class Step:
    """What one build of `filtered_crops` cost, and what it did."""

    num_kept: int
    num_rendered: int
    wall_s: float
    cpu_s: float
    libraries: tuple[str, ...]


def main(arguments: list[str] | None = None) -> None:
    """Make the detections, change the threshold, and print the table."""
    options = parse(arguments)
    if options.step is not None:
        print(json.dumps(asdict(step(options.folder, options.step, quality=options.quality))))
        return
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder), options.pictures)
        for number in range(options.rounds):
            print(f"round {number + 1}", file=sys.stderr, flush=True)
            rounds.append(changed(Path(folder), quality=BEST_QUALITY - number))
    words = sys.argv[1:] if arguments is None else arguments
    command = " ".join(["python benchmarks/threshold_change.py", *words])
    text = section(rounds, num_pictures=options.pictures, command=command)
    print(text)
    if options.write:
        write_section(DOCUMENT, text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--pictures", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md too")
    parser.add_argument("--step", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--quality", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def recipe(folder: Path, min_confidence: float, quality: int) -> Subject:
    """A subject whose detections are stored and whose detector is gone."""
    rules = {"min_confidence": min_confidence, "size_px": SIDE, "quality": quality}
    spec = {
        "scrape": {"kind": "folder", "path": "."},
        "detect": {"kind": "yolo", "weights": "gone.pt"},
        "filter": {"kind": "detected", **rules},
        "shard": {"resolution_px": SIDE},
        "train": {"kind": "stylegan2", "total_kimg": 8, "batch_size": 16, "tick_kimg": 0.8},
    }
    return Subject("stored", SubjectSpec.model_validate(spec), folder)


def lay_out(folder: Path, num_pictures: int) -> None:
    """Publish pictures, and in each an object; they differ in how sure of it the detector was."""
    blobs, rng = Blobs(Store(str(folder / "data"))), np.random.default_rng(0)
    raw, found = [], []
    for number in range(num_pictures):
        tiles_HWC = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        picture_HWC = cv2.resize(tiles_HWC, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        _, content = cv2.imencode(".jpg", picture_HWC)
        size = {"width": WIDTH, "height": HEIGHT, "num_bytes": len(content)}
        sha256 = blobs.put(content.tobytes())
        raw.append({"id": f"{number:06}", "sha256": sha256, **size, "decision": KEPT})
        box = {"x0": [120.0], "y0": [60.0], "x1": [300.0], "y1": [240.0]}
        sure = {"confidence": [1 - (number + 0.5) / num_pictures], "class_name": ["dog"]}
        found.append({**raw[-1], **box, **sure, "weights_sha256": "0" * 64})
    publish(folder, RAW_SCRAPE, pa.Table.from_pylist(raw, schema=RAW))
    publish(folder, DETECTIONS_STAGE, pa.Table.from_pylist(found, schema=DETECTIONS))


def publish(folder: Path, stage: Stage, manifest: pa.Table) -> None:
    """Put a version of a stage into the store."""
    draft = Draft(stage.name, Summary(num_in=manifest.num_rows), manifest)
    store = Store(str(folder / "data"))
    subject = recipe(folder, 0.5, BEST_QUALITY)
    build_stage(stage, subject, store=store, builder=lambda _: draft)


def changed(folder: Path, *, quality: int) -> dict[str, Step]:
    """The first build, the changes that add crops, one that takes crops away, one taken back.

    With a quality that no crop of the store has, nothing of it is there.
    """
    start = 1 - sum(ADDED)
    shares = {"the first build": start}
    for number, added in enumerate(ADDED, start=1):
        shares[f"{added:.0%} more"] = start + sum(ADDED[:number])
    shares["10% fewer"] = 0.9
    shares["back to all"] = 1.0
    return {name: in_a_process(folder, 1 - share, quality) for name, share in shares.items()}


def in_a_process(folder: Path, min_confidence: float, quality: int) -> Step:
    """What a step costs where nothing else was loaded; `-c`: workers import no script."""
    words = ["--folder", str(folder), "--step", str(min_confidence), "--quality", str(quality)]
    program = f"from benchmarks.threshold_change import main; main({words})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    fields = json.loads(done.stdout)
    return Step(**{**fields, "libraries": tuple(fields["libraries"])})


def step(folder: Path, min_confidence: float, *, quality: int) -> Step:
    """Bring `filtered_crops` up to date with this threshold, in this process and its workers."""
    store, subject = Store(str(folder / "data")), recipe(folder, min_confidence, quality)
    home = Versions.home(subject.name, FILTERED_CROPS.name)
    name = RenderSettings.of(subject.spec.filter).digest
    renders = Ledger(store, f"{home}/ledger/{name}", RENDERS)
    num_before = renders.select(["key"]).num_rows
    start, cpu_before = perf_counter(), cpu_s()
    record = build_stage(FILTERED_CROPS, subject, store=store, builder=crop_images).record
    return Step(
        num_kept=record.summary.num_out,
        num_rendered=renders.select(["key"]).num_rows - num_before,
        wall_s=perf_counter() - start,
        cpu_s=cpu_s() - cpu_before,
        libraries=tuple(name for name in NETWORK_LIBRARIES if name in sys.modules),
    )


def cpu_s() -> float:
    """CPU seconds of this process and of those that have ended below it."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def section(rounds: Sequence[Mapping[str, Step]], *, num_pictures: int, command: str) -> str:
    """What was run on what, and what came out.

    Raises:
        RuntimeError: something was rendered that was there, or a network was loaded.
    """
    rows = []
    for name in rounds[0]:
        steps = [steps[name] for steps in rounds]
        check(steps)
        one = steps[0]
        costs = (median(step.wall_s for step in steps), median(step.cpu_s for step in steps))
        counts = (f"{count:,}" for count in (one.num_kept, one.num_rendered))
        rows.append([name, *counts, *(f"{cost:.2f}" for cost in costs)])
    fixed_s, crop_s = line([step for steps in rounds for step in steps.values()])
    head = ["crops", "kept", "rendered", "wall seconds", "CPU seconds"]
    return "\n\n".join(
        [
            f"## A changed threshold on {num_pictures:,} stored detections, on {num_cpus()} cores "
            f"of {processor()}",
            f"Python {platform.python_version()}. Command: `{command}`.",
            f"Another `filter.min_confidence`, and `filtered_crops` brought up to date in a "
            f"process of its own, after its imports; the median of {len(rounds)} rounds. Pictures "
            f"of {WIDTH} x {HEIGHT} px, crops of {SIDE} px. CPU time is that of the workers too. "
            f"There was no file of weights, and none of {', '.join(NETWORK_LIBRARIES)} was "
            f"imported. A threshold that was in force before is restored, not built.",
            table(head, rows),
            f"A line through those that render: {fixed_s:.1f} CPU seconds, most of them the start "
            f"of the workers, and {1000 * crop_s:.2f} ms a crop.",
        ]
    )


def check(steps: Sequence[Step]) -> None:
    """That a change did the same in every round, and without a detector.

    Raises:
        RuntimeError: it did not.
    """
    did = {(step.num_kept, step.num_rendered, step.libraries) for step in steps}
    if len(did) > 1 or steps[0].libraries:
        raise RuntimeError(f"the rounds differ, or a network was loaded: {sorted(did)}")


def line(steps: Sequence[Step]) -> tuple[float, float]:
    """What a change costs that renders anything, and what each crop adds, in CPU seconds."""
    rendering = [step for step in steps if step.num_rendered]
    numbers = [step.num_rendered for step in rendering]
    slope, fixed = np.polyfit(numbers, [step.cpu_s for step in rendering], 1)
    return float(fixed), float(slope)


if __name__ == "__main__":
    main()
