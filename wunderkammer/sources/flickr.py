"""Flickr: the pool of a group, or a search; each photo under its own licence."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.keys import key_from_environment
from wunderkammer.sources.flickr_photos import (
    EXTRAS,
    LICENCES,
    Size,
    group_of,
    tags_of,
    taken_at,
    urls_of,
    urls_of_sizes,
)
from wunderkammer.sources.licences import OPEN, Licence, Licences, read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.posts import at, latest, whole
from wunderkammer.sources.replies import Gaps, Reply, as_text, as_url, licence_refusal

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

KEYS_PAGE = "https://www.flickr.com/services/api/keys"
Count = Annotated[int, Field(ge=0)]
PER_PAGE = 500
# What a search within a box gives at most.
PER_PAGE_BBOX = 250
# No search goes deeper.
MAX_DEPTH = 4000
# A search within a box wants a date, too; Flickr opened in February 2004.
FIRST_UPLOAD_S = 1_072_915_200
# What is new reaches the indexes late and out of order.
OVERLAP_S = 2 * 86_400
# Codes of failed replies, and the reasons that end a listing.
NOT_FOUND, NOT_ALLOWED, BAD_KEY = 1, 2, 100
PASSING = (0, 105, 106)
FATAL = ("invalid_key", "not_found", "not_allowed")


class FlickrParams(RemoteParams):
    """The pool of a `group`, or a search for `text`, `tags` and within `bbox`, in it or everywhere.

    `group` is the address of its page, the name in that address, or its id (`34427469792@N01`). Of
    `tags` one must match, with `all_tags` each; `bbox` is west, south, east, north in degrees.
    `max_size` is the largest of Flickr's sizes that is fetched, from "o" (the original) down to "m"
    (500 px). `licences` are those that you may use. A search asks for what was uploaded since the
    last one: what was tagged later comes with the next full listing. Flickr counts photos that it
    does not show to everybody; a listing that lacks more than the share `max_unseen` of its total
    is taken for incomplete.

    The key is read from the environment variable named by `key_env`; Flickr gives keys to Pro
    accounts only (https://www.flickr.com/services/api/keys). In place of a deleted photo Flickr may
    send a picture that says so: one is known and refused; give the size or hash of another as
    `placeholder_sizes`, `placeholder_sha256`.
    """

    kind: Literal["flickr"]
    group: Annotated[str, Field(min_length=1)] | None = None
    text: Annotated[str, Field(min_length=1)] | None = None
    tags: tuple[Annotated[str, Field(pattern="^[^,]+$")], ...] = ()
    all_tags: bool = False
    bbox: tuple[float, float, float, float] | None = None
    max_size: Size = "o"
    licences: Licences = OPEN
    max_unseen: Annotated[float, Field(ge=0, le=1)] = Field(default=0.1, exclude=True)
    requests_per_hour: Annotated[float, Field(gt=0)] = Field(default=3600.0, exclude=True)
    key_env: str = "FLICKR_API_KEY"
    base_url: str = "https://api.flickr.com/services"
    site_url: str = "https://www.flickr.com"

    @model_validator(mode="after")
    def _says_what(self) -> "FlickrParams":
        if not (self.group or self.searches):
            raise ValueError("name a group, or what to search for: text, tags or bbox")
        west, south, east, north = self.bbox or (-180.0, -90.0, 180.0, 90.0)
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ValueError(
                f"bbox={[west, south, east, north]} must be west, south, east, north in degrees"
            )
        return self

    @property
    def searches(self) -> bool:
        """Whether photos are searched for, and not a whole pool taken."""
        return bool(self.text or self.tags or self.bbox)


class _Place(Reply):
    """Where a listing is: at a page of those photos that are newer than `since`.

    Attributes:
        since: of the addition to the pool or of the upload, in seconds since 1970.
        pages: how many there are, as the page before told; 0 before the first one.
        newest: the latest such time that was seen.
        total: photos in all at the start of a listing of everything, None for one of what is new.
        num_seen: photos so far.
    """

    group: str | None = None
    since: Count = 0
    page: Annotated[int, Field(ge=1)] = 1
    pages: Count = 0
    newest: Count = 0
    total: Count | None = None
    num_seen: Count = 0

    def at(self, **changes: Any) -> "_Place":
        return self.model_copy(update=changes)

    @property
    def position(self) -> Position:
        return self.model_dump(exclude_none=True)

    @property
    def end(self) -> Position:
        """Where the next listing starts."""
        since = max(self.newest - OVERLAP_S, 0) if self.newest else self.since
        return {"since": since} | ({"group": self.group} if self.group else {})


class Flickr(Listing):
    """Asks Flickr's REST API.

    A pool comes newest first, up to the last addition that is known. A search comes oldest first,
    and where it gets too deep, a new one starts from the last upload seen.
    """

    def __init__(self, params: FlickrParams, network: "Network") -> None:
        """Read the key.

        Raises:
            MissingKeyError: the environment has none.
        """
        what = "a Flickr API key (of a Pro account)"
        key = key_from_environment(params.key_env, what=what, where=KEYS_PAGE)
        self._params = params
        self._licences = {id_: read_licence(name, url=url) for id_, (name, url) in LICENCES.items()}
        fixed = {"api_key": key, "format": "json", "nojsoncallback": "1"}
        self._api = Api(
            network, params.base_url, per_s=params.requests_per_hour / 3600, query=fixed
        )
        self._per_page = PER_PAGE_BBOX if params.bbox else PER_PAGE

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of up to 500 photos; one that can't be had is left out.

        Raises:
            StalePositionError: the position is none of Flickr's.
            FetchError: the key or the group is refused, or nothing more can be had.
        """
        try:
            place = _Place.model_validate(start)
        except ValidationError as error:
            raise StalePositionError(str(start)) from error
        if self._params.group and place.group is None:
            place = place.at(group=await self._group_id(self._params.group))
        if self._params.searches:
            await self._learn_licences()
        gaps = Gaps()
        is_last = False
        while not is_last:
            records: Sequence[Record] = ()
            problem = None
            try:
                photos = await self._photos(place)
                records, problem = await self._records(photos["photo"])
            except FetchError as error:
                if error.reason in FATAL or not place.pages:
                    raise
                gaps.leave(f"page {place.page} of {place.pages}", error)
                place, is_last = self._next(place)
                if not is_last:
                    continue
            else:
                place, is_last = self._after(place, photos)
                problem = problem or (self._unseen(place) if is_last else None)
            yield Page(
                records=tuple(records),
                position=place.end if is_last else place.position,
                is_last=is_last,
                problem=gaps.close() or problem,
                total=place.total,
            )

    def _after(self, place: _Place, photos: dict[str, Any]) -> tuple[_Place, bool]:
        """The place after a page, and whether there is none."""
        dated = "dateupload" if self._params.searches else "dateadded"
        times = [time for one in photos["photo"] if (time := whole(at(one, dated))) is not None]
        is_first_of_all = not (place.pages or place.since)
        found = place.at(
            pages=whole(photos.get("pages")) or 0,
            newest=max(place.newest, latest(times)),
            total=whole(photos.get("total")) or 0 if is_first_of_all else place.total,
            num_seen=place.num_seen + len(photos["photo"]),
        )
        if not self._params.searches and any(time < place.since for time in times[-1:]):
            return found, True
        return self._next(found)

    def _next(self, place: _Place) -> tuple[_Place, bool]:
        place = place.at(page=place.page + 1)
        if place.page > place.pages:
            return place, True
        if self._params.searches and place.page > MAX_DEPTH // self._per_page:
            if place.newest <= place.since:
                raise FetchError("repeated", f"{MAX_DEPTH} photos on from {place.since}: the same")
            # Others of the last second may not have been among those shown.
            return place.at(since=place.newest, page=1), False
        return place, False

    def _unseen(self, place: _Place) -> str | None:
        allowed = self._params.max_unseen
        if place.total is None or place.num_seen >= place.total * (1 - allowed):
            return None
        return (
            f"Flickr counts {place.total} photos and has shown {place.num_seen}; "
            f"scrape.max_unseen={allowed} allows for fewer that are missing"
        )

    async def _photos(self, place: _Place) -> dict[str, Any]:
        params = self._params
        query: dict[str, str | int] = {"extras": EXTRAS, "per_page": self._per_page}
        query["page"] = place.page
        if place.group:
            query["group_id"] = place.group
        if not params.searches:
            return await self._ask("groups.pools.getPhotos", query, "photos", "photo")
        allowed = [id_ for id_, one in self._licences.items() if one.code in params.licences]
        query |= {"media": "photos", "sort": "date-posted-asc", "license": ",".join(allowed)}
        query["min_upload_date"] = max(place.since, FIRST_UPLOAD_S)
        if params.text:
            query["text"] = params.text
        if params.tags:
            query["tags"] = ",".join(params.tags)
            query["tag_mode"] = "all" if params.all_tags else "any"
        if params.bbox:
            query["bbox"] = ",".join(map(str, params.bbox))
        return await self._ask("photos.search", query, "photos", "photo")

    async def _ask(
        self, method: str, query: dict[str, str | int], part: str, rows: str | None = None
    ) -> dict[str, Any]:
        """The `part` of a reply; it holds a list called `rows`."""

        def check(reply: Any) -> None:
            _check(reply, key_env=self._params.key_env)
            is_whole = isinstance(at(reply, part), dict)
            if not is_whole or (rows and not isinstance(at(reply, part, rows), list)):
                raise FetchError("bad_reply", f"flickr.{method}: no {rows or part}", may_pass=True)

        reply = await self._api.get("rest/", {"method": f"flickr.{method}", **query}, check=check)
        found: dict[str, Any] = reply[part]
        return found

    async def _group_id(self, group: str) -> str:
        if re.fullmatch("[0-9]+@N[0-9]+", group):
            return group
        name = group.rstrip("/").rpartition("/groups/")[2].partition("/")[0]
        url = f"https://www.flickr.com/groups/{name}/"
        found = as_text((await self._ask("urls.lookupGroup", {"url": url}, "group")).get("id"))
        if found is None:
            raise FetchError("not_found", f"Flickr gives no id for the group {group!r}")
        return found

    async def _learn_licences(self) -> None:
        """Take in the licences that are newer than this file."""
        found = await self._ask("photos.licenses.getInfo", {}, "licenses", "license")
        for one in found["license"]:
            name, url = as_text(at(one, "name")), as_url(at(one, "url"))
            self._licences.setdefault(as_text(at(one, "id")) or "", read_licence(name, url=url))

    async def _records(self, photos: list[Any]) -> tuple[list[Record], str | None]:
        """The records of a page, and what is missing of it."""
        ids = {id_ for photo in photos if (id_ := as_text(at(photo, "license")))}
        if not ids <= self._licences.keys():
            await self._learn_licences()
        records, problem = [], None
        for photo in photos:
            id_ = as_text(at(photo, "id"))
            if id_ is None:
                continue
            try:
                records.append(await self._record(id_, photo))
            except FetchError as error:
                if isinstance(error, BudgetSpentError) or error.reason in FATAL:
                    raise
                problem = f"the sizes of photo {id_} could not be had ({error.reason})"
        return records, problem

    async def _record(self, id_: str, photo: Any) -> Record:
        params = self._params
        owner = as_text(at(photo, "owner"))
        landing_page = f"{params.site_url}/photos/{owner}/{id_}/"
        licence_id = as_text(at(photo, "license")) or ""
        licence = self._licences.get(licence_id, Licence("unknown", "unknown", None))
        refused = licence_refusal(licence, params.licences)
        if at(photo, "media") == "video":
            refused = ("video", "only photos are taken")
        urls: tuple[str, ...] = ()
        if refused is None:
            urls = urls_of(photo, params.max_size) or await self._urls_of(id_)
            refused = None if urls else ("no_size", "Flickr shows it to nobody in any size allowed")
        return Record(
            id=id_,
            url=urls[0] if urls else landing_page,
            other_urls=urls[1:],
            refused=refused,
            landing_page=landing_page,
            author=as_text(at(photo, "ownername")) or owner,
            licence=licence.name,
            licence_url=licence.url,
            title=as_text(at(photo, "title")),
            tags=tags_of(photo),
            group=group_of(photo),
            taken_at=taken_at(photo),
        )

    async def _urls_of(self, id_: str) -> tuple[str, ...]:
        """The URLs of a photo that was listed without any."""
        try:
            found = await self._ask("photos.getSizes", {"photo_id": id_}, "sizes", "size")
        except FetchError as error:
            if error.reason in ("not_found", "not_allowed"):
                return ()
            raise
        return urls_of_sizes(found["size"], self._params.max_size)


def _check(reply: Any, *, key_env: str) -> None:
    """Raise what a failed reply means; Flickr's own words are not shown, they may quote the key."""
    if at(reply, "stat") == "ok":
        return
    code = whole(at(reply, "code"))
    if code == BAD_KEY:
        detail = f"Flickr does not accept the key in {key_env}; yours are at {KEYS_PAGE}"
        raise FetchError("invalid_key", detail)
    if code == NOT_FOUND:
        raise FetchError("not_found", "Flickr knows no such group or photo")
    if code == NOT_ALLOWED:
        raise FetchError("not_allowed", "Flickr shows this group or photo to its members only")
    raise FetchError("flickr_error", f"code {code}", may_pass=code is None or code in PASSING)
