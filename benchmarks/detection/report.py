"""The comparison of detection in Markdown."""

import argparse
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median

from benchmarks.detection.agreement import SAME_IOU, agreement
from benchmarks.detection.contest import PLAIN, Round
from benchmarks.document import processor, table

PACKAGES = ("torch", "ultralytics", "openvino")
WALL, CPU = 0, 1


def section(
    rounds: Mapping[str, Sequence[Round]], options: argparse.Namespace, *, command: str
) -> str:
    """What was run on what, and what came out."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
    network = options.weights.name if options.weights else options.architecture
    text = (
        f"From JPEG files to boxes, with {network} at {options.size} px. CPU time is that of all "
        f"processes and threads. What a picture costs is the difference between runs over "
        f"{options.many} and over {options.few}, by their number; what starts once a run does not "
        f"count. Contestants take turns, a process each; medians of {options.rounds} rounds. A box "
        f"is found again if the other has one of its class with an IoU of at least {SAME_IOU}; of "
        f"these the median IoU, and by how much 95 of 100 confidences differ at most."
    )
    return "\n\n".join(
        [
            f"## Detection on {threads} of {processor()}",
            f"Python {platform.python_version()}, {versions}. Command: `{command}`.",
            text,
            compared(rounds, options.few, options.many),
        ]
    )


def compared(rounds: Mapping[str, Sequence[Round]], few: int, many: int) -> str:
    """A row a contestant."""
    costs = {name: cost_s(done, few, many) for name, done in rounds.items()}
    plain = rounds[PLAIN][0].boxes
    head = ["", "CPU ms a picture", "wall ms", "over ultralytics: CPU", "wall"]
    head += ["boxes", "found again", "added", "IoU", "confidence"]
    rows = []
    for name, (wall_s, cpu_s) in costs.items():
        same = agreement(plain, rounds[name][0].boxes)
        row = [name, f"{1000 * cpu_s:.1f}", f"{1000 * wall_s:.1f}"]
        row += [f"{costs[PLAIN][CPU] / cpu_s:.2f}", f"{costs[PLAIN][WALL] / wall_s:.2f}"]
        row += [f"{same.num_boxes}", f"{same.found:.1%}", f"{same.added:.1%}"]
        rows.append([*row, f"{same.median_iou:.4f}", f"{same.confidence:.4f}"])
    return table(head, rows)


def cost_s(rounds: Sequence[Round], few: int, many: int) -> tuple[float, float]:
    """Wall and CPU seconds that one more picture takes."""
    wall_s, cpu_s = (
        median((one.many_s[clock] - one.few_s[clock]) / (many - few) for one in rounds)
        for clock in (WALL, CPU)
    )
    return wall_s, cpu_s
