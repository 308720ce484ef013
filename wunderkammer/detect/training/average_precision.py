"""Average precision as COCO defines it, of one class at one overlap.

Found boxes take, the surest first, the free labelled box that they overlap the most, if by enough.
The precision at a recall is the best at that recall or beyond; its mean over the recalls 0, 0.01,
…, 1 is the average precision (Lin et al., "Microsoft COCO", arXiv 1405.0312; cocodataset.org,
detection evaluation). Shapes: L labelled boxes of a picture, F found ones, K found in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wunderkammer.labels.label_set import ious

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Examined:
    """A picture's labelled boxes and what a detector found there, the surest first; px."""

    boxes_L4: Floats
    classes_L: Ints
    found_F4: Floats
    confidence_F: Floats
    found_classes_F: Ints


@dataclass(frozen=True)
class ClassPrecision:
    """How well one class is found.

    Attributes:
        num_boxes: labelled ones; without any there is no precision.
        ap50, ap50_95: average precision at an overlap of 0.5, and the mean over 0.5 to 0.95.
        precision: at 0.5, at each of `RECALLS`.
        best_confidence: the cut with the best F1 at 0.5.
    """

    num_boxes: int
    ap50: float
    ap50_95: float
    precision: Floats
    best_confidence: float


def class_precision(examined: Sequence[Examined], number: int) -> ClassPrecision | None:
    """The precision of the class of that number over pictures; None if none of it is labelled."""
    num_boxes = sum(int((picture.classes_L == number).sum()) for picture in examined)
    if num_boxes == 0:
        return None
    confidence_K, is_hit_TK = _hits(examined, number)
    curves = [precision_curve(is_hit_K, num_boxes=num_boxes) for is_hit_K in is_hit_TK]
    return ClassPrecision(
        num_boxes=num_boxes,
        ap50=float(curves[0].mean()),
        ap50_95=float(np.mean([curve.mean() for curve in curves])),
        precision=curves[0],
        best_confidence=_best_confidence(confidence_K, is_hit_TK[0], num_boxes=num_boxes),
    )


def precision_curve(is_hit_K: Bools, *, num_boxes: int) -> Floats:
    """The precision at each of `RECALLS` of boxes found, the surest first; 0 where never reached.

    Args:
        is_hit_K: whether each found box is a labelled one.
        num_boxes: labelled ones.
    """
    hits_K = np.cumsum(is_hit_K)
    recall_K = hits_K / num_boxes
    precision_K = hits_K / np.arange(1, len(is_hit_K) + 1)
    # The best at that recall or beyond.
    best_K = np.maximum.accumulate(precision_K[::-1])[::-1]
    place_R = np.searchsorted(recall_K, RECALLS - 1e-9, side="left")
    curve = np.zeros(len(RECALLS))
    is_reached_R = place_R < len(best_K)
    curve[is_reached_R] = best_K[place_R[is_reached_R]]
    return curve


def matches(picture: Examined, number: int, overlap: float) -> Bools:
    """Which of the boxes found of a class are labelled ones, at least at that overlap."""
    own_L4 = picture.boxes_L4[picture.classes_L == number]
    found_F4 = picture.found_F4[picture.found_classes_F == number]
    is_free_L = np.ones(len(own_L4), bool)
    is_hit_F = np.zeros(len(found_F4), bool)
    for place, box_4 in enumerate(found_F4):
        overlaps_L = np.where(is_free_L, ious(own_L4, box_4), -1.0)
        if len(own_L4) and overlaps_L.max() >= overlap:
            is_free_L[overlaps_L.argmax()] = False
            is_hit_F[place] = True
    return is_hit_F


def _hits(examined: Sequence[Examined], number: int) -> tuple[Floats, Bools]:
    """Confidences of all boxes found of a class, the surest first, and whether each is a hit at
    each of `OVERLAPS` (T, K).
    """
    confidences = [p.confidence_F[p.found_classes_F == number] for p in examined]
    hits = [[matches(p, number, overlap) for p in examined] for overlap in OVERLAPS]
    confidence_K = np.concatenate([np.zeros(0), *confidences])
    order = np.argsort(-confidence_K, kind="stable")
    joined_TK = np.array([np.concatenate([np.zeros(0, bool), *row])[order] for row in hits])
    return confidence_K[order], joined_TK


def _best_confidence(confidence_K: Floats, is_hit_K: Bools, *, num_boxes: int) -> float:
    """The cut at which the harmonic mean of precision and recall is best; 1 without a hit."""
    if not is_hit_K.any():
        return 1.0
    hits_K = np.cumsum(is_hit_K)
    f1_K = 2 * hits_K / (np.arange(1, len(is_hit_K) + 1) + num_boxes)
    return float(confidence_K[f1_K.argmax()])
