"""The Internet Archive: the pictures, page images and PDFs of a collection or a query.

The scrape API lists items by the date of their publication, the oldest first; what there is of an
item is then asked for, once.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BeforeValidator, Field, model_validator

from wunderkammer.conduct.api import Api, Query
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.sources.container_params import SKIPPED, PageParams, without_containers
from wunderkammer.sources.internet_archive_files import Format
from wunderkammer.sources.internet_archive_items import Item, records_of
from wunderkammer.sources.licences import OPEN, Licences
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record
from wunderkammer.sources.replies import OF_THE_ASKER, Reply, as_watermark, ask, mapping_of

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

log = logging.getLogger(__name__)

COUNT = 1000
# Items whose files are asked for before their records are passed on; a kill loses as many.
CHUNK = 24
AT_ONCE = 3
MAX_LOST_IN_A_ROW = 5
DATE = "%Y-%m-%dT%H:%M:%SZ"
DATE_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
IDENTIFIER = re.compile(r"^[^/?#\s]{1,200}$")
Patterns = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]
Word = Annotated[str, Field(pattern=r'^[^"\\]{1,60}$')]


class InternetArchiveParams(PageParams, RemoteParams):
    """The items of a `collection`, or those that a `query` of the site's advanced search finds.

    Of each item the first of `formats` that it has is taken: `images` (uploaded pictures), `zip`
    (archives of page images), `pdf`. Uploaded pictures are skipped and capped as pages are, and
    otherwise taken as they come. `include` and `exclude` are patterns of file names
    (`*_bw.pdf`), whatever the case. `years` are the first and the last year of publication,
    `languages` any of the spellings that the items use (`eng`, `English`). `max_items` takes the
    items that came to the site first, those refused counted with the others; of an item at most
    `max_pages` images or pages are taken.

    An item's own licence or rights statement must be among `licences`; most items have none, and
    need `unknown` there. Items that are lent, or kept out of search engines, are refused.

    A later scrape asks for what was published since the newest item, and `overlap_days` before.
    """

    kind: Literal["internet_archive"]
    collection: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,100}$")] | None = None
    query: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = ("images", "zip", "pdf")
    include: Patterns = ("*",)
    exclude: Patterns = ()
    licences: Licences = OPEN
    years: tuple[Annotated[int, Field(ge=1, le=9999)], Annotated[int, Field(le=9999)]] | None = None
    languages: tuple[Word, ...] = ()
    max_items: Annotated[int, Field(ge=1)] | None = None
    base_url: str = "https://archive.org"
    overlap_days: Annotated[float, Field(ge=0)] = Field(default=3.0, exclude=True)
    requests_per_minute: Annotated[float, Field(gt=0)] = Field(default=120.0, exclude=True)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.collection is None and self.query is None:
            raise ValueError("set collection or query: all of the Internet Archive is too much")
        if self.years is not None and self.years[0] > self.years[1]:
            raise ValueError(f"years={list(self.years)}: the first is after the last")
        return self

    def identity(self) -> dict[str, Any]:
        """What tells one query from another: how pages are drawn does not."""
        # Which of its uploaded pictures are taken is decided when an item is listed.
        listed = ("max_pages", *(SKIPPED if "images" in self.formats else ()))
        return without_containers(super().identity(), but=listed)


def _date(value: object) -> str:
    """The first of some dates, for there may be several; "" if that is none."""
    first = value[0] if isinstance(value, list) and value else value
    is_date = isinstance(first, str) and DATE_PATTERN.fullmatch(first)
    return str(first) if is_date and as_watermark(first) else ""


def _items(value: object) -> object:
    """The items whose name can be part of an address, unless all are odd."""
    if not isinstance(value, list):
        return value
    named = [
        item
        for item in value
        if isinstance(item, dict) and IDENTIFIER.fullmatch(str(item.get("identifier")))
    ]
    if len(named) < len(value):
        log.warning("%d items of %d have no usable name", len(value) - len(named), len(value))
    return named or value


class _Doc(Reply):
    identifier: Annotated[str, Field(pattern=IDENTIFIER.pattern)]
    publicdate: Annotated[str, BeforeValidator(_date)] = ""


class _Found(Reply):
    items: Annotated[tuple[_Doc, ...], BeforeValidator(_items)]
    count: int
    total: int
    cursor: Annotated[str, Field(min_length=1)] | None = None


class _Position(Reply):
    """The newest publication that is listed, and how many items are."""

    newest: Annotated[str | None, BeforeValidator(lambda value: _date(value) or None)] = None
    num_items: int = 0


@dataclass(frozen=True)
class _Part:
    """Items as far as they could be asked for, and what then ended the listing."""

    records: tuple[Record, ...]
    at: _Position
    problem: str | None = None
    end: FetchError | None = None


class InternetArchive(Listing):
    """The files of the items that the section asks for."""

    def __init__(self, params: InternetArchiveParams, network: "Network") -> None:
        self._params = params
        per_s = params.requests_per_minute / 60
        self._api = Api(network, params.base_url, per_s=per_s, at_once=AT_ONCE)

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of the files of up to 24 items.

        Raises:
            FetchError: the items can't be listed, or five in a row can't be asked for.
        """
        at = began = _Position.model_validate(start)
        walk = _Walk()
        while not (self._is_full(at) or walk.is_over):
            query = self._query(began, walk.cursor)
            found = await ask(self._api, "services/search/v1/scrape", query, _Found, check=_check)
            walk.take(found)
            for first in range(0, len(found.items), CHUNK):
                part = await self._part(found.items[first : first + CHUNK], at, began, known)
                at = part.at
                if part.records or part.problem is not None:
                    yield _page(part, total=found.total)
                if part.end is not None:
                    raise part.end
        problem = None if self._is_full(at) else walk.problem()
        yield _page(_Part((), at, problem), is_last=True)

    def _is_full(self, at: _Position) -> bool:
        return self._params.max_items is not None and at.num_items >= self._params.max_items

    def _query(self, began: _Position, cursor: str | None) -> Query:
        params = self._params
        terms = [] if params.collection is None else [f"collection:({params.collection})"]
        if params.query is not None:
            terms.append(f"({params.query})")
        if params.years is not None:
            first, last = params.years
            terms.append(f"date:[{first:04d}-01-01 TO {last:04d}-12-31]")
        if params.languages:
            words = " OR ".join(f'"{word}"' for word in params.languages)
            terms.append(f"language:({words})")
        if began.newest is not None:
            newest = datetime.fromisoformat(began.newest)
            since = newest - timedelta(days=params.overlap_days)
            terms.append(f"publicdate:[{since.strftime(DATE)} TO null]")
        query: dict[str, str | int] = {
            "q": " AND ".join([*terms, "-mediatype:collection"]),
            "fields": "identifier,publicdate",
            "sorts": "publicdate asc",
            "count": COUNT,
        }
        return query if cursor is None else {**query, "cursor": cursor}

    async def _part(
        self,
        docs: Sequence[_Doc],
        at: _Position,
        began: _Position,
        known: Callable[[str], bool],
    ) -> _Part:
        """The records of some items; those that are known are not asked for again."""
        docs, positions = self._within_cap(docs, at, began, known)
        new = [doc.identifier for doc in docs if not known(doc.identifier)]
        answers = dict(zip(new, await asyncio.gather(*map(self._ask, new)), strict=True))
        records: list[Record] = []
        lost: list[str] = []
        num_in_a_row = 0
        for doc, position in zip(docs, positions, strict=True):
            item = answers.get(doc.identifier)
            if isinstance(item, FetchError):
                num_in_a_row += 1
                if _ends(item) or num_in_a_row == MAX_LOST_IN_A_ROW:
                    return _Part(tuple(records), at, _lost(lost), item)
                lost.append(f"{doc.identifier} ({item.reason})")
            elif item is not None:
                num_in_a_row = 0
                records += records_of(doc.identifier, item, self._params)
            at = position
        return _Part(tuple(records), at, _lost(lost))

    def _within_cap(
        self,
        docs: Sequence[_Doc],
        at: _Position,
        began: _Position,
        known: Callable[[str], bool],
    ) -> tuple[list[_Doc], list[_Position]]:
        """The items up to the one that fills `max_items`, and the position after each."""
        taken, positions = [], []
        for doc in docs:
            if self._is_full(at):
                break
            # One that the listing overlaps with is counted already.
            is_new = not known(doc.identifier) or doc.publicdate > (began.newest or "")
            newest = max(doc.publicdate, at.newest or "")
            at = _Position(newest=newest or None, num_items=at.num_items + is_new)
            taken.append(doc)
            positions.append(at)
        return taken, positions

    async def _ask(self, identifier: str) -> Item | FetchError:
        try:
            return await ask(self._api, f"metadata/{quote(identifier)}", {}, Item, check=_check)
        except FetchError as error:
            return error


class _Walk:
    """The way through one listing, page by page."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.is_over = False
        self._cursors: set[str] = set()
        self._num_listed = self._total = 0
        self._newest = ""
        self._problem: str | None = None

    def take(self, found: "_Found") -> None:
        """Look at a page, and where the next one is."""
        self._num_listed += found.count
        self._total = found.total
        for doc in found.items:
            if "" < doc.publicdate < self._newest:
                self._problem = "the items do not come in the order of their publication"
            self._newest = max(self._newest, doc.publicdate)
        self.cursor = found.cursor
        if found.cursor is not None and found.cursor in self._cursors:
            self._problem = "the cursor repeats"
        elif found.cursor is not None and not found.items:
            self._problem = "a page before the last is empty"
        else:
            self._cursors.add(found.cursor or "")
        self.is_over = found.cursor is None or self._problem is not None

    def problem(self) -> str | None:
        """What of the listing is missing."""
        if self._problem is None and self._num_listed != self._total:
            return f"{self._num_listed} of {self._total} items were listed"
        return self._problem


def _page(part: _Part, *, total: int | None = None, is_last: bool = False) -> Page:
    return Page(
        records=part.records,
        position=part.at.model_dump(mode="json", exclude_defaults=True),
        is_last=is_last,
        problem=part.problem,
        total=total,
    )


def _ends(error: FetchError) -> bool:
    """Whether an error concerns whoever asks, so that the next item will not do better."""
    is_asker = error.status in OF_THE_ASKER or error.reason == "throttled"
    return is_asker or isinstance(error, BudgetSpentError)


def _lost(items: Sequence[str]) -> str | None:
    return f"could not be asked for: {', '.join(items)}" if items else None


def _check(reply: Any) -> None:
    """An error inside a 200."""
    error = mapping_of(reply).get("error")
    if error:
        raise FetchError("api_error", str(error)[:200], may_pass=True)
