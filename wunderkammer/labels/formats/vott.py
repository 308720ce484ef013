"""VoTT 2: a CSV export (a line a box), a JSON export, or a project's `*-asset.json` files."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from wunderkammer.labels.formats.files import files_in, header, number, read_json, read_rows
from wunderkammer.labels.table import (
    BAD_RECORD,
    NO_CLASS,
    Found,
    LabelledBox,
    LabelsError,
    bounds,
)

COLUMNS = ("image", "xmin", "ymin", "xmax", "ymax", "label")
# `state` of an asset: 0 was never opened, so its lack of boxes says nothing.
NEVER_OPENED = 0


def matches(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with exactly one, or with assets."""
    return len(files(path)) == 1 or bool(_asset_files(path))


def files(path: Path) -> list[Path]:
    """The exports that `path` is or that lie in it."""
    return [file for file in files_in(path) if _is_export(file)]


def read(path: Path) -> Found:
    """The boxes of an export, or of the assets in a folder.

    Raises:
        LabelsError: there is no such file, or more than one.
    """
    exports = files(path)
    if len(exports) == 1:
        (file,) = exports
        return _read_csv(file) if file.suffix.lower() == ".csv" else _read_assets([file])
    assets = [] if exports else _asset_files(path)
    if not assets:
        raise LabelsError(
            f"{path.name} has {len(exports)} exports of VoTT; name the one file that is meant"
        )
    return _read_assets(assets)


def _asset_files(path: Path) -> list[Path]:
    return files_in(path, "*-asset.json") if path.is_dir() else []


def _read_csv(file: Path) -> Found:
    found = Found()
    for line, row in read_rows(file):
        where = f"{file.name}:{line}"
        name = row["image"].strip()
        try:
            x0, y0, x1, y1 = (number(row[edge]) for edge in COLUMNS[1:5])
        except ValueError as error:
            found.refuse(where, BAD_RECORD, str(error), image=name or None)
            continue
        if not name:
            found.refuse(where, BAD_RECORD, "names no image")
            continue
        found.box(name, LabelledBox(x0, y0, x1, y1, row["label"].strip()), where=where)
    return found


def _read_assets(asset_files: list[Path]) -> Found:
    found = Found()
    for file in asset_files:
        content = read_json(file)
        records = content.get("assets", {"": content}) if isinstance(content, dict) else {}
        for key, record in records.items() if isinstance(records, dict) else ():
            _read_asset(found, record, where=f"{file.name} {key}".strip())
    return found


def _read_asset(found: Found, record: Any, *, where: str) -> None:
    asset = record.get("asset") if isinstance(record, dict) else None
    if not isinstance(asset, dict) or not (name := _name(asset)):
        found.refuse(where, BAD_RECORD, "no asset with a name")
        return
    regions = record.get("regions")
    regions = regions if isinstance(regions, list) else []
    if regions or asset.get("state", NEVER_OPENED) != NEVER_OPENED:
        found.image(name, _size(asset))
    for position, region in enumerate(regions, start=1):
        _read_region(found, region, image=name, where=f"{where}, region {position}")


def _read_region(found: Found, region: Any, *, image: str, where: str) -> None:
    try:
        edges = _edges(region)
        tags = [str(tag) for tag in region.get("tags", [])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found.refuse(where, BAD_RECORD, f"no boundingBox and no points: {error!r}", image=image)
        return
    if len(tags) > 1:
        found.refuse(where, NO_CLASS, f"tags {tags}; expected: one", image=image)
    else:
        found.box(image, LabelledBox(*edges, "".join(tags)), where=where)


def _edges(region: dict[str, Any]) -> tuple[float, float, float, float]:
    if isinstance(box := region.get("boundingBox"), dict):
        left, top = number(box["left"]), number(box["top"])
        return left, top, left + number(box["width"]), top + number(box["height"])
    points = region["points"]
    return bounds((number(p["x"]) for p in points), (number(p["y"]) for p in points))


def _name(asset: dict[str, Any]) -> str:
    """The name of the asset's file; a path may be a URL."""
    name, path = asset.get("name"), asset.get("path")
    if isinstance(name, str) and name:
        return name
    try:
        return unquote(urlsplit(path).path) if isinstance(path, str) else ""
    except ValueError:
        return ""  # no URL: its asset is refused


def _size(asset: dict[str, Any]) -> tuple[int, int] | None:
    size = asset.get("size")
    try:
        found = (int(number(size["width"])), int(number(size["height"])))  # type: ignore[index]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if min(found) > 0 else None


def _is_export(file: Path) -> bool:
    try:
        if file.suffix.lower() == ".csv":
            return set(COLUMNS) <= set(header(file))
        if file.suffix.lower() != ".json" or file.name.endswith("-asset.json"):
            return False
        content = read_json(file)
    except LabelsError:
        return False
    assets = content.get("assets") if isinstance(content, dict) else None
    return isinstance(assets, dict) and all(map(_is_asset, assets.values()))


def _is_asset(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("asset"), dict)
