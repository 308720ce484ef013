"""YOLO: a text file a picture, a line a box: class number, centre and size in shares of the sides.

A line with more points is a polygon, of which the box about it is taken.
"""

from pathlib import Path

from wunderkammer.labels.formats.files import files_in, number, read_text, read_yaml
from wunderkammer.labels.table import BAD_RECORD, PREDICTED, Found, LabelledBox, LabelsError, bounds

# Lists of class names, one a line, as YOLO's tools leave them.
NAME_LISTS = ("classes.txt", "obj.names", "names.txt", "_darknet.labels")
DATA_FILES = ("data.yaml", "dataset.yaml", "data.yml")
NOT_LABELS = frozenset({*NAME_LISTS, "train.txt", "val.txt", "test.txt", "readme.txt"})


def matches(path: Path) -> bool:
    """Whether `path` is a folder with such files."""
    return path.is_dir() and (
        names_file(path) is not None or any(map(_looks_like_labels, files_in(path, "**/*.txt")))
    )


def read(path: Path) -> Found:
    """The boxes of all text files below a folder; without a list of names, classes are numbers.

    Raises:
        LabelsError: it is no folder, or its list of class names can't be read.
    """
    if not path.is_dir():
        raise LabelsError(f"{path.name} is a file; YOLO's labels are a folder of text files")
    names = _names(path)
    found = Found(is_relative=True)
    for file in files_in(path, "**/*.txt"):
        if file.name.lower() in NOT_LABELS:
            continue
        # The picture's own ending is not known: it is found by what stands before it.
        name = file.relative_to(path).with_suffix("").as_posix()
        try:
            lines = read_text(file).splitlines()
        except LabelsError as error:
            found.refuse(file.name, BAD_RECORD, str(error))
            continue
        found.image(name)
        for count, line in enumerate(lines, start=1):
            if line.strip():
                _read_line(found, line.split(), names, image=name, where=f"{file.name}:{count}")
    return found


def names_file(path: Path) -> Path | None:
    """The list of class names in the folder or the one above it, None without one."""
    places = [
        folder / name for folder in (path, path.parent) for name in (*DATA_FILES, *NAME_LISTS)
    ]
    return next((place for place in places if place.is_file()), None)


def _read_line(
    found: Found, words: list[str], names: dict[int, str], *, image: str, where: str
) -> None:
    try:
        values = [number(word) for word in words]
        label = int(words[0])
    except ValueError as error:
        found.refuse(where, BAD_RECORD, str(error), image=image)
        return
    name = names.get(label, str(label) if not names else None)
    if name is None:
        found.refuse(where, BAD_RECORD, f"class {label}; named are 0 to {max(names)}", image=image)
    elif len(values) == 6:
        detail = f"has a confidence, {values[5]:g}: a model's word"
        found.refuse(where, PREDICTED, detail, image=image)
    elif len(values) == 5:
        x, y, width, height = values[1:]
        box = LabelledBox(x - width / 2, y - height / 2, x + width / 2, y + height / 2, name)
        found.box(image, box, where=where)
    elif len(values) >= 7 and len(values) % 2 == 1:
        found.box(image, LabelledBox(*bounds(values[1::2], values[2::2]), name), where=where)
    else:
        detail = f"{len(values)} numbers; expected: 5, or a polygon's"
        found.refuse(where, BAD_RECORD, detail, image=image)


def _looks_like_labels(file: Path) -> bool:
    if file.name.lower() in NOT_LABELS:
        return False
    try:
        words = read_text(file).split("\n", 1)[0].split()
        return len(words) >= 5 and all(-1 <= number(word) <= 2 for word in words[1:])
    except (LabelsError, ValueError):
        return False


def _names(path: Path) -> dict[int, str]:
    file = names_file(path)
    if file is None:
        return {}
    if file.name not in DATA_FILES:
        lines = [line.strip() for line in read_text(file).splitlines()]
        return {number: line for number, line in enumerate(lines) if line}
    described = read_yaml(file)
    names = described.get("names") if isinstance(described, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(
        type(key) is int and isinstance(name, str | int) for key, name in names.items()
    ):
        raise LabelsError(f"{file.name} has no `names`: a list, or a mapping of numbers to names")
    return {key: str(value) for key, value in names.items()}
