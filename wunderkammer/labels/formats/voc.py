"""Pascal VOC: an XML file a picture (Everingham and Winn, VOC2012 devkit, section 4)."""

from pathlib import Path
from xml.etree.ElementTree import Element

from wunderkammer.labels.formats.files import files_in, number, parse_xml
from wunderkammer.labels.table import BAD_RECORD, Found, LabelledBox

EDGES = ("xmin", "ymin", "xmax", "ymax")


def matches(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with one."""
    if path.is_dir():
        return any(file.is_file() for file in path.rglob("*.xml"))
    return path.suffix.lower() == ".xml"


def read(path: Path) -> Found:
    """The boxes of a file or of all files below a folder."""
    found = Found()
    for file in files_in(path, "**/*.xml"):
        try:
            root = parse_xml(file.read_bytes())
        except ValueError as error:
            found.refuse(file.name, BAD_RECORD, str(error))
            continue
        _read_picture(found, root, file)
    return found


def _read_picture(found: Found, root: Element, file: Path) -> None:
    name = (root.findtext("filename") or "").strip() or file.stem
    found.image(name, _size(root))
    for position, item in enumerate(root.findall("object"), start=1):
        where = f"{file.name}, object {position}"
        try:
            edges = [number((item.findtext(f"bndbox/{edge}") or "").strip()) for edge in EDGES]
        except ValueError as error:
            found.refuse(where, BAD_RECORD, f"bndbox: {error}", image=name)
            continue
        # Pixels count from 1, and the last one belongs to the box.
        box = LabelledBox(
            edges[0] - 1, edges[1] - 1, edges[2], edges[3], (item.findtext("name") or "").strip()
        )
        found.box(name, box, where=where)


def _size(root: Element) -> tuple[int, int] | None:
    try:
        size = (
            int(number(root.findtext("size/width"))),
            int(number(root.findtext("size/height"))),
        )
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None
