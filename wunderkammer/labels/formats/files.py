"""Reading the files of annotations: text, numbers, JSON, XML, YAML; whatever they hold, as data."""

import csv
import io
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import yaml

from wunderkammer.labels.table import LabelsError

MAX_XML_BYTES = 4 << 20
MAX_XML_DEPTH = 32
# What PyYAML raises for values that are not what their tags or their looks say.
YAML_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # Merged or written out, aliases can grow a small file into gigabytes.
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias, which no list of names needs; write it out")
        return super().compose_node(parent, index)


def files_in(path: Path, pattern: str = "*") -> list[Path]:
    """`path`, or if it is a folder, the files there that fit the pattern, sorted."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.glob(pattern) if file.is_file())


def read_text(file: Path) -> str:
    """The file's text (UTF-8, with or without a byte-order mark).

    Raises:
        LabelsError: it is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelsError(f"{file.name} is not UTF-8 text: {error}") from error


@lru_cache(maxsize=1)
def read_json(file: Path) -> Any:
    """The value in a JSON file, kept until the next one is read or `forget_json`: each program's
    reader looks whether a file is its own, and a file may be large.

    Raises:
        LabelsError: it is no JSON.
    """
    try:
        return parse_json(read_text(file))
    except ValueError as error:
        raise LabelsError(f"{file.name} is not JSON: {error}") from error


def parse_json(text: str) -> Any:
    """The value that a text of JSON is.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested too deep: {error}") from error


def read_yaml(file: Path) -> Any:
    """The plain value in a YAML file without aliases.

    Raises:
        LabelsError: it is no such file.
    """
    try:
        return yaml.load(read_text(file), _PlainLoader)  # noqa: S506 - a SafeLoader
    except LabelsError:
        raise
    except YAML_ERRORS as error:
        raise LabelsError(f"{file.name} is not YAML: {error}") from error


def forget_json() -> None:
    """Let go of what was read last."""
    read_json.cache_clear()


def read_rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, by the names in its first row.

    Raises:
        LabelsError: it is no CSV.
    """
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""), restkey="", restval="")
    try:
        for row in reader:
            named = {key.strip().lstrip("#"): value for key, value in row.items() if key}
            yield reader.line_num, named
    except csv.Error as error:
        raise LabelsError(f"{file.name}:{reader.line_num} is not CSV: {error}") from error


def header(file: Path) -> list[str]:
    """The names in the first row of a CSV file.

    Raises:
        LabelsError: it is no CSV.
    """
    rows = csv.reader(io.StringIO(read_text(file), newline=""))
    try:
        return [name.strip().lstrip("#") for name in next(rows, [])]
    except csv.Error as error:
        raise LabelsError(f"{file.name} is not CSV: {error}") from error


def number(value: Any) -> float:
    """A number, or the text of one.

    Raises:
        ValueError: it is neither, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("an integer of more than 300 digits is no number of px") from error


def parse_xml(content: bytes) -> Element:
    """The root of an XML document without a document type: so it has no entities that could grow.

    Raises:
        ValueError: it is not well-formed, declares a document type, or is too large or too deep.
    """
    if len(content) > MAX_XML_BYTES:
        raise ValueError(f"{len(content)} bytes of XML; the limit is {MAX_XML_BYTES}")
    builder, depth = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_XML_DEPTH:
            raise ValueError(f"XML nested deeper than {MAX_XML_DEPTH}")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise ValueError("the XML declares a document type, which no annotation needs")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"not well-formed XML: {error}") from error
    return builder.close()
