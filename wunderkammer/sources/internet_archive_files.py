"""Which files of an item of the Internet Archive hold its pictures, best first."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BeforeValidator

from wunderkammer.sources.replies import Reply, Text

Format = Literal["images", "zip", "pdf"]

IMAGES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Pictures that the site makes of an item, although it calls some of them originals.
NO_ORIGINAL = frozenset({"item image", "item tile", "jpeg thumb", "thumbnail"})
NO_ORIGINAL_NAMES = ("__ia_thumb.*", "*_thumb.*", "*_itemimage.*")
# What comes before these suffixes names the document; of its variants one is taken.
VARIANTS = {
    "zip": re.compile(
        r"(?P<stem>.+?)(?:(?P<lesser>_raw|_orig)?_(?:images|jp2|jpe?g|png|tiff?)\.zip|\.cbz)"
    ),
    "pdf": re.compile(r"(?P<stem>.+?)(?P<lesser>_text|_bw|_encrypted)?\.pdf"),
}


def _number(value: object) -> int | None:
    """A size, which comes as text."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _digest(num_digits: int) -> BeforeValidator:
    pattern = re.compile(f"[0-9a-f]{{{num_digits}}}")

    def read(value: object) -> str | None:
        text = str(value).lower()
        return text if pattern.fullmatch(text) else None

    return BeforeValidator(read)


def is_true(value: object) -> bool:
    """A flag, which may be a text."""
    return str(value).strip().lower() in ("true", "1", "yes")


class File(Reply):
    """A file as an item's metadata list it."""

    name: str
    source: Text = None
    format: Text = None
    size: Annotated[int | None, BeforeValidator(_number)] = None
    md5: Annotated[str | None, _digest(32)] = None
    sha1: Annotated[str | None, _digest(40)] = None
    private: Annotated[bool, BeforeValidator(is_true)] = False

    @property
    def is_original(self) -> bool:
        """Whether it was uploaded, not made by the site."""
        return (self.source or "").lower() == "original"


def best_files(
    files: Sequence[File],
    *,
    formats: Sequence[Format],
    include: Sequence[str],
    exclude: Sequence[str],
) -> tuple[Format, list[File]] | None:
    """The first of `formats` that the item has, and its files by name; None if it has none.

    `images` are uploaded pictures, none that the site has made; `zip` archives of page images;
    `pdf` documents. Of a document that is there in several variants the uploaded one is taken,
    else the site's plain one, not the one in black and white, with text only, or unprocessed.
    """
    wanted = [file for file in files if _is_wanted(file.name, include, exclude)]
    for format_ in formats:
        found = _images(wanted) if format_ == "images" else _documents(wanted, VARIANTS[format_])
        if found:
            return format_, sorted(found, key=lambda file: file.name)
    return None


def _is_wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    plain = name.lower()
    is_in = any(fnmatchcase(plain, pattern.lower()) for pattern in include)
    return is_in and not any(fnmatchcase(plain, pattern.lower()) for pattern in exclude)


def _images(files: Sequence[File]) -> list[File]:
    return [
        file
        for file in files
        if file.is_original
        and PurePosixPath(file.name).suffix.lower() in IMAGES
        and (file.format or "").lower() not in NO_ORIGINAL
        and not any(fnmatchcase(file.name.lower(), pattern) for pattern in NO_ORIGINAL_NAMES)
    ]


def _documents(files: Sequence[File], variants: re.Pattern[str]) -> list[File]:
    best: dict[str, tuple[tuple[bool, bool, str], File]] = {}
    for file in files:
        match = variants.fullmatch(file.name.lower())
        if match is None:
            continue
        rank = (not file.is_original, match["lesser"] is not None, file.name)
        stem = match["stem"]
        if stem not in best or rank < best[stem][0]:
            best[stem] = rank, file
    return [file for _, file in best.values()]
