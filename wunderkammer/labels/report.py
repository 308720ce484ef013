"""The consistency report: for a person to read, and for machines."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from wunderkammer.attribution import plain_text
from wunderkammer.labels.consistency import Faults
from wunderkammer.labels.gather import Gathered
from wunderkammer.labels.label_set import LabelSet, areas
from wunderkammer.labels.params import ConsistencyParams

MAX_EXAMPLES = 10
MEANINGS = {
    "duplicate": "the same box again; left out of the training",
    "nested": "inside a larger box of its class: an inner and an outer one",
    "overlapping": "covers much of another box of its class",
    "out_of_frame": "reaches out of the picture; cut at its edge",
    "tiny": "too small to be learnt",
}

Report = dict[str, Any]


def consistency_report(
    gathered: Gathered, faults: Faults, params: ConsistencyParams, *, subject: str
) -> Report:
    """What there is, what was refused, and what is odd, as plain JSON values."""
    labels = gathered.labels
    num_boxes, num_images = labels.boxes.num_rows, labels.images.num_rows
    num_with_boxes = len(set(labels.boxes["image"].to_pylist()))
    num_inconsistent = int(faults.any.sum())
    refused: dict[str, list[str]] = {}
    for item in labels.refused:
        refused.setdefault(item.reason, []).append(f"{item.where}: {item.detail}")
    return {
        "subject": subject,
        "pictures": num_images,
        "pictures_without_boxes": num_images - num_with_boxes,
        "pictures_without_labels": gathered.num_unlabelled,
        "boxes": num_boxes,
        "boxes_reviewed": num_boxes - labels.boxes["reviewer"].null_count,
        "boxes_inconsistent": num_inconsistent,
        "share_inconsistent": round(num_inconsistent / max(num_boxes, 1), 4),
        "max_inconsistent": params.max_inconsistent,
        "classes": _classes(labels),
        "faults": {
            name: {"boxes": int(found.sum()), "pictures": _names(labels, found)}
            for name, found in faults.by_name.items()
        },
        "refused": {
            reason: {"count": len(items), "examples": items[:MAX_EXAMPLES]}
            for reason, items in sorted(refused.items())
        },
    }


def report_markdown(report: Report) -> str:
    """The report as Markdown."""
    is_refused = report["share_inconsistent"] > report["max_inconsistent"] or not report["boxes"]
    lines = [
        f"# Labels of {plain_text(report['subject'])}",
        "",
        f"{report['boxes']} boxes on {report['pictures']} pictures, {report['boxes_reviewed']} of "
        f"them from the review. {report['boxes_inconsistent']} are inconsistent "
        f"({report['share_inconsistent']:.1%}; the limit is {report['max_inconsistent']:.1%}): "
        f"**{'refused' if is_refused else 'fit to train on'}**.",
        "",
        f"Pictures listed without a box: {report['pictures_without_boxes']}. Pictures of the "
        f"folder that no label names: {report['pictures_without_labels']}.",
    ]
    lines += _table(
        "Classes",
        ("class", "boxes", "pictures", "median share of the picture's sides"),
        ((name, *values.values()) for name, values in report["classes"].items()),
    )
    lines += _table(
        "Odd boxes",
        ("fault", "boxes", "what it means", "seen in"),
        (
            (name, fault["boxes"], MEANINGS[name], ", ".join(fault["pictures"]))
            for name, fault in report["faults"].items()
        ),
    )
    lines += _table(
        "Refused",
        ("reason", "count", "for example"),
        (
            (reason, item["count"], item["examples"][0])
            for reason, item in report["refused"].items()
        ),
    )
    return "\n".join(lines) + "\n"


def report_json(report: Report) -> bytes:
    """The report as JSON."""
    return json.dumps(report, indent=1, ensure_ascii=False).encode(errors="backslashreplace")


def _classes(labels: LabelSet) -> dict[str, dict[str, float]]:
    """Boxes, pictures and size of each class, the most frequent first."""
    names = np.array(labels.boxes["class_name"].to_pylist(), object)
    images_B = labels.boxes["image"].to_numpy()
    size_N = labels.images["width"].to_numpy().astype(float) * labels.images[
        "height"
    ].to_numpy().astype(float)
    side_share_B = np.sqrt(areas(labels.edges) / np.maximum(size_N[images_B], 1))
    return {
        name: {
            "boxes": count,
            "pictures": len(set(images_B[names == name].tolist())),
            "median_side_share": round(float(np.median(side_share_B[names == name])), 3),
        }
        for name, count in Counter(names.tolist()).most_common()
    }


def _names(labels: LabelSet, found: np.ndarray[Any, np.dtype[np.bool_]]) -> list[str]:
    rows = dict.fromkeys(labels.boxes["image"].to_numpy()[found].tolist())
    names = labels.images["name"].to_pylist()
    return [names[row] for row in list(rows)[:MAX_EXAMPLES]]


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """A Markdown table below a heading; nothing if there are no rows."""
    columns = tuple(columns)
    cells = [[plain_text(str(cell)) for cell in row] for row in rows]
    if not cells:
        return []
    lines = ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return lines + [f"| {' | '.join(row)} |" for row in cells]
