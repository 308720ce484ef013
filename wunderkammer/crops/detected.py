"""Windows about the objects that a detector has found.

The formulas are those of the corgi project's crops: window, cover and shift.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.crops.candidates import NO_OBJECT, candidates, with_missing
from wunderkammer.crops.cuts import Bools, Cut, Floats
from wunderkammer.crops.params import DetectedParams
from wunderkammer.crops.windows import Boxes, Ints, centre_shift, cover, squares_around

SEVERAL_OBJECTS = "several_objects"


@dataclass(frozen=True)
class Objects:
    """Objects of all pictures, a row each: the picture's row, the box in px, the confidence.

    `place` is an object's among all those of the detections.
    """

    picture: Ints
    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    confidence: Floats
    place: Ints

    @property
    def area(self) -> Floats:
        """In px²."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def take(self, rows: npt.NDArray[np.int64] | Bools) -> "Objects":
        """Some of the objects."""
        return Objects(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def objects_of(detections: pa.Table, *, classes: frozenset[str] | None) -> Objects:
    """The rows of list columns of `DETECTIONS` as one row an object; only those of `classes`."""
    picture = pc.list_parent_indices(detections["confidence"].combine_chunks())
    x0, y0, x1, y1, confidence = (
        np.asarray(pc.list_flatten(detections[name]), np.float64)
        for name in ("x0", "y0", "x1", "y1", "confidence")
    )
    places = np.arange(len(picture))
    found = Objects(np.asarray(picture, np.int64), x0, y0, x1, y1, confidence, places)
    if classes is None:
        return found
    names = pc.list_flatten(detections["class_name"])
    wanted = pc.is_in(names, value_set=pa.array(sorted(classes), pa.string()))
    return found.take(np.asarray(wanted, bool))


def nested_share(objects: Objects) -> Floats:
    """The largest share of each box that lies within one larger box of the same picture."""
    order = np.argsort(objects.picture, kind="stable")
    sorted_ = objects.take(order)
    starts = np.searchsorted(sorted_.picture, sorted_.picture, side="left")
    ends = np.searchsorted(sorted_.picture, sorted_.picture, side="right")
    share = np.zeros(len(order))
    # Step by step to the neighbours within the picture: as many steps as a picture has objects.
    for step in range(1, int((ends - starts).max(initial=1))):
        other = starts + (np.arange(len(order)) - starts + step) % (ends - starts)
        has_other = ends - starts > step
        x = np.minimum(sorted_.x1, sorted_.x1[other]) - np.maximum(sorted_.x0, sorted_.x0[other])
        y = np.minimum(sorted_.y1, sorted_.y1[other]) - np.maximum(sorted_.y0, sorted_.y0[other])
        common = np.clip(x, 0, None) * np.clip(y, 0, None)
        larger = sorted_.area[other] > sorted_.area
        inside = np.where(has_other & larger, common / np.maximum(sorted_.area, 1e-9), 0)
        share = np.maximum(share, inside)
    result = np.empty_like(share)
    result[order] = share
    return result


def detected_candidates(
    detections: pa.Table,
    width: Ints,
    height: Ints,
    *,
    params: DetectedParams,
    classes: frozenset[str] | None,
) -> pa.Table:
    """Candidates of the pictures whose detections and sizes are given, row by row.

    A picture that could not be looked at has the reason of its detections.
    """
    found = objects_of(detections, classes=classes)
    found = found.take(found.confidence >= params.min_confidence)
    # Of those that count: an unsure box about a sure one must not take it away.
    found = found.take(nested_share(found) <= params.max_nested)
    num_objects = np.bincount(found.picture, minlength=len(width))
    # The surest first within each picture.
    found = found.take(np.lexsort((-found.confidence, found.picture)))
    rank = np.arange(len(found.picture)) - np.searchsorted(found.picture, found.picture)
    if params.objects != "each":
        found, rank = found.take(rank == 0), rank[rank == 0]
    is_one_of_several = (num_objects[found.picture] > 1) & (params.objects == "each")
    chosen = _candidates(
        found,
        np.where(is_one_of_several, rank + 1, 0),
        Boxes(found.x0, found.y0, found.x1, found.y1, width[found.picture], height[found.picture]),
        num_objects=num_objects[found.picture],
        min_side_px=params.min_window_px or params.size_px,
        class_name=pc.list_flatten(detections["class_name"]).take(pa.array(found.place)),
        proposed_by=detections["weights_sha256"].take(pa.array(found.picture)),
    )
    missing = np.flatnonzero(num_objects == 0)
    reasons, details = _why_none(detections.take(pa.array(missing)))
    return with_missing(chosen, missing, reasons=reasons, details=details)


def _why_none(detections: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The reasons and the details of pictures without an object that counts."""
    failed, why = detections["reason"], detections["detail"]
    words = "no object that counts; filter.min_confidence, filter.max_nested, detect.classes"
    return (
        pc.fill_null(failed, NO_OBJECT).combine_chunks(),
        pc.if_else(pc.is_null(failed), words, pc.fill_null(why, "")).combine_chunks(),
    )


def _candidates(
    found: Objects,
    number: Ints,
    boxes: Boxes,
    *,
    num_objects: Ints,
    min_side_px: int,
    class_name: pa.ChunkedArray,
    proposed_by: pa.ChunkedArray,
) -> pa.Table:
    shorter = np.minimum(boxes.width, boxes.height)
    wanted = np.maximum(np.ceil(boxes.longer_side), min_side_px).astype(np.int64)
    side = np.minimum(wanted, shorter)
    windows = squares_around(boxes, side, slide=True)
    box_side = np.minimum(found.x1 - found.x0, found.y1 - found.y0)
    measures = {
        "num_objects": num_objects.astype(np.float64),
        "confidence": found.confidence,
        "picture_side_px": shorter.astype(np.float64),
        "object_share": found.area / np.maximum(boxes.width * boxes.height, 1),
        "object_aspect": boxes.longer_side / np.maximum(box_side, 1e-9),
        "cover": cover(boxes, side),
        "center_shift": centre_shift(boxes, windows),
    }
    return candidates(
        found.picture,
        number,
        windows,
        measures,
        proposed_by=proposed_by,
        boxes=boxes,
        class_name=class_name,
    )


def detected_cuts(params: DetectedParams) -> list[Cut]:
    """The rules of the section, in the order in which they reject."""
    cuts = [
        Cut(
            measure="picture_side_px",
            reason="too_small",
            words="shorter side of the picture in px; filter.min_window_px",
            at_least=params.min_window_px or 1,
        ),
        Cut(
            measure="object_share",
            reason="object_too_small",
            words="share of the picture; filter.min_object_share",
            at_least=params.min_object_share,
        ),
        Cut(
            measure="cover",
            reason="too_little_of_it",
            words="share of the window that the object can fill; filter.min_cover",
            at_least=params.min_cover,
        ),
    ]
    if params.objects == "exactly_one":
        cuts.insert(
            0,
            Cut(
                measure="num_objects",
                reason=SEVERAL_OBJECTS,
                words="objects; filter.objects",
                at_most=1,
            ),
        )
    if params.max_center_shift is not None:
        cuts.append(
            Cut(
                measure="center_shift",
                reason="off_centre",
                words="share of the picture's sides; filter.max_center_shift",
                at_most=params.max_center_shift,
            )
        )
    if params.max_object_aspect is not None:
        cuts.append(
            Cut(
                measure="object_aspect",
                reason="object_too_elongated",
                words="longer by shorter side of its box; filter.max_object_aspect",
                at_most=params.max_object_aspect,
            )
        )
    return cuts
