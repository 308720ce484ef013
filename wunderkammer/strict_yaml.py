"""YAML as a person expects it: a file is one mapping of plain values, or it is refused.

PyYAML reads YAML 1.1, where `no` is false, `010` is eight, `1:30` is ninety, `2026-01-01` is a
date and `1e-3` is text. Here plain scalars resolve as in the core schema of YAML 1.2.2 (10.3.2):
`true`, `false`, `null`, decimal numbers, else text.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MAX_FILE_BYTES = 256 * 1024


class StrictYamlError(ValueError):
    """A file that is not one plain mapping; the message says what is wrong and where."""


class _StrictLoader(yaml.SafeLoader):
    """Refuses keys given twice, keys that are not text, aliases and tags."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _fault(f"the key {key!r} is not text, allowed: a name", key_node.start_mark)
            if key in seen:
                raise _fault(f"the key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        # Aliases can grow a small file into gigabytes, and no recipe needs them.
        if isinstance(event, yaml.AliasEvent):
            raise _fault(f"the alias *{event.anchor} is refused, write it out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _fault(f"the tag {event.tag} is refused, write a plain value", event.start_mark)
        return super().compose_node(parent, index)

    def construct_decimal_int(self, node: yaml.ScalarNode) -> int:
        return int(str(self.construct_scalar(node)))

    def construct_decimal_float(self, node: yaml.ScalarNode) -> float:
        return float(str(self.construct_scalar(node)))


def _fault(message: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, message, mark)


# An own, empty table: `add_implicit_resolver` would else extend a copy of YAML 1.1's.
_StrictLoader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("null", "~|null|Null|NULL|", "~nN"),
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", "[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _regexp = re.compile(f"(?:{_pattern})\\Z")
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _regexp, [*_first, ""])
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_decimal_int)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.construct_decimal_float)


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping that `file` holds: text keys; values of text, numbers, booleans, null, lists.

    Raises:
        StrictYamlError: no readable regular file, too large, not UTF-8, not YAML, or not a mapping.
    """
    try:
        tree = yaml.load(_read(file).decode(), _StrictLoader)  # noqa: S506 - a SafeLoader
    except StrictYamlError:
        raise
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise StrictYamlError(_explain(error)) from error
    if not isinstance(tree, dict):
        kind = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise StrictYamlError(f"holds {kind}, allowed: a mapping of sections")
    return tree


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise StrictYamlError("is not a file that can be read")
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise StrictYamlError(f"{size} bytes, allowed: at most {MAX_FILE_BYTES}")
    return file.read_bytes()


def _explain(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    said = " ".join(part for part in (error.context, error.problem) if part)
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}"
