"""The reference of all settings of a subject file, from the models that check it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from wunderkammer.params import Params
from wunderkammer.subject import SECTIONS, SubjectSpec, models_in

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "a multiple of"}


def settings_reference() -> str:
    """Markdown: for each section and kind its purpose, and a table of its settings."""
    lines: list[str] = []
    seen: set[type[Params]] = set()
    for section in (*SECTIONS, "schedule"):
        for name, model in _models(section, SubjectSpec.model_fields[section]):
            # The sources that `combine` takes are those of the section itself.
            if model not in seen:
                lines += _model_lines(name, model)
            seen.add(model)
    return "\n".join(lines) + "\n"


def _models(name: str, field: FieldInfo) -> Iterator[tuple[str, type[Params]]]:
    """The models that a section may be, then those of its own sections, each once."""
    models = models_in(field.annotation)
    yield from ((name, model) for model in models)
    inner = {
        found: None
        for outer in models
        for key, part in outer.model_fields.items()
        for found in _models(f"{name}.{key}", part)
    }
    yield from inner


def _model_lines(section: str, model: type[Params]) -> list[str]:
    kind = model.model_fields.get("kind")
    of_kind = f", kind `{get_args(kind.annotation)[0]}`" if kind else ""
    purpose = " ".join((model.__doc__ or "").split())
    rows = [
        f"| `{name}` | {_allowed(field)} | {_default(field)} |"
        for name, field in model.model_fields.items()
        if name != "kind"
    ]
    if not rows:
        return [f"## `{section}`{of_kind}", "", purpose, ""]
    head = ["| setting | allowed | default |", "|---|---|---|"]
    return [f"## `{section}`{of_kind}", "", purpose, "", *head, *rows, ""]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Params):
        return "`{" + ", ".join(f"{k}: {v}" for k, v in default.canonical().items()) + "}`"
    if default is None:
        return "unset"
    # As it would stand in the YAML file.
    return "`" + json.dumps(default).strip('"') + "`"


def _allowed(field: FieldInfo) -> str:
    return ", ".join([_type_name(field.annotation), *_bounds(field.metadata)])


def _bounds(metadata: Any) -> Iterator[str]:
    for constraint in metadata:
        for item in getattr(constraint, "metadata", [constraint]):
            for name, sign in SIGNS.items():
                if isinstance(item, annotated_types.BaseMetadata) and hasattr(item, name):
                    yield f"{sign} {getattr(item, name)}"


def _type_name(annotation: Any) -> str:
    names = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    if annotation in names:
        return names[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Params):
        return "a section of its own"
    if metadata := getattr(annotation, "__metadata__", None):
        return ", ".join([_type_name(get_args(annotation)[0]), *_bounds(metadata)])
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{argument}`" for argument in arguments)
    if get_origin(annotation) is dict:
        return f"mapping of {_type_name(arguments[0])} to {_type_name(arguments[1])}"
    if get_origin(annotation) is tuple:
        length = "list" if ... in arguments else f"list of {len(arguments)}"
        return f"{length} ({_type_name(arguments[0])})"
    return _type_name(arguments[0])


def main(file: Path) -> None:
    """Replace the reference at the end of `file`."""
    head, _, _ = file.read_text().partition("\n## `")
    file.write_text(f"{head.rstrip()}\n\n{settings_reference()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
