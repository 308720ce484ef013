"""Reads annotations of whatever program, told apart by what their files hold."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from wunderkammer.labels.formats import coco, via, voc, vott, yolo
from wunderkammer.labels.formats.files import forget_json
from wunderkammer.labels.table import Found, LabelsError

FORMATS: Mapping[str, ModuleType] = {
    "voc": voc,
    "yolo": yolo,
    "coco": coco,
    "vott": vott,
    "via": via,
}


def read_labels(path: Path, *, format: str) -> Found:
    """The labels in a file or folder; `format` is one of `FORMATS`, or "auto".

    Raises:
        FileNotFoundError: there is no such file or folder.
        LabelsError: it holds no labels, or those of several programs.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"labels.path: there is no {path}; correct the path, or export the labels to it"
        )
    try:
        if format == "auto":
            format = detect_format(path)
        found: Found = FORMATS[format].read(path)
    finally:
        forget_json()
    if not found.images and not found.refused:
        raise LabelsError(f"{path} holds no labels of the format {format!r}; allowed: {_known()}")
    return found


def detect_format(path: Path) -> str:
    """Which program's labels `path` holds.

    Raises:
        LabelsError: those of none, or of several.
    """
    fitting = [name for name, module in FORMATS.items() if module.matches(path)]
    if len(fitting) == 1:
        return fitting[0]
    holds = f"labels of {', '.join(fitting)}" if fitting else "no labels that are known"
    raise LabelsError(
        f"{path} holds {holds}; set labels.format to one of {_known()}, or name another path"
    )


def _known() -> str:
    return ", ".join(FORMATS)
