"""The architecture of a detector: by name from the files that ultralytics ships, or by path."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from wunderkammer.detect.architecture import checked_architecture
from wunderkammer.detect.errors import DetectorError

DEFAULT = "yolo11n.yaml"
# yolo11n: the scale n of yolo11.
SCALED = re.compile(r"(?P<family>yolov?\d+)(?P<scale>[nslmx])(?P<variant>.*)")


def find_architecture(name: str, *, folder: Path) -> dict[str, Any]:
    """The checked architecture of that name, else of the file at that path.

    Args:
        folder: where a relative path starts.

    Raises:
        DetectorError: there is none, or it is none of a detector.
    """
    shipped = _shipped_files()
    stem = name.removesuffix(".yaml")
    scaled = SCALED.fullmatch(stem)
    if stem in shipped:
        return _read(shipped[stem], scale="")
    if scaled and (plain := scaled["family"] + scaled["variant"]) in shipped:
        return _read(shipped[plain], scale=scaled["scale"])
    file = (folder / Path(name).expanduser()).resolve()
    if not file.is_file():
        raise DetectorError(
            f"detector.architecture={name!r}: ultralytics ships none of that name, and there is no "
            f"file {file}; take one such as {DEFAULT!r}, 'yolov8s.yaml' or 'yolo26n.yaml'"
        )
    return _read(file, scale="")


def _read(file: Path, *, scale: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DetectorError(f"detector.architecture: {file} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise DetectorError(f"detector.architecture: {file} holds no mapping")
    try:
        found = checked_architecture({**content, "scale": scale} if scale else content)
    except DetectorError as error:
        raise DetectorError(f"detector.architecture: {file.name}: {error}") from error
    if found["scales"] and not found.get("scale"):
        # As ultralytics does, though without a word.
        found["scale"] = next(iter(found["scales"]))
    return found


@cache
def _shipped_files() -> dict[str, Path]:
    """The architectures of the installed ultralytics, by name, found without importing it."""
    spec = find_spec("ultralytics")
    roots = list(spec.submodule_search_locations or ()) if spec is not None else []
    files = [file for root in roots for file in (Path(root) / "cfg" / "models").rglob("*.yaml")]
    return {file.stem: file for file in files}
