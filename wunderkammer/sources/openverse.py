"""Openverse: a search over openly licensed pictures of many providers.

Its terms of service forbid scraping the catalogue, and it answers at most 20 pages of a search,
so this is a source for a well-chosen query of hundreds, or thousands, of pictures.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import key_from_environment
from wunderkammer.sources.licences import OPEN, LicenceCode, Licences, read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.replies import (
    Gaps,
    Id,
    Reply,
    Text,
    Url,
    as_mappings,
    as_texts,
    ask,
    licence_refusal,
    named_by,
    parse,
)

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

MAX_PAGES = 20
ANONYMOUS_PAGE_SIZE = 20
CLIENT_PAGE_SIZE = 500
# Published for the service itself; its code's own default for anonymous users is 5 an hour.
ANONYMOUS_PER_MINUTE = 20.0
CLIENT_PER_MINUTE = 100.0
WHERE = "https://api.openverse.org/v1/#tag/auth"
CODES: Mapping[LicenceCode, str] = {
    "cc0": "cc0",
    "public-domain": "pdm",
    "cc-by": "by",
    "cc-by-sa": "by-sa",
    "cc-by-nc": "by-nc",
    "cc-by-nc-sa": "by-nc-sa",
    "cc-by-nd": "by-nd",
    "cc-by-nc-nd": "by-nc-nd",
}
NOT_PICTURES = frozenset({"svg", "pdf", "djvu"})
Names = tuple[Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,60}$")], ...]


class OpenverseParams(RemoteParams):
    """Pictures that a search of Openverse finds, whose licence is among `licences`.

    `sources` are the site's names of providers (`flickr`, `wikimedia`, `met`); `extensions`,
    `aspect_ratios`, `sizes` and `categories` narrow the search as the site does. Without a client
    20 pages of 20 pictures can be had; the environment variables named by `client_id_env` and
    `client_secret_env`, if both are set, hold a registered client's id and secret, for which they
    are 20 of 500. A search that finds more is cut off there: a later scrape then looks through all
    of its pages again, and nothing is taken for deleted. The terms of Openverse forbid scraping
    its catalogue: keep to what a subject needs.
    """

    kind: Literal["openverse"]
    query: Annotated[str, Field(min_length=1, max_length=200)]
    licences: Licences = OPEN
    sources: Names = ()
    extensions: Names = ()
    aspect_ratios: tuple[Literal["tall", "wide", "square"], ...] = ()
    sizes: tuple[Literal["small", "medium", "large"], ...] = ()
    categories: tuple[Literal["photograph", "illustration", "digitized_artwork"], ...] = ()
    max_pages: Annotated[int, Field(ge=1, le=MAX_PAGES)] = MAX_PAGES
    page_size: Annotated[int, Field(ge=1, le=CLIENT_PAGE_SIZE)] | None = None
    base_url: str = "https://api.openverse.org/v1"
    client_id_env: str = Field(default="OPENVERSE_CLIENT_ID", exclude=True)
    client_secret_env: str = Field(default="OPENVERSE_CLIENT_SECRET", exclude=True)
    requests_per_minute: Annotated[float, Field(gt=0)] | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _allows_something(self) -> Self:
        if not any(code in CODES for code in self.licences):
            raise ValueError(
                f"licences={', '.join(self.licences)}, but Openverse holds only {', '.join(CODES)}"
            )
        return self


class _Tag(Reply):
    name: Text = None
    accuracy: Any = None


class _Photo(Reply):
    id: Id
    title: Text = None
    url: Url = None
    foreign_landing_url: Url = None
    creator: Text = None
    license: Text = None
    license_version: Text = None
    license_url: Url = None
    filetype: Text = None
    tags: Annotated[tuple[_Tag, ...], BeforeValidator(as_mappings)] = ()


class _Found(Reply):
    result_count: int
    page_count: int
    results: Annotated[tuple[_Photo, ...], BeforeValidator(named_by("id"))]


NOTHING = _Found(result_count=0, page_count=0, results=())


class _Token(Reply):
    access_token: Annotated[str, Field(min_length=1, max_length=2000, pattern="^[!-~]+$")]


class Openverse(Listing):
    """The pages of one search."""

    # It only points to them: they lie with their providers.
    obeys_robots = True

    def __init__(
        self,
        params: OpenverseParams,
        network: "Network",
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.params = params
        self._network = network
        self._client = _client(params, environ)
        per_minute = params.requests_per_minute or (
            ANONYMOUS_PER_MINUTE if self._client is None else CLIENT_PER_MINUTE
        )
        self._per_s = per_minute / 60
        most = ANONYMOUS_PAGE_SIZE if self._client is None else CLIENT_PAGE_SIZE
        self._page_size = min(params.page_size or most, most)
        self._api: Api | None = None

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages in the order of relevance.

        When a search finds as many as it did last time, and its first page holds nothing new, the
        others are not asked for.

        Raises:
            StalePositionError: the position is none of this source.
            FetchError: the site can't be asked, or not beyond the pages given so far.
        """
        number, before = start.get("page", 1), start.get("total")
        if not isinstance(number, int) or not isinstance(before, int | None):
            raise StalePositionError("this is no position in a listing of Openverse")
        if start.get("page_size", self._page_size) != self._page_size:
            raise StalePositionError("the pages had another size")
        gaps, listed, last = Gaps(), set[str](), self.params.max_pages
        is_last = False
        while not is_last:
            try:
                found = await self._ask(number)
            except FetchError as error:
                gaps.leave(f"page {number}", error)
                number += 1
                if number <= last:
                    continue
                found = NOTHING
            last = min(found.page_count, self.params.max_pages)
            fresh = {one.id: one for one in found.results if one.id not in listed}
            records = tuple(map(self._record, fresh.values()))
            listed |= fresh.keys()
            is_unchanged = number == 1 and found.result_count == before
            is_last = number >= last or (is_unchanged and all(known(one.id) for one in records))
            problem = gaps.close() or self._shortfall(found, number=number, last=last)
            number += 1
            on_the_way = {"page": number, "page_size": self._page_size, "total": before}
            yield Page(
                records=records,
                position={"total": found.result_count} if is_last else on_the_way,
                is_last=is_last,
                problem=problem,
                total=min(found.result_count, last * self._page_size) or None,
            )

    def _shortfall(self, found: _Found, *, number: int, last: int) -> str | None:
        """What a page says to be missing."""
        reach = self.params.max_pages * self._page_size
        if number < last and not found.results:
            return f"page {number} of {last} is empty"
        if number >= last and found.result_count > reach:
            larger = "" if self._client else f", or register a client at {WHERE}"
            return (
                f"{found.result_count} found, but only the first {reach} can be listed; narrow the "
                f"query{larger}"
            )
        return None

    async def _ask(self, number: int) -> _Found:
        if self._api is None:
            self._api = await self._authorized()
        query = self._query() | {"page": number}
        try:
            return await ask(self._api, "images/", query, _Found)
        except FetchError as error:
            if error.status != 401 or self._client is None:
                raise
        # The token has expired; it lasts for hours.
        self._api = await self._authorized()
        return await ask(self._api, "images/", query, _Found)

    def _query(self) -> dict[str, str | int]:
        params = self.params
        lists = {
            "license": [CODES[code] for code in params.licences if code in CODES],
            "source": params.sources,
            "extension": params.extensions,
            "aspect_ratio": params.aspect_ratios,
            "size": params.sizes,
            "category": params.categories,
        }
        narrowed = {name: ",".join(values) for name, values in lists.items() if values}
        return {"q": params.query, **narrowed, "page_size": self._page_size}

    async def _authorized(self) -> Api:
        api = Api(self._network, self.params.base_url, per_s=self._per_s)
        if self._client is None:
            return api
        client_id, client_secret = self._client
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        try:
            token = parse(_Token, await api.post("auth_tokens/token/", form))
        except FetchError as error:
            if error.status not in (400, 401, 403):
                raise
            detail = (
                f"Openverse refuses the client in {self.params.client_id_env} and "
                f"{self.params.client_secret_env}; register one at {WHERE}"
            )
            raise FetchError("key_refused", detail, status=error.status) from None
        headers = {"Authorization": f"Bearer {token.access_token}"}
        return Api(self._network, self.params.base_url, per_s=self._per_s, headers=headers)

    def _record(self, photo: _Photo) -> Record:
        licence = read_licence(
            f"{photo.license or ''} {photo.license_version or ''}", url=photo.license_url
        )
        record = Record(
            id=photo.id,
            url=photo.url or photo.foreign_landing_url or "",
            landing_page=photo.foreign_landing_url,
            author=photo.creator,
            licence=licence.name,
            licence_url=licence.url,
            title=photo.title,
            # A tag with an accuracy is a machine's guess.
            tags=as_texts([tag.name for tag in photo.tags if tag.accuracy is None]),
        )
        if photo.url is None:
            return replace(record, refused=("no_file", "no URL is given"))
        if photo.filetype in NOT_PICTURES:
            return replace(record, refused=("not_a_picture", photo.filetype))
        return replace(record, refused=licence_refusal(licence, self.params.licences))


def _client(params: OpenverseParams, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The id and the secret of a client; None where neither is set.

    Raises:
        MissingKeyError: one of the two is set.
    """
    names = (params.client_id_env, params.client_secret_env)
    if not any(environ.get(name, "").strip() for name in names):
        return None
    client_id, secret = (
        key_from_environment(name, what="an Openverse client", where=WHERE, environ=environ)
        for name in names
    )
    return client_id, secret
