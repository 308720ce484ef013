"""The replies of GBIF, and what they say about each picture."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.replies import Reply, Text, Url, as_list, parse

Label = Literal[
    "none", "taxon", "species", "genus", "family", "order", "class", "phylum", "kingdom"
]


class Media(Reply):
    """A file of an occurrence, as its publisher describes it."""

    type: Text = None
    format: Text = None
    identifier: Url = None
    references: Url = None
    title: Text = None
    creator: Text = None
    rightsHolder: Text = None
    license: Text = None
    created: Text = None

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture, as far as it tells."""
        if self.type is None:
            return (self.format or "").startswith("image/")
        return self.type == "StillImage"


class Occurrence(Reply):
    """A specimen or an observation. The names at its ranks stand as far as it is identified."""

    key: int
    media: Annotated[tuple[Media, ...], BeforeValidator(as_list)] = ()
    references: Url = None
    license: Text = None
    rightsHolder: Text = None
    recordedBy: Text = None
    eventDate: Text = None
    scientificName: Text = None
    species: Text = None
    genus: Text = None
    family: Text = None
    order: Text = None
    class_: Text = Field(default=None, alias="class")
    phylum: Text = None
    kingdom: Text = None

    @property
    def pictures(self) -> list[Media]:
        """Those of its files that are pictures."""
        return [one for one in self.media if one.is_picture]

    def label(self, of: Label) -> str | None:
        """The name at a rank; None where it is not identified so far."""
        names = {
            "none": None,
            "taxon": self.scientificName,
            "species": self.species,
            "genus": self.genus,
            "family": self.family,
            "order": self.order,
            "class": self.class_,
            "phylum": self.phylum,
            "kingdom": self.kingdom,
        }
        return names[of]


class Count(Reply):
    """How many occurrences have a value."""

    name: str
    count: int


class Facet(Reply):
    """How many occurrences have each value of one parameter."""

    counts: tuple[Count, ...]


class Found(Reply):
    """A page of a search."""

    count: int
    endOfRecords: bool
    results: tuple[dict[str, Any], ...]


class Facets(Reply):
    """The facets that were asked for."""

    facets: Annotated[tuple[Facet, ...], Field(min_length=1)]


class Usage(Reply):
    """A name in a taxonomy, with the key of its taxon."""

    key: Text = None
    name: Text = None
    rank: Text = None


class Diagnostics(Reply):
    """How a name was matched, and to what else it might have been."""

    matchType: Text = None
    alternatives: Annotated[tuple["Match", ...], BeforeValidator(as_list)] = ()


class Match(Reply):
    """The taxon that a name was matched to."""

    usage: Usage | None = None
    acceptedUsage: Usage | None = None
    classification: Annotated[tuple[Usage, ...], BeforeValidator(as_list)] = ()
    diagnostics: Diagnostics = Field(default_factory=lambda: Diagnostics())

    def __str__(self) -> str:
        name = self.usage or Usage()
        above = ", ".join(one.name for one in self.classification[:-1] if one.name)
        return f"{name.key} = {name.rank} {name.name} ({above})"


def read_occurrence(occurrence: dict[str, Any]) -> Occurrence | None:
    """The occurrence; None if it can't be read."""
    try:
        return parse(Occurrence, occurrence)
    except FetchError:
        return None
