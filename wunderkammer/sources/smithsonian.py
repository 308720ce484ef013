"""The Smithsonian Institution's Open Access: pictures of the objects that a search finds.

Objects are listed with the newest first, by an offset. So when a whole listing was had before, it
is enough to go on until a page holds nothing new, and as many new objects were met as the total has
grown by. An object that was changed, and one that was added while another was taken away, is then
missed until the whole is listed again (`relist_days`); if the total has shrunk, it is at once.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import key_from_environment
from wunderkammer.sources.licences import Licences, read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.replies import (
    Gaps,
    Id,
    Reply,
    Text,
    Texts,
    Url,
    as_mappings,
    ask,
    licence_refusal,
    mapping_of,
    named_by,
    parse,
)

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

WHERE = "https://api.data.gov/signup/"
HIGH_RESOLUTION = "high-resolution jpeg"
# Of the many roles that names have in records, those that made the thing.
MAKERS = frozenset(
    {"artist", "author", "created by", "creator", "designed by", "designer", "made by", "maker"}
    | {"manufacturer", "photographer", "printmaker", "quilter"}
)
Label = Literal["none", "unit", "object_type"]


class SmithsonianParams(RemoteParams):
    """Pictures of Smithsonian objects whose licence is among `licences`, which is CC0 for all of
    Open Access.

    `query` takes the site's own syntax (`quilt AND topic:Textiles`); `units` are codes of museums
    (`CHNDM`, `NMAH`), `category` one of the site's three. With `max_side_px` the picture server
    scales down, else the large JPEG is fetched, which has tens of megapixels. The environment
    variable named by `key_env` holds a free key of api.data.gov, good for 1000 requests an hour
    (the key DEMO_KEY for 30: lower `requests_per_hour`).
    """

    kind: Literal["smithsonian"]
    query: Annotated[str, Field(min_length=1, max_length=500)]
    units: tuple[Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,40}$")], ...] = ()
    category: Literal["art_design", "history_culture", "science_technology"] | None = None
    licences: Licences = ("cc0",)
    max_side_px: Annotated[int, Field(ge=64, le=10_000)] | None = None
    label: Label = "none"
    base_url: str = "https://api.si.edu/openaccess/api/v1.0"
    key_env: str = Field(default="SMITHSONIAN_API_KEY", exclude=True)
    page_size: Annotated[int, Field(ge=1, le=1000)] = Field(default=100, exclude=True)
    requests_per_hour: Annotated[float, Field(gt=0)] = Field(default=1000.0, exclude=True)


class _Usage(Reply):
    access: Text = None


class _Resource(Reply):
    label: Text = None
    url: Url = None


class _Media(Reply):
    ids_id: Text = Field(default=None, alias="idsId")
    guid: Text = None
    type: Text = None
    content: Url = None
    usage: _Usage = _Usage()
    resources: Annotated[tuple[_Resource, ...], BeforeValidator(as_mappings)] = ()

    @property
    def large(self) -> str | None:
        """The URL of the large JPEG."""
        labelled = ((one.label or "", one.url) for one in self.resources)
        return next(
            (url for label, url in labelled if label.lower().startswith(HIGH_RESOLUTION)), None
        )


class _OnlineMedia(Reply):
    media: Annotated[tuple[_Media, ...], BeforeValidator(as_mappings)] = ()


class _Description(Reply):
    record_id: Text = Field(default=None, alias="record_ID")
    record_link: Url = None
    guid: Url = None
    data_source: Text = None
    online_media: Annotated[_OnlineMedia, BeforeValidator(mapping_of)] = _OnlineMedia()


class _Indexed(Reply):
    topic: Texts = ()
    object_type: Texts = ()


class _Name(Reply):
    label: Text = None
    content: Text = None


class _FreeText(Reply):
    name: Annotated[tuple[_Name, ...], BeforeValidator(as_mappings)] = ()


class _Content(Reply):
    description: Annotated[_Description, BeforeValidator(mapping_of)] = Field(
        default=_Description(), alias="descriptiveNonRepeating"
    )
    indexed: Annotated[_Indexed, BeforeValidator(mapping_of)] = Field(
        default=_Indexed(), alias="indexedStructured"
    )
    free_text: Annotated[_FreeText, BeforeValidator(mapping_of)] = Field(
        default=_FreeText(), alias="freetext"
    )


class _Object(Reply):
    id: Id
    title: Text = None
    unit: Text = Field(default=None, alias="unitCode")
    content: Annotated[_Content, BeforeValidator(mapping_of)] = _Content()

    @property
    def record_id(self) -> str:
        """The museum's own name of the record; the index gives another one now and then."""
        return self.content.description.record_id or self.id

    @property
    def author(self) -> str | None:
        """Who made the object, else the museum."""
        makers = (
            one.content
            for one in self.content.free_text.name
            if (one.label or "").lower() in MAKERS and one.content
        )
        return next(makers, self.content.description.data_source)


class _Found(Reply):
    rows: Annotated[tuple[_Object, ...], BeforeValidator(named_by("id"))]
    num_objects: int = Field(alias="rowCount")


class _Answer(Reply):
    response: _Found


class _Position(Reply):
    """Where a listing is.

    `total` is that of the last whole listing, `num_new` the objects of the present one, up to
    `offset`, that were not known.
    """

    offset: int = 0
    total: int | None = None
    num_new: int = 0

    def explains(self, total: int) -> bool:
        """Whether the objects that are new are all that the total has grown by."""
        return self.total is not None and 0 <= total - self.total <= self.num_new

    def position(self) -> Position:
        """As plain JSON."""
        return dict(self.model_dump(mode="json", exclude_defaults=True))


class Smithsonian(Listing):
    """The objects of one search, the newest first; each of their pictures is a record."""

    def __init__(
        self,
        params: SmithsonianParams,
        network: "Network",
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.params = params
        key = key_from_environment(
            params.key_env, what="a key of api.data.gov", where=WHERE, environ=environ
        )
        per_s = params.requests_per_hour / 3600
        self._api = Api(network, params.base_url, per_s=per_s, query={"api_key": key})

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of `page_size` objects.

        Raises:
            StalePositionError: the position is none of this source.
            FetchError: the site can't be asked, or not beyond the pages given so far.
        """
        try:
            at = parse(_Position, start)
        except FetchError as error:
            raise StalePositionError("this is no position in a listing of this source") from error
        gaps, listed = Gaps(), set[str]()
        is_last = False
        while not is_last:
            try:
                found = await self._ask(at.offset)
            except FetchError as error:
                gaps.leave(f"the page at {at.offset}", error)
                at = at.model_copy(update={"offset": at.offset + self.params.page_size})
                continue
            problem = gaps.close()
            if not found.rows and at.offset < found.num_objects:
                problem = f"{found.num_objects} objects found, but none at {at.offset}"
            objects = [self._records(one) for one in found.rows]
            num_new = sum(not all(known(one.id) for one in records) for records in objects)
            at = at.model_copy(
                update={"offset": at.offset + len(objects), "num_new": at.num_new + num_new}
            )
            is_end = not objects or at.offset >= found.num_objects
            is_last = is_end or (num_new == 0 and at.explains(found.num_objects))
            fresh = {one.id: one for records in objects for one in records if one.id not in listed}
            listed |= fresh.keys()
            yield Page(
                records=tuple(fresh.values()),
                position={"total": found.num_objects} if is_last else at.position(),
                is_last=is_last,
                problem=problem,
                total=found.num_objects,
            )

    async def _ask(self, offset: int) -> _Found:
        category = self.params.category
        query: dict[str, str | int] = {
            "q": self._query(),
            "start": offset,
            "rows": self.params.page_size,
            "sort": "newest",
        }
        path = "search" if category is None else f"category/{category}/search"
        try:
            return (await ask(self._api, path, query, _Answer, check=_raise_error)).response
        except FetchError as error:
            if error.status not in (401, 403) or error.may_pass:
                raise
            detail = f"the key in {self.params.key_env} is refused; you get one at {WHERE}"
            raise FetchError("key_refused", detail, status=error.status) from None

    def _query(self) -> str:
        parts = [f"({self.params.query})", 'online_media_type:"Images"']
        if self.params.units:
            units = " OR ".join(f'unit_code:"{unit}"' for unit in self.params.units)
            parts.append(f"({units})")
        return " AND ".join(parts)

    def _records(self, found: _Object) -> list[Record]:
        """A record a picture; one that is refused for an object without any."""
        description = found.content.description
        record = Record(
            id=found.record_id,
            url=description.record_link or description.guid or "",
            landing_page=description.record_link or description.guid,
            author=found.author,
            title=found.title,
            tags=found.content.indexed.topic,
            label=self._label(found),
            group=found.record_id,
        )
        media = description.online_media.media
        if not media:
            return [replace(record, refused=("no_file", "the record names no picture"))]
        numbered = enumerate(media, start=1)
        return [self._picture(record, one, number=number) for number, one in numbered]

    def _label(self, found: _Object) -> str | None:
        if self.params.label == "unit":
            return found.unit
        types = found.content.indexed.object_type
        return types[0] if self.params.label == "object_type" and types else None

    def _picture(self, record: Record, media: _Media, *, number: int) -> Record:
        licence = read_licence(media.usage.access)
        record = replace(
            record,
            id=f"{record.id}/{media.ids_id or media.guid or number}",
            licence=licence.name,
            licence_url=licence.url,
        )
        if media.type != "Images":
            return replace(record, refused=("not_a_picture", media.type or "no type"))
        urls = [url for url in (media.large, media.content) if url is not None]
        if not urls:
            return replace(record, refused=("no_file", "no URL is given"))
        refused = licence_refusal(licence, self.params.licences)
        side, scalable = self.params.max_side_px, media.content or ""
        if side is not None and "/deliveryService?" in scalable:
            urls = [f"{scalable}&max={side}"]
        return replace(record, url=urls[0], other_urls=tuple(urls[1:]), refused=refused)


def _raise_error(reply: Any) -> None:
    """Raise what a reply with the status 200 calls an error."""
    status = mapping_of(reply).get("status", 200)
    if status != 200:
        may_pass = status == 429 or not isinstance(status, int) or status >= 500
        raise FetchError("api_error", f"the reply's own status is {status}", may_pass=may_pass)
