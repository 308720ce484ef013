"""Wikimedia Commons, or another MediaWiki: the files of categories and of a search.

A category is listed by the time at which its members joined it (`gcmsort=timestamp`), files and
subcategories in one listing: `cmtype` has no effect with that order, namespaces have. A later
scrape asks, fifty at a time, how the known categories are, and lists from the watermark on those
that are not as they were.
"""

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, ValidationError, model_validator

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.licences import OPEN, Licences
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.mediawiki import (
    Answer,
    Cursor,
    Member,
    Told,
    raise_error,
    record_of,
)
from wunderkammer.sources.replies import Reply, as_watermark, ask

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

log = logging.getLogger(__name__)

FILES = 6
CATEGORIES = 14
# As many as `prop=imageinfo` answers at once.
BATCH = 50
# Of the names in one address, as they are sent.
MAX_NAMES_CHARS = 6000
STALE = frozenset({"badcontinue", "invalidcontinue"})
IMAGEINFO = "url|size|sha1|mime|timestamp|user|extmetadata"
ASKING: Mapping[str, str | int] = {
    "action": "query",
    "format": "json",
    "formatversion": 2,
    "maxlag": 5,
    "curtimestamp": 1,
}
EXTMETADATA = (
    "LicenseShortName|License|LicenseUrl|Artist|Credit|Attribution|ObjectName|Categories"
    "|DateTimeOriginal"
)


class CommonsParams(RemoteParams):
    """Files of Wikimedia Commons whose licence is among `licences`.

    `categories` are names with or without `Category:`; their subcategories are walked down to
    `depth`, at most `max_categories` in all. `search` takes the site's own syntax
    (`quilt filetype:bitmap`, `deepcat:"Quilts"`); it ends after 10,000 files. `width_px` asks for
    a picture scaled down to that width, one of the few that Wikimedia makes, in place of the
    original, which can be huge; a narrower original comes as it is. A later scrape asks for what
    joined a category since the last one, and `overlap_hours` before.
    """

    kind: Literal["commons"]
    categories: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = ()
    depth: Annotated[int, Field(ge=0, le=20)] = 0
    max_categories: Annotated[int, Field(ge=1, le=5000)] = 200
    search: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    licences: Licences = OPEN
    width_px: Literal[250, 330, 500, 960, 1280, 1920, 3840] | None = None
    base_url: str = "https://commons.wikimedia.org/w"
    overlap_hours: Annotated[float, Field(ge=0)] = Field(default=24.0, exclude=True)
    requests_per_s: Annotated[float, Field(gt=0)] = Field(default=1.0, exclude=True)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.categories and self.search is None:
            raise ValueError("neither categories nor search is set; name a category or a search")
        if not all(map(_category, self.categories)):
            raise ValueError("categories holds an empty name; leave it out")
        if len(self.categories) > self.max_categories:
            raise ValueError(
                f"{len(self.categories)} categories, but max_categories={self.max_categories}; "
                "raise it"
            )
        return self


def _category(name: str) -> str:
    """A category's name as the site writes it, without the namespace."""
    plain = " ".join(re.sub(r"(?i)^\s*category\s*:", "", name).replace("_", " ").split())
    return plain[:1].upper() + plain[1:]


class _Place(Reply):
    """A category that is still to be listed: a new one from its beginning."""

    name: str
    depth: int
    is_new: bool


class _Walk(Reply):
    """How far a listing is; as plain JSON its position.

    `found` holds the depth of every category ever met, `sizes` how many members it had when it was
    last looked at, before they were listed. `since` is the watermark of this listing
    and `began` what the next one's is made of. `cursor` belongs to the first place of `todo`, or
    to the search if there is none left.
    """

    found: dict[str, int] = Field(default={})
    sizes: dict[str, int] = Field(default={})
    since: datetime | None = None
    began: datetime | None = None
    todo: tuple[_Place, ...] = ()
    searches: bool = False
    cursor: Cursor | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to list."""
        return not self.todo and not self.searches

    @property
    def where(self) -> str:
        """What is being listed, for a person."""
        return f"Category:{self.todo[0].name}" if self.todo else "the search"

    @property
    def place_since(self) -> datetime | None:
        """From when on the present place is listed."""
        return None if self.todo and self.todo[0].is_new else self.since

    def position(self) -> Position:
        """As plain JSON."""
        return dict(self.model_dump(mode="json", exclude_defaults=True))


@dataclass(frozen=True)
class _Batch:
    """Members of one place, and where the next ones are; None if these were the last."""

    members: tuple[Member, ...] = ()
    asked_at: datetime | None = None
    cursor: Cursor | None = None
    problem: str | None = None


class Commons(Listing):
    """The files of the categories and of the search, each once."""

    # Of Wikimedia's robot policy, which also allows 25 Mbit a second in all.
    files_at_once = 2

    def __init__(self, params: CommonsParams, network: "Network") -> None:
        self.params = params
        self._api = Api(network, params.base_url, per_s=params.requests_per_s)

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Batches of files, category by category in the order in which they are met.

        Raises:
            StalePositionError: the position is none of this source, or its cursor has expired.
            FetchError: the site can't be asked.
        """
        walk = self._ended(await self._begun(start))
        if walk.is_over:
            yield Page(records=(), position=walk.position(), is_last=True)
        listed: set[int] = set()
        passed: list[Cursor | None] = []
        while not walk.is_over:
            passed.append(walk.cursor)
            batch = await self._batch(walk, passed)
            files = {one.pageid: one for one in batch.members if one.ns == FILES}
            records = [self._record(files[id_]) for id_ in files.keys() - listed]
            listed |= files.keys()
            walk = self._after(walk, batch)
            if batch.cursor is None:
                passed.clear()
            if records or batch.problem or walk.is_over:
                yield Page(
                    records=tuple(sorted(records, key=lambda one: int(one.id))),
                    position=walk.position(),
                    is_last=walk.is_over,
                    problem=batch.problem,
                )

    def _record(self, member: Member) -> Record:
        is_scaled = self.params.width_px is not None
        return record_of(member, licences=self.params.licences, is_scaled=is_scaled)

    async def _begun(self, start: Position) -> _Walk:
        """The walk from a position on; a later one without the categories that are as they were."""
        walk = self._begin(start)
        if walk.since is None or walk.began is not None:
            return walk
        sizes, began = dict(walk.sizes), walk.began
        unchanged: set[str] = set()
        for names in _batches([place.name for place in walk.todo if not place.is_new]):
            try:
                told = await self._told(names)
            except FetchError as error:
                if not _is_of_one_place(error):
                    raise
                return walk
            began = began or _asked_at(told.curtimestamp)
            for one in told.query.pages:
                name = _category((one.title or "").partition(":")[2])
                if one.is_as_before(sizes.get(name), walk.since):
                    unchanged.add(name)
                _note(sizes, name, one.categoryinfo.size)
        todo = tuple(place for place in walk.todo if place.name not in unchanged)
        return walk.model_copy(update={"todo": todo, "sizes": sizes, "began": began})

    def _begin(self, start: Position) -> _Walk:
        try:
            walk = _Walk.model_validate(start)
        except ValidationError as error:
            raise StalePositionError("this is no position in a listing of Commons") from error
        if not walk.is_over:
            return walk
        named = dict.fromkeys(map(_category, self.params.categories), 0)
        found = {**named, **walk.found}
        todo = (
            _Place(name=name, depth=depth, is_new=name not in walk.found)
            for name, depth in found.items()
        )
        is_searched = self.params.search is not None
        return walk.model_copy(
            update={"found": found, "todo": tuple(todo), "searches": is_searched}
        )

    def _after(self, walk: _Walk, batch: _Batch) -> _Walk:
        """The walk beyond a batch of its present place."""
        found, sizes, todo = dict(walk.found), dict(walk.sizes), walk.todo
        if todo and todo[0].depth < self.params.depth:
            depth = todo[0].depth + 1
            for one in batch.members:
                name = _category(one.title.partition(":")[2])
                if one.ns == CATEGORIES and name not in found and self._has_room(found):
                    found[name] = depth
                    _note(sizes, name, one.categoryinfo.size)
                    todo += (_Place(name=name, depth=depth, is_new=True),)
        began = walk.began or batch.asked_at
        changes: dict[str, Any] = {"found": found, "sizes": sizes, "cursor": batch.cursor}
        if batch.cursor is None:
            changes["searches"] = walk.searches and bool(todo)
            todo = todo[1:]
        return self._ended(walk.model_copy(update={**changes, "began": began, "todo": todo}))

    def _ended(self, walk: _Walk) -> _Walk:
        """A walk that is over as the next one's beginning."""
        if not walk.is_over or walk.began is None:
            return walk
        overlap = timedelta(hours=self.params.overlap_hours)
        return _Walk(found=walk.found, sizes=walk.sizes, since=walk.began - overlap)

    def _has_room(self, found: Mapping[str, int]) -> bool:
        if len(found) < self.params.max_categories:
            return True
        log.warning(
            "more than max_categories=%d categories: the others are left out; raise it, or lower "
            "depth=%d",
            self.params.max_categories,
            self.params.depth,
        )
        return False

    async def _batch(self, walk: _Walk, passed: list[Cursor | None]) -> _Batch:
        """The next members of the present place; an error of that place alone is its problem."""
        try:
            batch = await self._complete_batch(walk, passed)
        except FetchError as error:
            if error.reason.removeprefix("api_") in STALE and walk.cursor is not None:
                raise StalePositionError(f"{walk.where}: {error.detail}") from error
            if not _is_of_one_place(error):
                raise
            return _Batch(problem=f"{walk.where}: {error.detail} ({error.reason})")
        if not batch.members and batch.cursor is None and walk.cursor is None:
            is_named = not walk.todo or walk.todo[0].depth == 0
            if walk.place_since is None and is_named:
                log.warning("%s holds nothing; check how it is written", walk.where)
        elif not walk.todo and walk.since is not None and _are_older(batch.members, walk.since):
            return replace(batch, cursor=None)
        return batch

    async def _complete_batch(self, walk: _Walk, passed: list[Cursor | None]) -> _Batch:
        """Replies put together until all is told of their members.

        `passed` are the cursors of the place so far; one that comes again ends the place.
        """
        members: dict[int, Member] = {}
        cursor = walk.cursor
        while True:
            answer = await self._ask(walk, cursor)
            for one in answer.query.pages:
                if one.imageinfo or one.pageid not in members:
                    members[one.pageid] = one
            cursor = answer.cursor
            if cursor is not None and cursor in passed:
                told = tuple(one for one in members.values() if one.imageinfo)
                problem = f"{walk.where}: the cursor repeats"
                return _Batch(told, _asked_at(answer.curtimestamp), None, problem)
            if answer.batchcomplete or cursor is None:
                asked_at = _asked_at(answer.curtimestamp)
                return _Batch(tuple(members.values()), asked_at, cursor)
            passed.append(cursor)

    async def _ask(self, walk: _Walk, cursor: Cursor | None) -> Answer:
        query: dict[str, str | int] = {
            **ASKING,
            **(self._category_query(walk) if walk.todo else self._search_query()),
            "prop": "imageinfo|categoryinfo" if walk.todo and self.params.depth else "imageinfo",
            "iiprop": IMAGEINFO,
            "iiextmetadatafilter": EXTMETADATA,
        }
        if self.params.width_px is not None:
            query["iiurlwidth"] = self.params.width_px
        return await ask(
            self._api, "api.php", {**query, **(cursor or {})}, Answer, check=raise_error
        )

    async def _told(self, names: Sequence[str]) -> Told:
        titles = "|".join(f"Category:{name}" for name in names)
        query = {**ASKING, "prop": "info|categoryinfo", "titles": titles}
        return await ask(self._api, "api.php", query, Told, check=raise_error)

    def _category_query(self, walk: _Walk) -> dict[str, str | int]:
        query: dict[str, str | int] = {
            "generator": "categorymembers",
            "gcmtitle": f"Category:{walk.todo[0].name}",
            "gcmnamespace": f"{FILES}|{CATEGORIES}" if self.params.depth else FILES,
            "gcmsort": "timestamp",
            "gcmdir": "newer",
            "gcmlimit": BATCH,
        }
        if walk.place_since is not None:
            query["gcmstart"] = walk.place_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return query

    def _search_query(self) -> dict[str, str | int]:
        return {
            "generator": "search",
            "gsrsearch": self.params.search or "",
            "gsrnamespace": FILES,
            "gsrsort": "create_timestamp_desc",
            "gsrlimit": BATCH,
        }


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    """As many names at a time as the site answers for, and as an address can hold."""
    batch: list[str] = []
    num_chars = 0
    for name in names:
        own = len(quote(f"Category:{name}|"))
        if batch and (len(batch) == BATCH or num_chars + own > MAX_NAMES_CHARS):
            yield batch
            batch, num_chars = [], 0
        batch.append(name)
        num_chars += own
    if batch:
        yield batch


def _note(sizes: dict[str, int], name: str, size: int | None) -> None:
    """The size that a category has now; an unknown one makes it be asked for again."""
    sizes.pop(name, None)
    if size is not None:
        sizes[name] = size


def _asked_at(site_time: datetime) -> datetime:
    """When an answer was given: by the site's clock, or by this machine's if that is odd."""
    return as_watermark(site_time.isoformat()) or datetime.now(UTC)


def _is_of_one_place(error: FetchError) -> bool:
    """Whether the site can be asked for something else all the same."""
    return error.reason.startswith("api_") and not error.may_pass


def _are_older(members: tuple[Member, ...], since: datetime) -> bool:
    """Whether each was uploaded before: then so was, with the newest first, all that follows."""
    times = [info.timestamp for one in members for info in one.imageinfo[:1]]
    return len(times) == len(members) > 0 and all(at is not None and at < since for at in times)
