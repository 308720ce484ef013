"""COCO: one JSON file with `images`, `annotations` and `categories` (cocodataset.org, format)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wunderkammer.labels.formats.files import files_in, number, read_json
from wunderkammer.labels.table import BAD_RECORD, CROWD, Found, LabelledBox, LabelsError

KEYS = ("images", "annotations", "categories")


def matches(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with exactly one."""
    return len(files(path)) == 1


def files(path: Path) -> list[Path]:
    """The COCO files that `path` is or that lie in it."""
    return [file for file in files_in(path) if file.suffix.lower() == ".json" and _is_coco(file)]


def read(path: Path) -> Found:
    """The boxes of the file, or of the one in a folder.

    Raises:
        LabelsError: there is no such file, or more than one.
    """
    found_files = files(path)
    if len(found_files) != 1:
        raise LabelsError(
            f"{path.name} has {len(found_files)} COCO files; name the one file that is meant"
        )
    (file,) = found_files
    content, found = read_json(file), Found()
    categories = {
        item["id"]: str(item.get("name") or "")
        for item in _items(content, "categories")
        if isinstance(item.get("id"), int | float | str)
    }
    images: dict[Any, str] = {}
    for position, item in enumerate(_items(content, "images"), start=1):
        name = item.get("file_name")
        if not isinstance(name, str) or not isinstance(item.get("id"), int | str):
            found.refuse(f"{file.name}, image {position}", BAD_RECORD, "no file_name, or no id")
            continue
        images[item["id"]] = name
        found.image(name, _size(item))
    for position, item in enumerate(_items(content, "annotations"), start=1):
        where = f"{file.name}, annotation {item.get('id', position)}"
        _read_box(found, item, images, categories, where=where)
    return found


def _read_box(
    found: Found,
    item: dict[str, Any],
    images: dict[Any, str],
    categories: dict[Any, str],
    *,
    where: str,
) -> None:
    image_id = item.get("image_id")
    image = images.get(image_id) if isinstance(image_id, int | str) else None
    try:
        x, y, width, height = (number(value) for value in item["bbox"])
        name = categories[item["category_id"]]
    except (KeyError, TypeError, ValueError) as error:
        detail = f"no known category or no bbox: {error!r}"
        found.refuse(where, BAD_RECORD, detail, image=image)
        return
    if image is None:
        found.refuse(where, BAD_RECORD, f"image_id {image_id!r} is of no image")
    elif item.get("iscrowd") in (1, True):
        found.refuse(where, CROWD, "a region with many of them", image=image)
    else:
        found.box(image, LabelledBox(x, y, x + width, y + height, name), where=where)


def _items(content: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    return (item for item in content[key] if isinstance(item, dict))


def _size(item: dict[str, Any]) -> tuple[int, int] | None:
    width, height = item.get("width"), item.get("height")
    if type(width) is int and type(height) is int and min(width, height) > 0:
        return width, height
    return None


def _is_coco(file: Path) -> bool:
    try:
        content = read_json(file)
    except LabelsError:
        return False
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in KEYS)
