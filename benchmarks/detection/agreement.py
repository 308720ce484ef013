"""How far two contestants found the same boxes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.detection.contest import Boxes
from wunderkammer.detect.boxes import iou

SAME_IOU = 0.9


@dataclass(frozen=True)
class Agreement:
    """Of the boxes that one found, against the other's.

    Attributes:
        found: the share that the other has too: of its class, with an IoU of at least 0.9.
        added: boxes that only the other has, as a share of the first one's (of one, without any).
        median_iou: of those that both have.
        confidence: how much the confidences of these differ, at most in 95 of 100.
    """

    num_boxes: int
    found: float
    added: float
    median_iou: float
    confidence: float


def agreement(first: Mapping[str, Boxes], second: Mapping[str, Boxes]) -> Agreement:
    """How much of what `first` found in each picture `second` found too."""
    overlaps, differences = [], []
    for key, boxes in first.items():
        for box in boxes:
            rivals = second[key][second[key][:, 5] == box[5]]
            overlap = iou(box[:4], rivals[:, :4])
            if overlap.size and overlap.max() >= SAME_IOU:
                overlaps.append(overlap.max())
                differences.append(abs(rivals[overlap.argmax(), 4] - box[4]))
    num_first = sum(map(len, first.values()))
    num_second = sum(len(second[key]) for key in first)
    return Agreement(
        num_boxes=num_second,
        found=len(overlaps) / num_first if num_first else 1.0,
        added=(num_second - len(overlaps)) / max(num_first, 1),
        median_iou=float(np.median(overlaps or 1.0)),
        confidence=float(np.quantile(differences or 0.0, 0.95)),
    )
