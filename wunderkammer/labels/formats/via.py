"""VGG Image Annotator 1 and 2: a CSV or JSON export, or a project (Dutta and Zisserman, 2019).

A file without regions is listed whether somebody has looked at it or not, so it is no background.
"""

from pathlib import Path
from typing import Any

from wunderkammer.labels.formats.files import (
    files_in,
    header,
    number,
    parse_json,
    read_json,
    read_rows,
)
from wunderkammer.labels.table import BAD_RECORD, NO_CLASS, Found, LabelledBox, LabelsError, bounds

COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
PROJECT = "_via_img_metadata"
# Which of several attributes of a region is its class.
CLASS_ATTRIBUTES = ("class", "label", "name", "type", "object", "category")


def matches(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with exactly one."""
    return len(files(path)) == 1


def files(path: Path) -> list[Path]:
    """The exports that `path` is or that lie in it."""
    return [file for file in files_in(path) if _is_via(file)]


def read(path: Path) -> Found:
    """The boxes of an export or a project; of other shapes, the boxes about them.

    Raises:
        LabelsError: there is no such file, or more than one.
    """
    exports = files(path)
    if len(exports) != 1:
        raise LabelsError(
            f"{path.name} has {len(exports)} files of VIA; name the one file that is meant"
        )
    (file,) = exports
    found = Found()
    if file.suffix.lower() == ".csv":
        _read_csv(found, file)
    else:
        for key, record in _records(read_json(file)).items():
            _read_record(found, record, where=f"{file.name}, {key}")
    return found


def _read_csv(found: Found, file: Path) -> None:
    for line, row in read_rows(file):
        where = f"{file.name}:{line}"
        try:
            shape = parse_json(row["region_shape_attributes"] or "{}")
            attributes = parse_json(row["region_attributes"] or "{}")
        except ValueError as error:
            detail = f"attributes are no JSON: {error}"
            found.refuse(where, BAD_RECORD, detail, image=row["filename"])
            continue
        if shape:
            _read_region(found, shape, attributes, image=row["filename"], where=where)


def _read_record(found: Found, record: dict[str, Any], *, where: str) -> None:
    regions = record.get("regions")
    # VIA 1 numbers them in an object.
    listed = list(regions.values()) if isinstance(regions, dict) else regions or []
    if not isinstance(listed, list):
        detail = f"regions {listed!r}; expected: a list"
        found.refuse(where, BAD_RECORD, detail, image=record["filename"])
        return
    for position, region in enumerate(listed, start=1):
        place = f"{where}, region {position}"
        if not isinstance(region, dict):
            detail = f"{region!r} is no region"
            found.refuse(place, BAD_RECORD, detail, image=record["filename"])
            continue
        shape, attributes = region.get("shape_attributes"), region.get("region_attributes")
        _read_region(found, shape, attributes, image=record["filename"], where=place)


def _read_region(found: Found, shape: Any, attributes: Any, *, image: str, where: str) -> None:
    try:
        edges = _edges(shape)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found.refuse(where, BAD_RECORD, f"no shape that has a box: {error!r}", image=image)
        return
    name = _class(attributes)
    if name is None:
        detail = f"attributes {attributes!r}; expected: one, or `class`"
        found.refuse(where, NO_CLASS, detail, image=image)
    else:
        found.box(image, LabelledBox(*edges, name), where=where)


def _edges(shape: dict[str, Any]) -> tuple[float, float, float, float]:
    kind = shape.get("name")
    if kind == "rect":
        x, y = number(shape["x"]), number(shape["y"])
        return x, y, x + number(shape["width"]), y + number(shape["height"])
    if kind in ("circle", "ellipse"):
        x, y = number(shape["cx"]), number(shape["cy"])
        rx = number(shape["r" if kind == "circle" else "rx"])
        ry = number(shape["r" if kind == "circle" else "ry"])
        turn = number(shape.get("theta", 0))
        if turn:
            raise ValueError(f"an ellipse turned by {turn}")
        return x - rx, y - ry, x + rx, y + ry
    if kind in ("polygon", "polyline"):
        return bounds(map(number, shape["all_points_x"]), map(number, shape["all_points_y"]))
    raise ValueError(f"the shape is {kind!r}")


def _class(attributes: Any) -> str | None:
    """The class; empty if the region has no attribute, None if it has several that could be it."""
    if not isinstance(attributes, dict):
        return ""
    names = [name for name in CLASS_ATTRIBUTES if name in attributes]
    if not names:
        names = list(attributes) if len(attributes) <= 1 else []
        if attributes and not names:
            return None
    value = attributes[names[0]] if names else ""
    if isinstance(value, dict):  # checkboxes
        chosen = [name for name, is_on in value.items() if is_on in (True, "true", "on")]
        return chosen[0] if len(chosen) == 1 else None
    return value.strip() if isinstance(value, str) else None


def _records(content: Any) -> dict[str, dict[str, Any]]:
    found = content.get(PROJECT, content) if isinstance(content, dict) else {}
    if not isinstance(found, dict) or not found:
        return {}
    is_record = [
        isinstance(value, dict) and isinstance(value.get("filename"), str) and "regions" in value
        for value in found.values()
    ]
    return found if all(is_record) else {}


def _is_via(file: Path) -> bool:
    try:
        if file.suffix.lower() == ".csv":
            return set(COLUMNS) <= set(header(file))
        return file.suffix.lower() == ".json" and bool(_records(read_json(file)))
    except LabelsError:
        return False
