"""All labels of a subject: those drawn elsewhere and those of its review, with their pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from wunderkammer.labels.finder import NotFound, PictureFinder, default_folder
from wunderkammer.labels.label_set import (
    BOXES,
    EDGES,
    IMAGES,
    LabelSet,
    Sized,
    box_table,
    renamed,
    with_reviewed,
)
from wunderkammer.labels.params import LabelsParams
from wunderkammer.labels.pictures import labelled_pictures
from wunderkammer.labels.read import read_labels
from wunderkammer.labels.table import LabelledImage, Refused
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store


@dataclass(frozen=True)
class Scraped:
    """What the scrape knows of its pictures: SHA-256 by id, and group by SHA-256."""

    ids: Mapping[str, str]
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Gathered:
    """A label set, and how many pictures of its folder no label names."""

    labels: LabelSet
    num_unlabelled: int


def gather_labels(
    store: Store,
    *,
    params: LabelsParams | None,
    folder: Path,
    reviewed: pa.Table,
    scraped: Scraped,
    home: str,
    subject: str,
    image_size_px: int,
) -> Gathered:
    """Bring the labels together with their pictures, which become blobs of the store.

    Args:
        params: what to import; None for nothing.
        folder: where relative paths of `params` start.
        reviewed: rows of `wunderkammer.review.labels.LABELS`.
        home: the key prefix below which the pictures are remembered.

    Raises:
        FileNotFoundError: there are no labels where `params` says.
        LabelsError: they can't be read.
    """
    imported = _import(params, folder, scraped, Blobs(store)) if params else _Imported()
    named, sha256s = imported.images, imported.sha256s
    rows = labelled_pictures(
        store,
        list(dict.fromkeys([*sha256s, *reviewed["sha256"].to_pylist()])),
        home=home,
        subject=subject,
        image_size_px=image_size_px,
    ).to_pylist()
    images, unreadable = _images(rows, dict(zip(sha256s, named, strict=True)), scraped)
    places = {row["sha256"]: place for place, row in enumerate(images)}
    boxes, odd = box_table(_sized(named, sha256s, images, places))
    class_map = params.class_map if params is not None else {}
    boxes = with_reviewed(boxes, _reviewed_boxes(reviewed, places, class_map))
    refused = (*imported.refused, *unreadable, *odd)
    labels = LabelSet(pa.Table.from_pylist(images, IMAGES), boxes, refused)
    return Gathered(_without_odd(labels, odd), imported.num_unlabelled)


@dataclass(frozen=True)
class _Imported:
    """Labelled pictures that were found, each with its hash; what was refused; files unnamed."""

    images: Sequence[LabelledImage] = ()
    sha256s: Sequence[str] = ()
    refused: Sequence[Refused] = ()
    num_unlabelled: int = 0


def _import(params: LabelsParams, folder: Path, scraped: Scraped, blobs: Blobs) -> _Imported:
    path = _resolve(folder, params.path)
    found = read_labels(path, format=params.format)
    pictures = _resolve(folder, params.images) if params.images else default_folder(path)
    finder = PictureFinder(pictures, scraped.ids)
    named, left_out = renamed(found.images, params.class_map)
    named = [i for i in named if i.boxes or (params.backgrounds and not i.is_spoilt)]
    present, sha256s, missing = _found(named, finder, blobs)
    refused = (*found.refused, *left_out, *missing)
    return _Imported(present, sha256s, refused, finder.num_unnamed)


def _resolve(folder: Path, path: str) -> Path:
    return (folder / Path(path).expanduser()).resolve()


def _found(
    named: Sequence[LabelledImage], finder: PictureFinder, blobs: Blobs
) -> tuple[list[LabelledImage], list[str], list[Refused]]:
    """Those whose picture is there with its hash, and the others."""
    present, sha256s, missing = [], [], []
    for image in named:
        match finder.find(image.name):
            case Path() as file:
                present.append(image)
                sha256s.append(blobs.put(file))
            case str(sha256):
                present.append(image)
                sha256s.append(sha256)
            case NotFound(reason, detail):
                missing.append(Refused(image.name, reason, detail))
    return present, sha256s, missing


def _images(
    rows: Sequence[Mapping[str, Any]], named: Mapping[str, LabelledImage], scraped: Scraped
) -> tuple[list[dict[str, Any]], list[Refused]]:
    """Rows of `IMAGES` for the pictures that can be read."""
    images: list[dict[str, Any]] = []
    unreadable: list[Refused] = []
    for row in rows:
        sha256 = row["key"]
        name = named[sha256].name if sha256 in named else sha256
        if row["reason"] is not None:
            unreadable.append(Refused(name, row["reason"], row["detail"] or ""))
            continue
        facts = {key: row[key] for key in ("width", "height", "phash", "picture_sha256")}
        images.append(
            {"sha256": sha256, "name": name, "group": scraped.groups.get(sha256), **facts}
        )
    return images, unreadable


def _sized(
    named: Sequence[LabelledImage],
    sha256s: Sequence[str],
    images: Sequence[Mapping[str, Any]],
    places: Mapping[str, int],
) -> list[Sized]:
    """The labelled pictures that can be read, with their own sizes."""
    return [
        Sized(image, row, images[row]["width"], images[row]["height"])
        for image, sha256 in zip(named, sha256s, strict=True)
        if (row := places.get(sha256)) is not None
    ]


def _reviewed_boxes(
    reviewed: pa.Table, places: Mapping[str, int], class_map: Mapping[str, str | None]
) -> pa.Table:
    """Rows of `BOXES` from those of the review."""
    rows = []
    for picture in reviewed.to_pylist():
        columns = (picture["boxes"], picture["classes"], picture["reviewers"])
        for box, class_name, reviewer in zip(*columns, strict=True):
            name = class_map.get(class_name, class_name)
            if picture["sha256"] in places and name:
                edges = dict(zip(EDGES, box, strict=True))
                facts = {"class_name": name, "overshoot_px": 0.0, "reviewer": reviewer}
                rows.append({"image": places[picture["sha256"]], **edges, **facts})
    return pa.Table.from_pylist(rows, BOXES)


def _without_odd(labels: LabelSet, odd: Sequence[Refused]) -> LabelSet:
    """Without the pictures whose own boxes were all refused: they would pass for backgrounds."""
    spoilt = {item.where for item in odd}
    with_boxes = set(labels.boxes["image"].to_pylist())
    kept = [
        place
        for place, name in enumerate(labels.images["name"].to_pylist())
        if place in with_boxes or name not in spoilt
    ]
    renumbered = {place: number for number, place in enumerate(kept)}
    numbers = [renumbered[place] for place in labels.boxes["image"].to_pylist()]
    boxes = labels.boxes.set_column(0, BOXES.field("image"), pa.array(numbers, pa.int64()))
    return LabelSet(labels.images.take(pa.array(kept, pa.int64())), boxes, labels.refused)
