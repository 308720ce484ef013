"""The largest connected regions of a mask, and the measures of their shapes.

The same regions, areas, boxes and order as scikit-image's `label` (8 neighbours) and `regionprops`
sorted by area; only the few that are asked for cost more than a count.
"""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.segment.box import Bools, Box

Labels = npt.NDArray[np.int32]

# As far as a histogram's 32-bit float counts every pixel, and 16 bits tell labels apart.
MAX_COUNTED_PIXELS = 1 << 24
MAX_SHORT_LABELS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Component:
    """One connected region: its box, its area, and which pixels of the box are its own."""

    box: Box
    area_px: int
    mask_HW: Bools

    @cached_property
    def minor_major(self) -> float:
        """The minor by the major axis of the ellipse with the same second moments; 1 for a dot."""
        moments = cv2.moments(self.mask_HW.view(np.uint8), binaryImage=True)
        mean = (moments["mu20"] + moments["mu02"]) / 2
        if mean <= 0:
            return 1.0
        spread = sqrt(((moments["mu20"] - moments["mu02"]) / 2) ** 2 + moments["mu11"] ** 2)
        return sqrt(max(mean - spread, 0) / (mean + spread))

    @cached_property
    def solidity(self) -> float:
        """Its area by that of its convex hull, which reaches to the corners of pixels."""
        outlines, _ = cv2.findContours(
            self.mask_HW.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        hull = cv2.convexHull(np.concatenate(outlines))
        # Half a pixel all around the polygon of the pixels' centres.
        area = cv2.contourArea(hull) + cv2.arcLength(hull, closed=True) / 2 + 1
        return min(self.area_px / area, 1.0)

    @property
    def extent(self) -> float:
        """Its area by that of its box."""
        return self.area_px / self.box.area_px

    @property
    def aspect(self) -> float:
        """The longer by the shorter side of its box."""
        return max(self.box.width, self.box.height) / min(self.box.width, self.box.height)


def largest_components(mask_HW: Bools, *, num: int) -> list[Component]:
    """The `num` largest regions of 8-connected true pixels (fewer if there are fewer).

    Of equal ones the one whose first pixel, row by row, comes first.
    """
    mask_HW = np.ascontiguousarray(mask_HW)
    num_labels, found_HW = cv2.connectedComponents(mask_HW.view(np.uint8), connectivity=8)
    labels_HW = np.asarray(found_HW, np.int32)
    areas = _areas(labels_HW, num_labels)
    return [
        _component(labels_HW, label, int(areas[label]))
        for label in _largest(labels_HW, areas, num=num)
    ]


def stroke_px(mask_HW: Bools) -> float:
    """The width of the widest stroke."""
    # Beyond the box there is nothing, which the transform has to be told.
    padded_HW = np.pad(mask_HW, 1).view(np.uint8)
    return 2 * float(cv2.distanceTransform(padded_HW, cv2.DIST_L2, 3).max())


def _areas(labels_HW: Labels, num_labels: int) -> npt.NDArray[np.int64]:
    if num_labels > MAX_SHORT_LABELS or labels_HW.size > MAX_COUNTED_PIXELS:
        return np.bincount(labels_HW.ravel(), minlength=num_labels)
    short_HW = labels_HW.astype(np.uint16)
    counts = cv2.calcHist([short_HW], [0], None, [num_labels], [0, num_labels])
    return counts.ravel().astype(np.int64)


def _largest(labels_HW: Labels, areas: npt.NDArray[np.int64], *, num: int) -> list[int]:
    """The labels of the largest regions, the background (0) left out."""
    num = min(num, len(areas) - 1)
    if num <= 0:
        return []
    least = np.partition(areas[1:], -num)[-num]
    candidates = np.flatnonzero(areas[1:] >= least) + 1
    if len(np.unique(areas[candidates])) == len(candidates):
        first = candidates
    else:
        is_candidate = np.zeros(len(areas), bool)
        is_candidate[candidates] = True
        flat = labels_HW.ravel()
        found, first_at = np.unique(flat[is_candidate[flat]], return_index=True)
        assert (found == candidates).all()
        first = first_at
    order = np.lexsort((first, -areas[candidates]))[:num]
    return [int(label) for label in candidates[order]]


def _component(labels_HW: Labels, label: int, area_px: int) -> Component:
    own_HW = labels_HW == label
    x, y, width, height = cv2.boundingRect(own_HW.view(np.uint8))
    box = Box(x, y, x + width, y + height)
    return Component(box=box, area_px=area_px, mask_HW=box.of(own_HW).copy())
