"""Labels and their pictures brought together: one table of pictures, one of boxes in px."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wunderkammer.labels.table import (
    LEFT_OUT,
    NO_CLASS,
    OTHER_SIZE,
    OUTSIDE,
    LabelledBox,
    LabelledImage,
    Refused,
)

IMAGES = pa.schema(
    [
        ("sha256", pa.string()),
        ("name", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("phash", pa.uint64()),
        ("picture_sha256", pa.string()),
        ("group", pa.string()),
    ]
)
# `image` is the row of the picture; `overshoot_px` how far the box reached out of it.
BOXES = pa.schema(
    [
        ("image", pa.int64()),
        ("x0", pa.float64()),
        ("y0", pa.float64()),
        ("x1", pa.float64()),
        ("y1", pa.float64()),
        ("class_name", pa.string()),
        ("overshoot_px", pa.float64()),
        ("reviewer", pa.string()),
    ]
)
EDGES = ("x0", "y0", "x1", "y1")

# A picture may be labelled at another size of the same shape.
MAX_SHAPE_ERROR = 0.02
SAME_OBJECT_IOU = 0.5


@dataclass(frozen=True)
class LabelSet:
    """Pictures (`IMAGES`) and their boxes (`BOXES`), and what was refused on the way."""

    images: pa.Table
    boxes: pa.Table
    refused: tuple[Refused, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that occur, sorted: their places are the numbers that a network gives."""
        return tuple(sorted(set(self.boxes["class_name"].to_pylist())))

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """The boxes as rows x0, y0, x1, y1 in px (B, 4)."""
        return np.stack([self.boxes[name].to_numpy() for name in EDGES], axis=1)

    def boxes_of(self, kept: npt.NDArray[np.bool_]) -> "LabelSet":
        """The same pictures with some of the boxes only."""
        return LabelSet(self.images, self.boxes.filter(pa.array(kept)), self.refused)


@dataclass(frozen=True)
class Sized:
    """A labelled picture whose file was found: `row` is its place in `IMAGES`."""

    labelled: LabelledImage
    row: int
    width: int
    height: int


def renamed(
    images: Sequence[LabelledImage], class_map: Mapping[str, str | None]
) -> tuple[list[LabelledImage], list[Refused]]:
    """The pictures with the classes that `class_map` says, and the boxes that it leaves out."""
    refused: list[Refused] = []
    done = []
    for image in images:
        boxes, is_spoilt = [], image.is_spoilt
        for box in image.boxes:
            name = class_map.get(box.name, box.name)
            if name:
                boxes.append(LabelledBox(box.x0, box.y0, box.x1, box.y1, name))
            elif name is None:
                refused.append(Refused(image.name, LEFT_OUT, f"class {box.name!r}"))
            else:
                detail = 'a box without a class; labels.class_map: {"": …} names it'
                refused.append(Refused(image.name, NO_CLASS, detail))
                is_spoilt = True
        done.append(replace(image, boxes=tuple(boxes), is_spoilt=is_spoilt))
    return done, refused


def box_table(pictures: Sequence[Sized]) -> tuple[pa.Table, list[Refused]]:
    """The boxes in px of the pictures as they are, cut at their edges, and those refused."""
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    for picture in pictures:
        scale = _scale(picture)
        if scale is None:
            size, own = picture.labelled.size, (picture.width, picture.height)
            detail = f"labelled at {size}, the upright picture has {own}: turned, or another one"
            refused.append(Refused(picture.labelled.name, OTHER_SIZE, detail))
            continue
        for box in picture.labelled.boxes:
            row = _row(box, picture, scale)
            if row is None:
                detail = f"{box} outside of {picture.width} x {picture.height} px"
                refused.append(Refused(picture.labelled.name, OUTSIDE, detail))
            else:
                rows.append(row)
    return pa.Table.from_pylist(rows, BOXES), refused


def with_reviewed(boxes: pa.Table, reviewed: pa.Table) -> pa.Table:
    """`boxes` and the reviewed ones, which take the place of those about the same objects."""
    ours = np.stack([boxes[name].to_numpy() for name in EDGES], axis=1)
    theirs = np.stack([reviewed[name].to_numpy() for name in EDGES], axis=1)
    is_kept = np.ones(len(ours), bool)
    by_image: dict[int, list[int]] = {}
    for row, image in enumerate(boxes["image"].to_pylist()):
        by_image.setdefault(image, []).append(row)
    names, new_names = boxes["class_name"].to_pylist(), reviewed["class_name"].to_pylist()
    for place, image in enumerate(reviewed["image"].to_pylist()):
        own = [row for row in by_image.get(image, []) if names[row] == new_names[place]]
        if own:
            is_kept[own] &= ious(ours[own], theirs[place]) < SAME_OBJECT_IOU
    return pa.concat_tables([boxes.filter(pa.array(is_kept)), reviewed])


def ious(
    boxes_B4: npt.NDArray[np.float64], others_B4: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Intersection over union, pair by pair (or of all with one)."""
    shared_B = shared_areas(boxes_B4, others_B4)
    return shared_B / np.maximum(areas(boxes_B4) + areas(others_B4) - shared_B, 1e-12)


def shared_areas(
    boxes_B4: npt.NDArray[np.float64], others_B4: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """What two boxes have in common, in px², pair by pair."""
    lower = np.maximum(boxes_B4[..., :2], others_B4[..., :2])
    upper = np.minimum(boxes_B4[..., 2:], others_B4[..., 2:])
    shared: npt.NDArray[np.float64] = np.prod(np.clip(upper - lower, 0, None), axis=-1)
    return shared


def areas(boxes_B4: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """In px²."""
    found: npt.NDArray[np.float64] = np.prod(boxes_B4[..., 2:] - boxes_B4[..., :2], axis=-1)
    return found


def _scale(picture: Sized) -> tuple[float, float] | None:
    """What the label's coordinates are multiplied by; None if it is of another picture."""
    if picture.labelled.is_relative:
        return float(picture.width), float(picture.height)
    if picture.labelled.size is None:
        return 1.0, 1.0
    width, height = picture.labelled.size
    x, y = picture.width / width, picture.height / height
    return (x, y) if abs(x / y - 1) <= MAX_SHAPE_ERROR else None


def _row(box: LabelledBox, picture: Sized, scale: tuple[float, float]) -> dict[str, object] | None:
    """A row of `BOXES`; None for a box of which nothing lies in the picture."""
    limits = (picture.width, picture.height)
    x0, y0, x1, y1 = box.x0 * scale[0], box.y0 * scale[1], box.x1 * scale[0], box.y1 * scale[1]
    overshoot = max(-x0, -y0, x1 - limits[0], y1 - limits[1], 0.0)
    x0, y0 = max(x0, 0.0), max(y0, 0.0)
    x1, y1 = min(x1, float(limits[0])), min(y1, float(limits[1]))
    if x1 <= x0 or y1 <= y0:
        return None
    return {
        "image": picture.row,
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
        "class_name": box.name,
        "overshoot_px": overshoot,
        "reviewer": None,
    }
