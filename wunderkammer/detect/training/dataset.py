"""What a detector is trained on: labelled pictures with numbered classes, on either side.

DATASET: a row a picture. `picture_sha256` names its smaller copy; boxes are in px of the whole
picture, of which `width` and `height` are the sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wunderkammer.labels.consistency import Faults
from wunderkammer.labels.label_set import LabelSet
from wunderkammer.labels.split import group_pictures, held_out_groups
from wunderkammer.params import digest
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

DATASET = pa.schema(
    [
        ("sha256", pa.string()),
        ("picture_sha256", pa.string()),
        ("name", pa.string()),
        ("group", pa.string()),
        ("is_held_out", pa.bool_()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(pa.list_(pa.float64(), 4))),
        ("classes", pa.list_(pa.int32())),
        ("reviewers", pa.list_(pa.string())),
    ]
)
CONTENT = ("sha256", "is_held_out", "boxes", "classes")


@dataclass(frozen=True)
class Example:
    """A picture to learn from, or to be examined on: its own size and boxes in px, classes."""

    sha256: str
    file: Path
    width: int
    height: int
    boxes_B4: npt.NDArray[np.float64]
    classes_B: npt.NDArray[np.int64]


def dataset_table(
    labels: LabelSet, faults: Faults, *, held_out: float, group_distance: int, seed: int
) -> pa.Table:
    """Rows of `DATASET`, sorted by hash, without duplicate boxes.

    Raises:
        SplitError: all pictures are of one group.
    """
    numbers = {name: number for number, name in enumerate(labels.class_names)}
    unique = labels.boxes_of(~faults.duplicate)
    images = labels.images
    groups = group_pictures(
        images["sha256"].to_pylist(),
        groups=images["group"].to_pylist(),
        phashes_N=images["phash"].to_numpy(),
        max_distance=group_distance,
    )
    is_held_out = held_out_groups(groups, share=held_out, seed=seed)
    boxes: list[list[tuple[list[float], int, str | None]]] = [[] for _ in groups]
    columns = (unique.boxes[name].to_pylist() for name in ("image", "class_name", "reviewer"))
    for edges, image, name, reviewer in zip(unique.edges.tolist(), *columns, strict=True):
        boxes[image].append((edges, numbers[name], reviewer))
    rows = []
    for row, image in enumerate(images.to_pylist()):
        # In one order, whatever the order of the labels.
        own = sorted(boxes[row], key=lambda box: (box[1], box[0]))
        facts = {name: image[name] for name in DATASET.names if name in image}
        rows.append(
            {
                **facts,
                "group": groups[row],
                "is_held_out": bool(is_held_out[row]),
                "boxes": [box[0] for box in own],
                "classes": [box[1] for box in own],
                "reviewers": [box[2] for box in own],
            }
        )
    return pa.Table.from_pylist(rows, DATASET).sort_by("sha256")


def dataset_digest(dataset: pa.Table, class_names: Sequence[str]) -> str:
    """A name of all that a training learns from it (64 hex digits)."""
    return digest([list(class_names), *(dataset[name].to_pylist() for name in CONTENT)])


def load_examples(dataset: pa.Table, store: Store, folder: Path) -> list[Example]:
    """The pictures of `dataset` as files: those of a store on a disk itself, else in `folder`."""
    examples = []
    for row in dataset.to_pylist():
        sha256 = row["picture_sha256"]
        file = store.path(Blobs.key(sha256))
        if file is None:
            file = folder / sha256
            if not file.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(".part")
                part.write_bytes(Blobs(store).get(sha256))
                part.replace(file)
        examples.append(
            Example(
                sha256=row["sha256"],
                file=file,
                width=row["width"],
                height=row["height"],
                boxes_B4=np.array(row["boxes"], np.float64).reshape(-1, 4),
                classes_B=np.array(row["classes"], np.int64),
            )
        )
    return examples
