"""iNaturalist: the photos of observations, each under its own licence.

An observation is found if at least one of its photos has a wanted licence, so each photo is looked
at again. The listing goes up by id (`id_above`): a page number would skip what moves meanwhile, and
goes no deeper than 10,000 observations.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from wunderkammer.conduct.api import Api, Query
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.licences import OPEN, Licences, read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record
from wunderkammer.sources.replies import (
    Reply,
    Text,
    Texts,
    Url,
    as_list,
    ask,
    licence_refusal,
    mapping_of,
    parse,
)

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

PER_PAGE = 200
NUM_NAMES = 30
MAX_NAMES_SHOWN = 5
SQUARE = re.compile(r"/square(?=\.[A-Za-z]+(?:\?|$))")
# "(c) Ada, some rights reserved (CC BY), uploaded by Bob", "Ada, no rights reserved (CC0)"
ATTRIBUTION = re.compile(r"(?:\(c\) )?(.+?), (?:all|some|no) rights reserved\b")
# The site's own licences are these versions (its LicenseModule: CC_VERSION and CC0_VERSION).
CC_VERSION = "4.0"
BINOMIAL = frozenset({"species", "hybrid"})
BELOW_SPECIES = frozenset({"subspecies", "variety", "form", "infrahybrid"})
HYBRID_SIGN = "\N{MULTIPLICATION SIGN}"


class INaturalistParams(RemoteParams):
    """Photos of the observations of a taxon, a project, a place or a user whose licence is allowed.

    `taxon_id` is the number in the address of the taxon's page; `taxon` its scientific name, which
    must be the name of one taxon only. `project_id` and `user` are names or numbers as in their
    addresses. Of an observation at most `max_photos_per_observation` photos are taken; all of them
    are one group. A photo is labelled with the `species` or `genus` of its observation as far as it
    is identified, or with the `taxon` that it is identified as, whatever its rank.

    `licences` are those that you may use; a photo without one is all rights reserved. Licensed
    photos are fetched from the site's open data, or from a mirror of it at `photos_url`. An
    `original` has up to 2048 pixels a side, a `large` one 1024, a `medium` one 500.

    A later scrape asks for what was changed since the last one began, and `overlap_hours` before.
    iNaturalist asks for at most 60 requests a minute, and refuses more than 100.
    """

    kind: Literal["inaturalist"]
    taxon_id: Annotated[int, Field(ge=1)] | None = None
    taxon: Annotated[str, Field(min_length=2, max_length=200)] | None = None
    project_id: Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)] | None = None
    place_id: Annotated[int, Field(ge=1)] | None = None
    user: Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)] | None = None
    quality_grade: Literal["research", "needs_id", "casual", "any"] = "research"
    licences: Licences = OPEN
    size: Literal["original", "large", "medium"] = "original"
    max_photos_per_observation: Annotated[int, Field(ge=1)] | None = None
    label: Literal["none", "taxon", "species", "genus"] = "species"
    base_url: str = "https://api.inaturalist.org/v1"
    photos_url: str | None = None
    overlap_hours: Annotated[float, Field(ge=0)] = Field(default=24.0, exclude=True)
    requests_per_minute: Annotated[float, Field(gt=0)] = Field(default=60.0, exclude=True)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.taxon is not None and self.taxon_id is not None:
            raise ValueError("both taxon and taxon_id are set; keep one of them")
        chosen = (self.taxon, self.taxon_id, self.project_id, self.place_id, self.user)
        if all(one is None for one in chosen):
            raise ValueError("set taxon_id, taxon, project_id, place_id or user: all is too much")
        return self


class _Photo(Reply):
    id: int
    url: Url = None
    license_code: Text = None
    attribution: Text = None


class _Taxon(Reply):
    id: int | None = None
    name: Text = None
    rank: Text = None
    preferred_common_name: Text = None


class _User(Reply):
    login: Text = None
    name: Text = None


class _Observation(Reply):
    id: int
    uri: Url = None
    user: Annotated[_User, BeforeValidator(mapping_of)] = _User()
    taxon: Annotated[_Taxon, BeforeValidator(mapping_of)] = _Taxon()
    photos: Annotated[tuple[_Photo, ...], BeforeValidator(as_list)] = ()
    tags: Texts = ()
    time_observed_at: Text = None
    observed_on: Text = None


def _numbered(observation: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(observation.get("id"), int):
        raise ValueError("an observation has no number")
    return observation


class _Found(Reply):
    total_results: int
    results: tuple[Annotated[dict[str, Any], AfterValidator(_numbered)], ...]


class _Taxa(Reply):
    results: tuple[_Taxon, ...]


class _Position(Reply):
    """Where a listing is; `started_at` is None between two listings."""

    taxon_id: int | None = None
    updated_since: datetime | None = None
    started_at: datetime | None = None
    id_above: int = 0

    def at(self, **changes: Any) -> "_Position":
        return self.model_copy(update=changes)

    def plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


class INaturalist(Listing):
    """The photos that the section asks for, an observation at a time."""

    def __init__(self, params: INaturalistParams, network: "Network") -> None:
        self._params = params
        self._api = Api(network, params.base_url, per_s=params.requests_per_minute / 60)

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of up to 200 observations.

        Raises:
            FetchError: the API gives no page; "unknown_taxon" if not exactly one has the name.
        """
        at = _Position.model_validate(start)
        if at.started_at is None:
            at = at.at(started_at=datetime.now(UTC).replace(microsecond=0))
        if self._params.taxon is not None and at.taxon_id is None:
            at = at.at(taxon_id=await self._taxon_named(self._params.taxon))
        while True:
            found = await ask(self._api, "observations", self._query(at), _Found, check=_check)
            page = self._page(at, found)
            yield page
            if page.is_last:
                return
            at = _Position.model_validate(page.position)

    def _query(self, at: _Position) -> Query:
        params = self._params
        grade = None if params.quality_grade == "any" else params.quality_grade
        since = None if at.updated_since is None else at.updated_since.isoformat()
        wanted = {
            "taxon_id": params.taxon_id or at.taxon_id,
            "project_id": params.project_id,
            "place_id": params.place_id,
            "user_id": params.user,
            "quality_grade": grade,
            "updated_since": since,
        }
        return {
            "per_page": PER_PAGE,
            "order_by": "id",
            "order": "asc",
            "id_above": at.id_above,
            "locale": "en",
            **_licence_filter(params.licences),
            **{key: value for key, value in wanted.items() if value is not None},
        }

    def _page(self, at: _Position, found: _Found) -> Page:
        observations, num_bad = _observations(found.results)
        ids = [at.id_above, *(one["id"] for one in found.results)]
        repeats = any(after <= before for before, after in pairwise(ids))
        problem = None
        if repeats:
            problem = f"the cursor repeats: observation {ids[-1]} after {at.id_above}"
        elif found.total_results > 0 and not found.results:
            problem = f"{found.total_results} more observations were announced, and none came"
        elif num_bad:
            problem = f"{num_bad} of {len(found.results)} observations can't be read"
        is_last = repeats or found.total_results <= len(found.results) or not found.results
        return Page(
            records=tuple(
                record
                for one in observations
                if one.id > at.id_above
                for record in self._records(one)
            ),
            position=(self._next_time(at) if is_last else at.at(id_above=ids[-1])).plain(),
            is_last=is_last,
            problem=problem,
            total=found.total_results if at.id_above == 0 else None,
        )

    def _next_time(self, at: _Position) -> _Position:
        """Where the listing after this one starts."""
        assert at.started_at is not None
        since = at.started_at - timedelta(hours=self._params.overlap_hours)
        return _Position(taxon_id=at.taxon_id, updated_since=since)

    def _records(self, observation: _Observation) -> list[Record]:
        records: list[Record] = []
        num_taken = 0
        most = self._params.max_photos_per_observation
        for photo in observation.photos:
            record = self._record(observation, photo)
            if record.refused is None and most is not None and num_taken == most:
                detail = f"max_photos_per_observation={most}"
                record = replace(record, refused=("too_many_of_one", detail))
            num_taken += record.refused is None
            records.append(record)
        return records

    def _record(self, observation: _Observation, photo: _Photo) -> Record:
        code = photo.license_code or "all rights reserved"
        licence = read_licence(
            f"{code} {CC_VERSION}" if code.casefold().startswith("cc-by") else code
        )
        url, refused = self._url(photo)
        taxon = observation.taxon
        return Record(
            id=f"{observation.id}/{photo.id}",
            url=url,
            refused=licence_refusal(licence, self._params.licences) or refused,
            landing_page=observation.uri,
            author=_author(photo.attribution, observation.user),
            licence=licence.name,
            licence_url=licence.url,
            title=taxon.name,
            tags=observation.tags,
            label=_label(taxon, of=self._params.label),
            group=str(observation.id),
            taken_at=observation.time_observed_at or observation.observed_on,
        )

    def _url(self, photo: _Photo) -> tuple[str, tuple[str, str] | None]:
        """The photo in its wanted size, and why there is none."""
        if photo.url is None or not SQUARE.search(photo.url):
            shown = photo.url or ""
            return shown, ("no_photo", f"{shown or 'nothing'} in place of its address")
        url = SQUARE.sub(f"/{self._params.size}", photo.url)
        if self._params.photos_url is not None:
            name = url.rsplit("/", 1)[1]
            url = f"{self._params.photos_url.rstrip('/')}/{photo.id}/{name}"
        return url, None

    async def _taxon_named(self, name: str) -> int:
        """The number of the only taxon of this scientific name.

        Raises:
            FetchError: "unknown_taxon" if there is none, or more than one.
        """
        query: Query = {"q": name, "per_page": NUM_NAMES, "locale": "en"}
        found = await ask(self._api, "taxa", query, _Taxa, check=_check)
        same = [one for one in found.results if (one.name or "").casefold() == name.casefold()]
        if len(same) == 1 and same[0].id is not None:
            return same[0].id
        others = ", ".join(_shown(one) for one in (same or found.results)[:MAX_NAMES_SHOWN])
        what = f"{len(same)} taxa are" if same else "no taxon is"
        raise FetchError(
            "unknown_taxon",
            f"{what} called {name!r} at iNaturalist (found: {others or 'nothing'}); "
            "set taxon_id to the number in the address of the taxon's page",
        )


def _shown(taxon: _Taxon) -> str:
    common = f", {taxon.preferred_common_name}" if taxon.preferred_common_name else ""
    return f"{taxon.id} = {taxon.rank} {taxon.name}{common}"


def _check(reply: Any) -> None:
    """An error inside a 200."""
    error = mapping_of(reply).get("error")
    if error:
        raise FetchError("api_error", str(error)[:200], may_pass=True)


def _observations(found: tuple[Mapping[str, Any], ...]) -> tuple[list[_Observation], int]:
    """Those that can be read, and how many can't be."""
    observations = []
    for one in found:
        try:
            observations.append(parse(_Observation, one))
        except FetchError:
            continue
    return observations, len(found) - len(observations)


def _licence_filter(licences: Licences) -> dict[str, str]:
    """Observations with a photo of one of these licences, as far as the API can tell them."""
    codes = [code for code in licences if code.startswith("cc")]
    if codes and not {"other", "unknown"} & set(licences):
        return {"photo_license": ",".join(codes)}
    return {"photos": "true"}


def _author(attribution: str | None, user: _User) -> str | None:
    named = ATTRIBUTION.match(attribution or "")
    return named[1] if named else user.name or user.login


def _label(taxon: _Taxon, *, of: str) -> str | None:
    """The name of the taxon, or of the species or genus that it belongs to, from its own name."""
    if of == "none" or taxon.name is None:
        return None
    if of == "taxon" or taxon.rank == of:
        return taxon.name
    words = taxon.name.split()
    if taxon.rank not in BINOMIAL | BELOW_SPECIES:
        return None
    if of == "genus":
        return words[0]
    if taxon.rank in BINOMIAL:
        return taxon.name
    return " ".join(words[: 3 if HYBRID_SIGN in words[:2] else 2])
