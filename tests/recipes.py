"""Recipes for the tests of the spine: small, valid, and changed by one dotted setting at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from wunderkammer.detect.params import YoloParams
from wunderkammer.subject import Subject, SubjectSpec

RECIPE: dict[str, dict[str, Any]] = {
    "scrape": {"kind": "folder", "path": "pictures"},
    "filter": {"kind": "square", "min_side_px": 64, "size_px": 64},
    "shard": {"resolution_px": 32},
    "train": {"kind": "stylegan2", "total_kimg": 8, "batch_size": 16, "tick_kimg": 0.8},
}


def subject(name: str = "cat", **changes: Any) -> Subject:
    """A subject of `RECIPE` with settings changed: `subject(filter__min_side_px=96)`."""
    sections = {section: dict(settings) for section, settings in RECIPE.items()}
    for path, value in changes.items():
        section, key = path.split("__")
        sections.setdefault(section, {})[key] = value
    return Subject(name, SubjectSpec.model_validate(sections), Path("subjects"))


def with_detector(plain: Subject, weights: str = "yolo.pt") -> Subject:
    """The same subject with a detector."""
    detect = YoloParams(kind="yolo", weights=weights)
    return replace(plain, spec=plain.spec.model_copy(update={"detect": detect}))
