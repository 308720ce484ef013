"""What is odd about labels, before a detector learns it: boxes that contradict each other.

Two annotators, or one on two days, draw an inner and an outer box of the same spider; a detector
that learns both finds both.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from wunderkammer.labels.label_set import LabelSet, areas, ious, shared_areas
from wunderkammer.labels.params import ConsistencyParams
from wunderkammer.labels.table import LabelsError

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# A box that ends in the middle of the last pixel, or is rounded up, is no fault.
SLACK_PX = 1.0
SLACK_SHARE = 0.01


class InconsistentLabelsError(LabelsError):
    """Too many boxes contradict each other to train on them."""


@dataclass(frozen=True)
class Faults:
    """For each box of a label set, which fault it has."""

    duplicate: Bools
    nested: Bools
    overlapping: Bools
    out_of_frame: Bools
    tiny: Bools

    @property
    def by_name(self) -> dict[str, Bools]:
        """Each fault by its name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def any(self) -> Bools:
        """Which boxes have one."""
        found: Bools = np.logical_or.reduce(list(self.by_name.values()))
        return found


def find_faults(labels: LabelSet, params: ConsistencyParams, *, image_size_px: int) -> Faults:
    """The faults of each box. Of two equal boxes the later is the duplicate, of two nested ones the
    inner is, and of two that overlap both are.

    Args:
        image_size_px: the longer side at which the detector sees pictures.
    """
    edges_B4 = labels.edges
    faults = {name: np.zeros(len(edges_B4), bool) for name in Faults.__dataclass_fields__}
    first_P, second_P = _pairs(labels)
    one_P4, other_P4 = edges_B4[first_P], edges_B4[second_P]
    overlap_P = ious(one_P4, other_P4)
    is_equal_P = overlap_P >= params.duplicate_iou
    faults["duplicate"][second_P[is_equal_P]] = True
    area_B = areas(edges_B4)
    is_first_smaller_P = area_B[first_P] < area_B[second_P]
    inner_P = np.where(is_first_smaller_P, first_P, second_P)
    share_P = shared_areas(one_P4, other_P4) / np.maximum(area_B[inner_P], 1e-12)
    is_nested_P = ~is_equal_P & (share_P >= params.nested_share)
    faults["nested"][inner_P[is_nested_P]] = True
    is_close_P = ~is_equal_P & ~is_nested_P & (overlap_P >= params.overlap_iou)
    faults["overlapping"][first_P[is_close_P]] = True
    faults["overlapping"][second_P[is_close_P]] = True
    sides_B2 = edges_B4[:, 2:] - edges_B4[:, :2]
    seen_B = _seen_scale(labels, image_size_px)
    faults["tiny"] = sides_B2.min(axis=1, initial=np.inf) * seen_B < params.min_side_px
    slack_B = np.maximum(SLACK_PX, SLACK_SHARE * sides_B2.max(axis=1, initial=0.0))
    faults["out_of_frame"] = labels.boxes["overshoot_px"].to_numpy() > slack_B
    return Faults(**faults)


def check_consistency(
    labels: LabelSet, faults: Faults, params: ConsistencyParams, *, subject: str, report: str
) -> None:
    """Refuse labels of which too many boxes are inconsistent.

    Args:
        report: where a person finds which.

    Raises:
        InconsistentLabelsError: there are more than `max_inconsistent`.
        LabelsError: there are no boxes.
    """
    num = labels.boxes.num_rows
    if num == 0:
        raise LabelsError(
            f"{subject!r} has no usable box to train a detector on ({len(labels.refused)} were "
            f"refused, see {report}); correct detector.labels, or accept crops in: "
            f"wunderkammer review {subject}"
        )
    share = float(faults.any.mean())
    if share > params.max_inconsistent:
        counts = [f"{int(f.sum())} {n}" for n, f in faults.by_name.items() if f.any()]
        raise InconsistentLabelsError(
            f"{int(faults.any.sum())} of {num} boxes of {subject!r} are inconsistent, {share:.1%}, "
            f"beyond detector.consistency.max_inconsistent {params.max_inconsistent:.1%} "
            f"({', '.join(counts)}); correct them, see {report}, or raise the limit"
        )


def _seen_scale(labels: LabelSet, image_size_px: int) -> npt.NDArray[np.float64]:
    """How large the picture of each box is to the detector, by its own size."""
    width_N, height_N = labels.images["width"].to_numpy(), labels.images["height"].to_numpy()
    scale_N = image_size_px / np.maximum(width_N, height_N).astype(np.float64)
    found: npt.NDArray[np.float64] = scale_N[labels.boxes["image"].to_numpy()]
    return found


def _pairs(labels: LabelSet) -> tuple[Ints, Ints]:
    """Every two boxes of one class in one picture, the earlier first."""
    classes = labels.boxes["class_name"].combine_chunks()
    if not len(classes):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    codes_B = np.asarray(pc.dictionary_encode(classes).indices, np.int64)
    images_B = labels.boxes["image"].to_numpy()
    order = np.lexsort((np.arange(len(codes_B)), codes_B, images_B))
    keys = np.stack([images_B[order], codes_B[order]], axis=1)
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    # As many steps as a picture has boxes of a class.
    for step in range(1, len(order)):
        is_same = (keys[step:] == keys[:-step]).all(axis=1)
        if not is_same.any():
            break
        firsts.append(order[:-step][is_same])
        seconds.append(order[step:][is_same])
    return np.concatenate(firsts), np.concatenate(seconds)
