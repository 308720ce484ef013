"""A folder a label, as `datasets` (`imagefolder`) and torchvision's `ImageFolder` read it.

    train/metadata.jsonl         {"file_name": "moth/00000000.jpg", "label": "moth", "sha256": …}
    train/moth/00000000.jpg      `test` instead of `train` for pictures that are held out

Labels were written by strangers, names of folders must not act: see `folder_name`.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from wunderkammer.export.collection import Collection, Picture, ahead

# No label's folder: that of a label never starts with a `_`.
UNLABELLED = "_unlabelled"
MAX_NAME_BYTES = 200
# What a path, a shell or fsspec could take for something else than a name.
UNSAFE = re.compile(r'^[._ -]|[. ]$|[\x00-\x1f\x7f%/\\:*?"<>|\[\]{}$~]')
# A folder of such a name makes `datasets` put its pictures into another split.
SPLITS = re.compile(
    r"(?<![^-._ 0-9])"
    r"(?=(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?![^-._ 0-9]))."
)


def write_imagefolder(collection: Collection, pictures: Iterable[Picture], *, folder: Path) -> None:
    """Write `train/` or, of pictures that are held out, `test/`."""
    root = folder / ("test" if collection.side == "held-out" else "train")
    root.mkdir()
    made: set[str] = set()
    with (root / "metadata.jsonl").open("w", encoding="utf-8") as metadata:
        for picture, content in ahead(collection.file, pictures):
            home = UNLABELLED if picture.label is None else folder_name(picture.label)
            if home not in made:
                (root / home).mkdir()
                made.add(home)
            name = f"{home}/{picture.name}.{picture.suffix}"
            (root / name).write_bytes(content)
            row = {"file_name": name, "label": picture.label, "sha256": picture.sha256}
            metadata.write(json.dumps(row, ensure_ascii=False) + "\n")


def folder_name(label: str) -> str:
    """The label as the name of a folder, a different one for each label.

    What is not safe in a name is percent-encoded; a long one ends in a part of its hash.
    """
    name = SPLITS.sub(_encoded, UNSAFE.sub(_encoded, label)) or "%"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    hashed = hashlib.sha256(label.encode()).hexdigest()[:16]
    return f"{name.encode()[: MAX_NAME_BYTES - 20].decode(errors='ignore')}%{hashed}"


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())
