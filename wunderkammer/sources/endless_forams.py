"""Endless Forams: microfossils under the microscope, a zip file ("capsule") of pictures a species.

Hsiang et al. 2019, Endless Forams: >34,000 modern planktonic foraminiferal images for taxonomic
training and automated species recognition, Paleoceanography and Paleoclimatology 34.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.container_params import ZipParams, without_containers
from wunderkammer.sources.licences import read_licence
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record
from wunderkammer.sources.replies import Reply, ask

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

AUTHOR = "Endless Forams (Hsiang et al. 2019)"
REQUESTS_PER_S = 0.5


class EndlessForamsParams(ZipParams, RemoteParams):
    """The pictures of the site's species; each is labelled with its species.

    `taxa` names the species that are wanted, else all are; of those with at least `min_images`
    pictures the `num_taxa` with the most are taken. `archive` is a capsule, or any zip or tar file
    of pictures, on this disk: then the site, which may be gone, is not asked, and the label of a
    picture is the species in its name, or in that of a folder around it (`Beella_digitata/1.jpg`).
    The site names no licence that could be confirmed; `licence` is the one that you have found, for
    the credits.
    """

    kind: Literal["endless_forams"]
    taxa: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    num_taxa: Annotated[int, Field(ge=1)] | None = None
    min_images: Annotated[int, Field(ge=1)] = 1
    archive: str | None = None
    licence: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    base_url: str = "http://endlessforams.org"

    def identity(self) -> dict[str, Any]:
        """What tells one query from another: how capsules are unpacked does not."""
        return without_containers(super().identity())


def _is_taxon(entry: dict[str, Any]) -> dict[str, Any]:
    name, amount = entry.get("sci_name"), entry.get("amount_images")
    if not isinstance(name, str) or not name.strip() or not isinstance(amount, int):
        raise ValueError("an entry is no name with its number of images")
    return entry


class _Summary(Reply):
    results: tuple[Annotated[dict[str, Any], AfterValidator(_is_taxon)], ...]


class EndlessForams(Listing):
    """A record for the capsule of each species.

    Its id is the species, so that its pictures keep their ids when there come to be more; its URL
    holds their number, so that it is fetched again then, and only then.
    """

    lists_all = True

    def __init__(self, params: EndlessForamsParams, network: "Network") -> None:
        self._params = params
        self._base_url = params.base_url.rstrip("/")
        self._api = Api(network, self._base_url, per_s=REQUESTS_PER_S)

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """One page: the site's summary.

        Raises:
            FetchError: it can't be had.
        """
        summary = await ask(self._api, "summary", {}, _Summary)
        amounts = {
            " ".join(entry["sci_name"].split()): entry["amount_images"]
            for entry in summary.results
            if entry["amount_images"] > 0
        }
        if not amounts:
            raise FetchError("bad_reply", "the summary names no species with pictures")
        chosen = chosen_taxa(amounts, self._params)
        missing = [taxon for taxon in self._params.taxa if taxon not in amounts]
        refused = ("unknown_taxon", "the site has no pictures of a species of this name")
        records = [
            *(self._record(taxon, amounts[taxon]) for taxon in chosen),
            *(replace(self._record(taxon, 0), refused=refused) for taxon in missing),
        ]
        yield Page(records=tuple(records), position={}, is_last=True, total=len(records))

    def _record(self, taxon: str, amount: int) -> Record:
        licence = read_licence(self._params.licence)
        path = f"randomizer/download/{quote(taxon)}/{amount}"
        return Record(
            id=taxon,
            url=f"{self._base_url}/{path}?download=capsule.zip",
            form="zip",
            landing_page=self._base_url,
            author=AUTHOR,
            licence=licence.name,
            licence_url=licence.url,
            title=taxon,
            label=taxon,
        )


def chosen_taxa(amounts: Mapping[str, int], params: EndlessForamsParams) -> list[str]:
    """The species that the section asks for, those with the most pictures first."""
    wanted = [
        taxon
        for taxon, amount in amounts.items()
        if amount >= params.min_images and (not params.taxa or taxon in params.taxa)
    ]
    return sorted(wanted, key=lambda taxon: (-amounts[taxon], taxon))[: params.num_taxa]
