"""The Metropolitan Museum of Art: the objects of a search whose pictures are in the public domain.

The museum dedicates the pictures of such objects to the public (CC0). It publishes 80 requests a
second, but some thirty quick ones are answered by its gatekeeper with an HTML page and 403.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.licences import OPEN, Licences, read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.replies import Gaps, Reply, Text, Url, as_list, as_mappings, as_texts, ask

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

# A kill loses the details of at most so many objects.
PAGE = 20
MAX_ADDITIONAL = 50
LICENCE = read_licence("CC0 1.0")
Label = Literal["none", "classification", "department", "culture"]


class MetParams(RemoteParams):
    """Public-domain objects of the Metropolitan Museum that a search finds.

    `department` is the museum's number of a department (1 to 21), `medium` such as `Quilts`.
    `all_pictures` takes every picture of an object, else its main one. The pictures of an object
    stay on one side of a split. `label` is what a conditional training learns.
    """

    kind: Literal["met"]
    query: Annotated[str, Field(min_length=1, max_length=200)]
    licences: Licences = OPEN
    department: Annotated[int, Field(ge=1)] | None = None
    medium: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    all_pictures: bool = False
    label: Label = "none"
    base_url: str = "https://collectionapi.metmuseum.org/public/collection/v1"
    requests_per_s: Annotated[float, Field(gt=0)] = Field(default=1.0, exclude=True)

    @field_validator("licences")
    @classmethod
    def _allow_the_only_one(cls, licences: Licences) -> Licences:
        if LICENCE.code not in licences:
            raise ValueError(f"the Met's pictures are {LICENCE.name} only; add {LICENCE.code}")
        return licences


class _Found(Reply):
    total: int
    object_ids: Annotated[tuple[int, ...], BeforeValidator(as_list)] = Field(alias="objectIDs")


class _Tag(Reply):
    term: Text = None


class _Object(Reply):
    object_id: int = Field(alias="objectID")
    is_public_domain: Any = Field(default=None, alias="isPublicDomain")
    picture: Url = Field(default=None, alias="primaryImage")
    more_pictures: Annotated[tuple[Url, ...], BeforeValidator(as_list)] = Field(
        default=(), alias="additionalImages"
    )
    page: Url = Field(default=None, alias="objectURL")
    author: Text = Field(default=None, alias="artistDisplayName")
    title: Text = None
    name: Text = Field(default=None, alias="objectName")
    classification: Text = None
    department: Text = None
    culture: Text = None
    tags: Annotated[tuple[_Tag, ...], BeforeValidator(as_mappings)] = ()


class Met(Listing):
    """The objects of one search, by their numbers; the details of a known one are not asked for."""

    def __init__(self, params: MetParams, network: "Network") -> None:
        self.params = params
        self._api = Api(network, params.base_url, per_s=params.requests_per_s)

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Twenty objects a page.

        Raises:
            StalePositionError: the position is none of this source.
            FetchError: the museum can't be asked, or not beyond the pages given so far.
        """
        after = start.get("after", -1)
        if not isinstance(after, int):
            raise StalePositionError("this is no position in a listing of the Met")
        found = await ask(self._api, "search", self._query(), _Found)
        ids = sorted(set(found.object_ids))
        missing = (
            [f"{found.total} objects found, but {len(ids)} are listed"]
            if found.total != len(ids)
            else []
        )
        todo = [id_ for id_ in ids if id_ > after and not known(str(id_))]
        gaps = Gaps()
        for first in range(0, max(len(todo), 1), PAGE):
            chunk = todo[first : first + PAGE]
            records: list[Record] = []
            for id_ in chunk:
                try:
                    records += self._records(await self._object(id_), id_=id_)
                except FetchError as error:
                    gaps.leave(f"object {id_}", error)
                    missing.append(f"object {id_} could not be had ({error.reason})")
                else:
                    gaps.close()
            is_last = first + PAGE >= len(todo)
            yield Page(
                records=tuple(records),
                position={} if is_last else {"after": chunk[-1]},
                is_last=is_last,
                problem="; ".join(missing) or None,
                total=len(ids),
            )
            missing.clear()

    def _query(self) -> dict[str, str | int]:
        query: dict[str, str | int] = {"hasImages": "true"}
        if self.params.department is not None:
            query["departmentId"] = self.params.department
        if self.params.medium is not None:
            query["medium"] = self.params.medium
        # As in the museum's own examples: after what narrows it.
        return {**query, "q": self.params.query}

    async def _object(self, id_: int) -> _Object | None:
        """An object; None if there is none of this number, which searches do list."""
        try:
            return await ask(self._api, f"objects/{id_}", {}, _Object)
        except FetchError as error:
            if error.status not in (404, 410):
                raise
            return None

    def _records(self, found: _Object | None, *, id_: int) -> list[Record]:
        if found is None:
            detail = "the museum gives no object of this number"
            return [Record(id=str(id_), url="", refused=("gone", detail))]
        record = Record(
            id=str(id_),
            url=found.picture or found.page or "",
            landing_page=found.page,
            author=found.author,
            title=found.title or found.name,
            tags=as_texts([tag.term for tag in found.tags]),
            label=None if self.params.label == "none" else getattr(found, self.params.label),
            group=str(id_),
        )
        if found.is_public_domain is not True:
            return [replace(record, refused=("licence", "not in the public domain"))]
        record = replace(record, licence=LICENCE.name, licence_url=LICENCE.url)
        if found.picture is None:
            return [replace(record, refused=("no_file", "no picture is given"))]
        if not self.params.all_pictures:
            return [record]
        more = dict.fromkeys(url for url in found.more_pictures if url not in (None, found.picture))
        names = {
            url: f"{id_}/{url.rpartition('/')[2]}" for url in islice(more, MAX_ADDITIONAL) if url
        }
        return [record, *(replace(record, id=name, url=url) for url, name in names.items())]
