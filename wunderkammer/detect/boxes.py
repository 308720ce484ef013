"""From the numbers of a detector's head to boxes.

At each place of a grid the head says how far the four sides of a box are, in steps of the grid,
as a distribution over 0 … bins - 1 whose mean counts (Li et al., arXiv 2006.04388), and a logit a
class. Shapes: A places, C classes, K boxes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# More candidates than this are cut to the surest before overlaps are looked for.
MAX_CANDIDATES = 30_000


@dataclass(frozen=True)
class HeadFacts:
    """What turns a head's numbers into boxes.

    Attributes:
        strides_px: of the grids, in the order in which their places follow each other.
        num_bins: of the distribution over each distance; 1 is the distance itself.
    """

    strides_px: tuple[int, ...]
    num_bins: int
    num_classes: int

    @property
    def step_px(self) -> int:
        """What the sides of a frame have to be multiples of."""
        return max(self.strides_px)


@dataclass(frozen=True)
class Boxes:
    """Boxes (x0, y0, x1, y1) in px with confidence and class, the surest first."""

    corners_K4: Floats
    confidence_K: Floats
    class_K: Ints


@dataclass(frozen=True)
class BoxSettings:
    """What is kept of a detector's boxes."""

    min_confidence: float
    max_overlap: float
    max_objects: int


def find_boxes(
    distances_DA: npt.NDArray[np.float32],
    logits_CA: npt.NDArray[np.float32],
    *,
    frame: tuple[int, int],
    facts: HeadFacts,
    settings: BoxSettings,
) -> Boxes:
    """The boxes in a frame (height, width) of which at least the confidence is asked for.

    Each place has one box, of its surest class.
    """
    best_A = logits_CA.max(axis=0).astype(np.float64)
    floor = np.log(settings.min_confidence / (1 - settings.min_confidence))
    sure = np.flatnonzero(best_A >= floor)
    sure = sure[np.argsort(-best_A[sure], kind="stable")][:MAX_CANDIDATES]
    corners = _corners(distances_DA[:, sure], sure, frame=frame, facts=facts)
    classes = logits_CA[:, sure].argmax(axis=0).astype(np.int64)
    kept = without_overlaps(corners, classes, settings=settings)
    confidence = 1 / (1 + np.exp(-best_A[sure[kept]]))
    return Boxes(corners[kept], confidence, classes[kept])


def without_overlaps(corners_K4: Floats, class_K: Ints, *, settings: BoxSettings) -> Ints:
    """The rows that stay, of boxes from the surest on: greedy suppression within each class."""
    kept: list[int] = []
    left = np.arange(len(corners_K4))
    while left.size and len(kept) < settings.max_objects:
        first, left = left[0], left[1:]
        kept.append(int(first))
        same = class_K[left] == class_K[first]
        overlap = iou(corners_K4[first], corners_K4[left])
        left = left[~(same & (overlap > settings.max_overlap))]
    return np.array(kept, np.int64)


def iou(box_4: Floats, corners_K4: Floats) -> Floats:
    """Intersection over union of one box with others; 0 where both are empty."""
    low = np.maximum(box_4[:2], corners_K4[:, :2])
    high = np.minimum(box_4[2:], corners_K4[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = np.clip(corners_K4[:, 2:] - corners_K4[:, :2], 0, None).prod(axis=1)
    union = areas + np.clip(box_4[2:] - box_4[:2], 0, None).prod() - common
    overlap: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return overlap


def _corners(
    distances_DK: npt.NDArray[np.float32],
    places_K: Ints,
    *,
    frame: tuple[int, int],
    facts: HeadFacts,
) -> Floats:
    """x0, y0, x1, y1 in px of the boxes at some places."""
    distances = distances_DK.astype(np.float64).reshape(4, facts.num_bins, -1)
    if facts.num_bins > 1:
        weights = np.exp(distances - distances.max(axis=1, keepdims=True))
        bins = np.arange(facts.num_bins)[:, None]
        distances = (weights * bins).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    left, top, right, bottom = distances[:, 0]
    x, y, stride = grid_places(frame, strides_px=facts.strides_px)[:, places_K]
    steps_K4 = np.stack([x - left, y - top, x + right, y + bottom], axis=1)
    corners_K4: Floats = steps_K4 * stride[:, None]
    return corners_K4


@lru_cache(maxsize=64)
def grid_places(frame: tuple[int, int], *, strides_px: tuple[int, ...]) -> Floats:
    """Of each place: x and y of its centre in steps of its grid, and that step in px (3, A)."""
    grids = []
    for stride in strides_px:
        height, width = frame[0] // stride, frame[1] // stride
        y, x = np.mgrid[:height, :width] + 0.5
        grids.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, float(stride))]))
    return np.concatenate(grids, axis=1)
