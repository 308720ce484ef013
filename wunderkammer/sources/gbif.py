"""GBIF: the pictures of occurrences (specimens and observations), fetched from their publishers.

A search gives 100,000 occurrences at most, and is slowed down beyond 10,000 (gbif.org/restricted).
So a larger one is listed part by part: each data set, country, year or month by itself.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.gbif_replies import (
    Facets,
    Found,
    Label,
    Match,
    Media,
    Occurrence,
    read_occurrence,
)
from wunderkammer.sources.licences import OPEN, Licences, read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record
from wunderkammer.sources.replies import Gaps, Reply, ask, licence_refusal

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

SEARCH = "v1/occurrence/search"
PER_PAGE = 300
MAX_OFFSET = 100_000
MAX_FACETS = 100_000
MAX_NAMES_SHOWN = 5
NUM_HASH_CHARS = 12
# The two taxonomies that occurrences are filed under, by the key of their checklist.
CATALOGUE_OF_LIFE = "7ddf754f-d193-4cc9-b351-99906754a03b"
BACKBONE = "d7dddbf4-2cf0-4f39-9b2a-bb099caae36c"
# What a search is split by, in this order; each occurrence has a data set, not all have the rest.
AXES = ("datasetKey", "country", "year", "month")

BasisOfRecord = Literal[
    "PRESERVED_SPECIMEN",
    "FOSSIL_SPECIMEN",
    "LIVING_SPECIMEN",
    "HUMAN_OBSERVATION",
    "MACHINE_OBSERVATION",
    "MATERIAL_SAMPLE",
    "MATERIAL_CITATION",
    "OBSERVATION",
    "OCCURRENCE",
]


class GbifParams(RemoteParams):
    """Pictures of the occurrences of a taxon whose licence is allowed.

    `taxon` is a scientific name, which must be that of one taxon only. `taxon_key` is a key of the
    Catalogue of Life as in the address of GBIF's page of the taxon (text: "5TYZ9"), or a number of
    GBIF's older backbone. `country` is where it was found, as two letters. A picture is labelled
    with the name of the taxon or of a rank above it.

    `licences` are those that you may use: a picture's own one counts, or that of its occurrence
    where it has none. Pictures come from the publishers, at most `files_per_s` of `conduct` from
    each. A search of more than `max_offset` occurrences is listed in parts.

    A later scrape asks for what GBIF has interpreted anew since the last one began, and
    `overlap_days` before: whole data sets, after each of their updates.
    """

    kind: Literal["gbif"]
    taxon: Annotated[str, Field(min_length=2, max_length=200)] | None = None
    taxon_key: (
        Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern="^[0-9A-Z]{1,12}$")] | None
    ) = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    basis_of_record: BasisOfRecord | None = None
    licences: Licences = OPEN
    label: Label = "species"
    base_url: str = "https://api.gbif.org"
    site_url: str = "https://www.gbif.org"
    max_offset: Annotated[int, Field(ge=1, le=MAX_OFFSET)] = Field(default=10_000, exclude=True)
    overlap_days: Annotated[int, Field(ge=0)] = Field(default=1, exclude=True)
    requests_per_minute: Annotated[float, Field(gt=0)] = Field(default=60.0, exclude=True)

    @model_validator(mode="after")
    def _asks_for_a_taxon(self) -> Self:
        if (self.taxon is None) == (self.taxon_key is None):
            raise ValueError("set either taxon or taxon_key")
        return self


class _Position(Reply):
    """Where a listing is; `started_at` is None between two listings, `part` before the first page.

    Attributes:
        taxon_key: what `taxon` was found to be.
        part: the parameters that make a part of the whole search, in their order.
    """

    taxon_key: str | None = None
    interpreted_since: date | None = None
    started_at: datetime | None = None
    part: dict[str, str] | None = None
    offset: int = 0

    def at(self, **changes: Any) -> "_Position":
        return self.model_copy(update=changes)

    def plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class _Split:
    """A search by the values of one parameter; `num_missing` occurrences have none."""

    axis: str
    counts: dict[str, int]
    num_missing: int


class Gbif(Listing):
    """The pictures that the section asks for, an occurrence at a time."""

    obeys_robots = True

    def __init__(self, params: GbifParams, network: "Network") -> None:
        self._params = params
        self._api = Api(network, params.base_url, per_s=params.requests_per_minute / 60)

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of up to 300 occurrences, and an empty last one.

        Raises:
            FetchError: the API gives no page; "unknown_taxon" if not exactly one has the name.
        """
        at = _Position.model_validate(start)
        if at.started_at is None:
            at = at.at(started_at=datetime.now(UTC).replace(microsecond=0))
        if self._params.taxon is not None and at.taxon_key is None:
            at = at.at(taxon_key=await self._taxon_named(self._params.taxon))
        async for page in _Walk(self._params, self._api, at).pages():
            yield page
        assert at.started_at is not None
        since = at.started_at.date() - timedelta(days=self._params.overlap_days)
        done = _Position(taxon_key=at.taxon_key, interpreted_since=since)
        yield Page(records=(), position=done.plain(), is_last=True)

    async def _taxon_named(self, name: str) -> str:
        """The key of the only taxon of this name; of the accepted one for a synonym.

        Raises:
            FetchError: "unknown_taxon" if there is none, or more than one.
        """
        query = {"scientificName": name, "checklistKey": CATALOGUE_OF_LIFE, "verbose": "true"}
        match = await ask(self._api, "v2/species/match", query, Match)
        usage = match.acceptedUsage or match.usage
        if match.diagnostics.matchType == "EXACT" and usage is not None and usage.key is not None:
            return usage.key
        near = [one for one in (match, *match.diagnostics.alternatives) if one.usage is not None]
        shown = "; ".join(map(str, near[:MAX_NAMES_SHOWN])) or "nothing"
        raise FetchError(
            "unknown_taxon",
            f"no taxon, or more than one, is called {name!r} at GBIF (near it: {shown}); "
            "set taxon_key to the key of the one that you mean",
        )


class _Walk:
    """A search, part by part, from a position on."""

    def __init__(self, params: GbifParams, api: Api, at: _Position) -> None:
        self._params = params
        self._api = api
        self._at = at
        self._total: int | None = None
        self._gaps = Gaps()

    async def pages(self) -> AsyncIterator[Page]:
        """The pages of the whole search."""
        if self._at.part is not None:
            pages = self._rest({}, self._at.part)
        else:
            self._total = (await ask(self._api, SEARCH, self._query({}, limit=0), Found)).count
            pages = self._part({}, self._total)
        async for page in pages:
            yield page

    async def _part(self, part: dict[str, str], count: int) -> AsyncIterator[Page]:
        """The pages of a part that has `count` occurrences."""
        split = await self._split(part, count)
        if split is None:
            async for page in self._plain(part, 0, count):
                yield page
            return
        if split.num_missing:
            first = {**part, split.axis: min(split.counts)}
            problem = f"{split.num_missing} of {count} occurrences have no {split.axis} to ask for"
            yield Page(records=(), position=self._position(first, 0), problem=problem)
        for value in sorted(split.counts):
            async for page in self._part({**part, split.axis: value}, split.counts[value]):
                yield page

    async def _rest(self, part: dict[str, str], at: dict[str, str]) -> AsyncIterator[Page]:
        """The pages of a part from the position on, which is in its smaller part `at`."""
        if part == at:
            async for page in self._plain(part, self._at.offset, MAX_OFFSET):
                yield page
            return
        axis, there = list(at.items())[len(part)]
        counts = await self._counts(part, axis)
        async for page in self._rest({**part, axis: there}, at):
            yield page
        for value in sorted(one for one in counts if one > there):
            async for page in self._part({**part, axis: value}, counts[value]):
                yield page

    async def _split(self, part: dict[str, str], count: int) -> _Split | None:
        """How to list a part of `count` occurrences; None: by offset."""
        if count <= self._params.max_offset:
            return None
        lossy: list[_Split] = []
        for axis in AXES:
            counts = {} if axis in part else await self._counts(part, axis)
            if not counts or max(counts.values()) >= count:
                continue
            split = _Split(axis, counts, max(count - sum(counts.values()), 0))
            if split.num_missing == 0:
                return split
            lossy.append(split)
        if count <= MAX_OFFSET:
            return None
        return min(lossy, key=lambda split: split.num_missing, default=None)

    async def _plain(self, part: dict[str, str], offset: int, count: int) -> AsyncIterator[Page]:
        """The pages of a part that is listed by offset."""
        before: list[Any] = []
        while True:
            offset, page = await self._next(part, offset, count)
            if page is None:
                break
            keys = [one.get("key") for one in page.results]
            read = [one for one in map(read_occurrence, page.results) if one is not None]
            repeats = bool(keys) and keys == before
            offset += len(keys)
            yield Page(
                records=() if repeats else self._records(read),
                position=self._position(part, offset),
                problem=self._gaps.close()
                or _problem(page, offset, num_read=len(read), repeats=repeats),
                total=self._total,
            )
            if repeats or page.endOfRecords or not keys:
                return
            before, count = keys, page.count
        problem = self._gaps.close()
        if problem is not None:
            yield Page(records=(), position=self._position(part, offset), problem=problem)

    async def _next(
        self, part: dict[str, str], offset: int, count: int
    ) -> tuple[int, Found | None]:
        """The next page that can be had, and its offset; None if there is none up to `count`."""
        while offset < min(count, MAX_OFFSET):
            limit = min(PER_PAGE, MAX_OFFSET - offset)
            try:
                query = self._query(part, limit=limit, offset=offset)
                return offset, await ask(self._api, SEARCH, query, Found)
            except FetchError as error:
                self._gaps.leave(f"occurrences {offset} to {offset + limit}", error)
                offset += limit
        return offset, None

    async def _counts(self, part: dict[str, str], axis: str) -> dict[str, int]:
        """How many occurrences of a part have each value of a parameter."""
        query = self._query(part, limit=0, facet=axis, facetLimit=MAX_FACETS)
        found = await ask(self._api, SEARCH, query, Facets)
        return {one.name: one.count for one in found.facets[0].counts if one.count}

    def _query(self, part: dict[str, str], **more: str | int) -> dict[str, str | int]:
        params = self._params
        since = self._at.interpreted_since
        wanted = {
            "taxonKey": params.taxon_key or self._at.taxon_key,
            "country": params.country,
            "basisOfRecord": params.basis_of_record,
            "lastInterpreted": None if since is None else f"{since.isoformat()},*",
        }
        return {
            "mediaType": "StillImage",
            "checklistKey": BACKBONE if isinstance(params.taxon_key, int) else CATALOGUE_OF_LIFE,
            **{key: value for key, value in wanted.items() if value is not None},
            **part,
            **more,
        }

    def _position(self, part: dict[str, str], offset: int) -> dict[str, Any]:
        return self._at.at(part=part, offset=offset).plain()

    def _records(self, occurrences: list[Occurrence]) -> tuple[Record, ...]:
        """The pictures of a page; one that an occurrence names twice comes once."""
        records = {
            record.id: record
            for one in occurrences
            for record in (self._record(one, *numbered) for numbered in enumerate(one.pictures))
        }
        return tuple(records.values())

    def _record(self, occurrence: Occurrence, number: int, picture: Media) -> Record:
        licence = read_licence(picture.license or occurrence.license)
        url = picture.identifier
        name = hashlib.sha256(url.encode()).hexdigest()[:NUM_HASH_CHARS] if url else str(number)
        missing = None if url else ("no_photo", "its publisher gives no address of it")
        page = f"{self._params.site_url.rstrip('/')}/occurrence/{occurrence.key}"
        authors = (picture.creator, picture.rightsHolder, occurrence.rightsHolder)
        return Record(
            id=f"{occurrence.key}/{name}",
            url=url or "",
            refused=licence_refusal(licence, self._params.licences) or missing,
            landing_page=picture.references or occurrence.references or page,
            author=next((one for one in authors if one), occurrence.recordedBy),
            licence=licence.name,
            licence_url=licence.url,
            title=picture.title or occurrence.scientificName,
            label=occurrence.label(self._params.label),
            group=str(occurrence.key),
            taken_at=picture.created or occurrence.eventDate,
        )


def _problem(page: Found, offset: int, *, num_read: int, repeats: bool) -> str | None:
    """What is missing after a page that ends at `offset`."""
    if repeats:
        return f"the cursor repeats: the occurrences before {offset} are those before them"
    is_last = page.endOfRecords or not page.results
    if page.count > offset >= MAX_OFFSET and not is_last:
        return (
            f"{page.count - offset} of {page.count} occurrences are beyond what a search gives; "
            "narrow the section by country, basis_of_record or a smaller taxon"
        )
    if is_last and page.count > offset:
        return f"{page.count} occurrences were announced, and {offset} came"
    num_bad = len(page.results) - num_read
    return f"{num_bad} of {len(page.results)} occurrences can't be read" if num_bad else None
