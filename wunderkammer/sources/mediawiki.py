"""The replies of a MediaWiki about files, and what they say about each."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.licences import Licences, read_licence
from wunderkammer.sources.listing import Record
from wunderkammer.sources.replies import (
    Count,
    Reply,
    Text,
    Time,
    Url,
    as_mappings,
    as_text,
    as_texts,
    as_time,
    licence_refusal,
    mapping_of,
    named_by,
    text_of_html,
)

Now = Annotated[datetime, BeforeValidator(as_time)]
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/tiff"})
MAY_PASS = frozenset({"maxlag", "ratelimited", "readonly", "cirrussearch-too-busy-error"})
MAX_LAG_S = 60.0
TAKEN_AT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?\b")
EXTENSION = re.compile(r"\.[A-Za-z0-9]{3,4}$")


class ImageInfo(Reply):
    """A version of a file."""

    url: Url = None
    descriptionurl: Url = None
    thumburl: Url = None
    mime: Text = None
    size: Count = None
    sha1: Text = None
    timestamp: Time = None
    user: Text = None
    extmetadata: Annotated[dict[str, Any], BeforeValidator(mapping_of)] = Field(default={})

    def text(self, name: str) -> str | None:
        """A field of the file's description, without its HTML."""
        return text_of_html(self._value(name))

    @property
    def categories(self) -> tuple[str, ...]:
        """The names of the categories that the file is in."""
        names = self._value("Categories")
        return as_texts(names.split("|") if isinstance(names, str) else ())

    def _value(self, name: str) -> object:
        return mapping_of(self.extmetadata.get(name)).get("value")


class CategoryInfo(Reply):
    """How many members a category has."""

    size: Count = None


Info = Annotated[CategoryInfo, BeforeValidator(mapping_of)]


class Member(Reply):
    """A file, or a category, with what `prop=imageinfo|categoryinfo` tells of it."""

    pageid: int
    ns: int
    title: str
    imageinfo: Annotated[tuple[ImageInfo, ...], BeforeValidator(as_mappings)] = ()
    categoryinfo: Info = CategoryInfo()


class Members(Reply):
    """What a generator gave."""

    pages: Annotated[tuple[Member, ...], BeforeValidator(named_by("pageid"))] = ()


class Category(Reply):
    """A category with what `prop=info|categoryinfo` tells of it.

    A MediaWiki touches the page of a category, if there is one, when a member joins or leaves it.
    """

    title: Text = None
    touched: Time = None
    categoryinfo: Info = CategoryInfo()

    def is_as_before(self, size: int | None, since: datetime) -> bool:
        """Whether it has the `size` of before, and was not touched `since`."""
        is_untouched = self.touched is not None and self.touched < since
        return is_untouched and size is not None and self.categoryinfo.size == size


class Categories(Reply):
    """Categories that were asked for by name."""

    pages: Annotated[tuple[Category, ...], BeforeValidator(as_mappings)] = ()


class Told(Reply):
    """The answer to a question about categories."""

    curtimestamp: Now
    query: Categories = Categories()


# All of it goes into the next request.
Cursor = dict[str, str | int]


class Answer(Reply):
    """One reply; with `batchcomplete`, all is told of the members so far."""

    batchcomplete: bool = False
    curtimestamp: Now
    query: Members = Members()
    cursor: Cursor | None = Field(default=None, alias="continue")


def record_of(member: Member, *, licences: Licences, is_scaled: bool) -> Record:
    """A file as a record; with `is_scaled` the scaled-down picture of it, if there is one."""
    info = member.imageinfo[0] if member.imageinfo else ImageInfo()
    licence = read_licence(
        info.text("LicenseShortName"), info.text("License"), url=info.text("LicenseUrl")
    )
    name = member.title.partition(":")[2]
    record = Record(
        id=str(member.pageid),
        url=info.url or info.descriptionurl or "",
        landing_page=info.descriptionurl,
        author=info.text("Attribution") or info.text("Artist") or info.text("Credit") or info.user,
        licence=licence.name,
        licence_url=licence.url,
        title=info.text("ObjectName") or as_text(EXTENSION.sub("", name)),
        tags=info.categories,
        taken_at=_iso(info.text("DateTimeOriginal")),
    )
    if info.url is None:
        return replace(record, refused=("no_file", "deleted or hidden"))
    if info.mime not in PICTURES:
        return replace(record, refused=("not_a_picture", info.mime or "no type"))
    refused = licence_refusal(licence, licences)
    if refused is not None:
        return replace(record, refused=refused)
    if is_scaled and info.thumburl not in (None, info.url):
        return replace(record, url=info.thumburl)
    return replace(record, num_bytes=info.size, sha1=info.sha1)


def raise_error(reply: Any) -> None:
    """Raise what a reply with the status 200 calls an error."""
    error = mapping_of(mapping_of(reply).get("error"))
    if not error:
        return
    code = as_text(error.get("code")) or "unknown"
    raise FetchError(
        f"api_{code}",
        as_text(error.get("info")) or "",
        may_pass=code in MAY_PASS or code.startswith("internal_api_error"),
        retry_after_s=_lag_s(error.get("lag")),
    )


def _lag_s(lag: object) -> float | None:
    return float(min(lag, MAX_LAG_S)) if isinstance(lag, int | float) and lag >= 0 else None


def _iso(text: str | None) -> str | None:
    """A date, with its time if there is one, at the beginning of a free text."""
    match = TAKEN_AT.match(text or "")
    return None if match is None else "T".join(part for part in match.groups() if part)
