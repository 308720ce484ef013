"""The names of a classifier's classes, and the numbers of those that a recipe wants."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wunderkammer.classify.errors import LabelError
from wunderkammer.classify.params import ClassifyParams
from wunderkammer.subject import Subject

IMAGENET = "imagenet"
MAX_LABELS_BYTES = 20_000_000
MAX_SHOWN = 5
# An id of WordNet, as ImageNet's lists have them before the names.
ID = re.compile(r"(n\d{8})[\s,:]+(.+)")


def read_labels(params: ClassifyParams, *, subject: Subject) -> list[str] | None:
    """The labels of all classes in the order of the outputs, or None if the recipe has none.

    Raises:
        LabelError: the file is missing, or is no list of labels.
    """
    if params.labels is None or isinstance(params.labels, tuple):
        return None if params.labels is None else list(params.labels)
    if params.labels == IMAGENET:
        return imagenet_labels()
    path = subject.resolve(params.labels)
    if not path.is_file():
        raise LabelError(
            f"filter.classify.labels={params.labels!r} of {subject.name!r}: there is no file "
            f"{path}; name a file with a line a class, a list, or {IMAGENET!r}"
        )
    return parse_labels(path)


def parse_labels(path: Path) -> list[str]:
    """The labels in a file: a line each, a JSON list, or a JSON object by number.

    Raises:
        LabelError: it holds something else.
    """
    size = path.stat().st_size
    if size > MAX_LABELS_BYTES:
        raise LabelError(f"{path.name} has {size:,} bytes, the limit is {MAX_LABELS_BYTES:,}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path.name} can't be read: {error}; save it as UTF-8") from error
    if isinstance(content, dict):
        content = _by_number(content, name=path.name)
    if not isinstance(content, list) or not content:
        raise LabelError(f"{path.name} holds no list of labels, nor an object by number")
    while isinstance(content[-1], str) and not content[-1].strip():
        content.pop()
        if not content:
            raise LabelError(f"{path.name} is empty; a line a class is needed")
    return [_as_label(entry, name=path.name) for entry in content]


def _by_number(content: dict[str, Any], *, name: str) -> list[Any]:
    numbers = [str(number) for number in range(len(content))]
    missing = [number for number in numbers if number not in content]
    if missing:
        raise LabelError(
            f"{name} has {len(content)} entries, but none for the number {missing[0]}; "
            f"its keys must be the numbers of the classes from 0 on"
        )
    return [content[number] for number in numbers]


def _as_label(entry: Any, *, name: str) -> str:
    # ["n01440764", "tench"], as Keras writes its list.
    parts = entry if isinstance(entry, list) else [entry]
    if not parts or not all(isinstance(part, str) for part in parts):
        raise LabelError(f"{name} has the entry {entry!r}; a label is text")
    return " ".join(parts).strip()


def imagenet_labels() -> list[str]:
    """The 1,000 names of ImageNet-1k that torchvision brings along."""
    from torchvision.models import ResNet18_Weights  # type: ignore[import-untyped]

    return list(ResNet18_Weights.DEFAULT.meta["categories"])


def wanted_classes(
    params: ClassifyParams, labels: Sequence[str] | None, *, subject: Subject
) -> list[int]:
    """The numbers of the wanted classes, sorted.

    Raises:
        LabelError: the labels hold no such class, or several.
    """
    known: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels or ()):
        for name in _names(label):
            known[name].append(number)
    wanted = set()
    for choice in params.classes:
        numbers = [choice] if isinstance(choice, int) else known.get(_folded(choice), [])
        if len(numbers) != 1:
            where = f"filter.classify.classes={choice!r} of {subject.name!r}"
            raise LabelError(f"{where}: {_fault(str(choice), numbers, known)}")
        wanted.add(numbers[0])
    return sorted(wanted)


def _fault(name: str, numbers: Sequence[int], known: dict[str, list[int]]) -> str:
    if numbers:
        shown = ", ".join(map(str, numbers[:MAX_SHOWN]))
        return f"{len(numbers)} classes are called so; give the number of one ({shown})"
    meant = get_close_matches(_folded(name), known, n=1)
    hint = f"; did you mean {meant[0]!r}?" if meant else ""
    return f"none of the {sum(map(len, known.values()))} names is this{hint}"


def _names(label: str) -> set[str]:
    """All that a class can be called by."""
    found = ID.fullmatch(label.strip())
    parts = list(found.groups()) if found else [label]
    synonyms = parts[-1].split(",")
    return {_folded(name) for name in (label, *parts, *synonyms) if name.strip()}


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
