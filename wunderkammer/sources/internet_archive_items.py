"""From the metadata of an item of the Internet Archive to the records of its files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BeforeValidator

from wunderkammer.sources.internet_archive_files import File, Format, best_files, is_true
from wunderkammer.sources.licences import Licence, read_licence
from wunderkammer.sources.listing import Record
from wunderkammer.sources.replies import (
    Reply,
    as_text,
    as_texts,
    as_url,
    licence_refusal,
    mapping_of,
)

if TYPE_CHECKING:
    from wunderkammer.sources.internet_archive import InternetArchiveParams

FORMS: Mapping[Format, Literal["image", "zip", "pdf"]] = {
    "images": "image",
    "zip": "zip",
    "pdf": "pdf",
}
# Items of these collections are lent to one reader at a time.
LENT = frozenset({"inlibrary", "lendinglibrary", "printdisabled"})
PUBLIC_DOMAIN = frozenset({"not_in_copyright", "not in copyright"})
MAX_TAGS_CHARS = 10_000
FIRST_SENTENCE = re.compile(r"[.;](?=\s)")
ISO_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?(?=$|[T ])")


def _files(value: object) -> list[object]:
    """Those entries of a list that have a name."""
    entries = value if isinstance(value, list | tuple) else ()
    return [one for one in entries if isinstance(mapping_of(one).get("name"), str)]


class Item(Reply):
    """What the site tells of an item: nothing at all if it is gone."""

    files: Annotated[tuple[File, ...], BeforeValidator(_files)] = ()
    metadata: Annotated[Mapping[str, Any], BeforeValidator(mapping_of)] = {}
    is_dark: Annotated[bool, BeforeValidator(is_true)] = False


def records_of(identifier: str, item: Item, params: "InternetArchiveParams") -> list[Record]:
    """A record for each file of the item that is wanted, else one that says why there is none.

    The first one has the identifier for its id, so that an item that was listed is known by it;
    the others have their names behind it.
    """
    base_url = params.base_url.rstrip("/")
    licence = licence_of(item.metadata)
    page = f"{base_url}/details/{quote(identifier)}"
    whole = Record(
        id=identifier,
        url=page,
        landing_page=page,
        author=_joined(item.metadata.get("creator")),
        licence=licence.name,
        licence_url=licence.url,
        title=as_text(_first(item.metadata.get("title"))),
        tags=_tags(item.metadata.get("subject")),
        group=identifier,
        taken_at=_date(item.metadata.get("date")),
    )
    refused = _refusal(item) or licence_refusal(licence, params.licences)
    if refused is not None:
        return [replace(whole, refused=refused)]
    best = best_files(
        item.files, formats=params.formats, include=params.include, exclude=params.exclude
    )
    if best is None:
        wanted = ", ".join(params.formats)
        return [replace(whole, refused=("no_file", f"it holds no {wanted} that is wanted"))]
    format_, files = best
    return [
        replace(
            whole,
            id=identifier if number == 0 else f"{identifier}/{file.name}",
            url=f"{base_url}/download/{quote(identifier)}/{quote(file.name)}?cnt=0",
            form=FORMS[format_],
            num_bytes=file.size,
            md5=file.md5,
            sha1=file.sha1,
            refused=_file_refusal(file, number, len(files), format_, params),
        )
        for number, file in enumerate(files)
    ]


def licence_of(metadata: Mapping[str, Any]) -> Licence:
    """The licence that an item names, or the statement of its rights.

    Libraries write the status of a copyright in words of their own, with the public domain in the
    first sentence if it is that.
    """
    url = as_url(_first(metadata.get("licenseurl")))
    status = as_text(_first(metadata.get("possible-copyright-status")))
    rights = as_text(_first(metadata.get("rights")))
    if (status or "").lower() in PUBLIC_DOMAIN:
        status = "Public domain"
    spellings = [spelling for text in (status, rights) for spelling in _spellings(text)]
    return read_licence(*spellings, url=url)


def _spellings(text: str | None) -> Sequence[str]:
    return () if text is None else (text, FIRST_SENTENCE.split(text)[0])


def _refusal(item: Item) -> tuple[str, str] | None:
    """Why nothing of the item is taken, whatever it holds."""
    metadata = item.metadata
    if item.is_dark or not metadata:
        return "no_item", "the site lists it, and tells nothing of it"
    lent = LENT.intersection(as_texts(_listed(metadata.get("collection"))))
    if is_true(_first(metadata.get("access-restricted-item"))) or lent:
        return "restricted", "it is lent to one reader at a time"
    if is_true(_first(metadata.get("noindex"))):
        return "noindex", "its owner keeps it out of search engines"
    return None


def _file_refusal(
    file: File, number: int, num_files: int, format_: Format, params: "InternetArchiveParams"
) -> tuple[str, str] | None:
    if file.private:
        return "restricted", "the file is not public"
    return params.left_out(number, num_files) if format_ == "images" else None


def _listed(value: object) -> list[object]:
    """A field that may have one value or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(value: object) -> object:
    return next(iter(_listed(value)), None)


def _joined(value: object) -> str | None:
    return as_text("; ".join(as_texts(_listed(value))))


def _tags(value: object) -> tuple[str, ...]:
    texts = [text[:MAX_TAGS_CHARS] for text in _listed(value) if isinstance(text, str)]
    return as_texts([tag for text in texts for tag in text.split(";")])


def _date(value: object) -> str | None:
    match = ISO_DATE.match(as_text(_first(value)) or "")
    return None if match is None else match[0]
