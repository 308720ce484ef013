"""What every source gives: items with their provenance, whose bytes a worker process reads."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
from pydantic import JsonValue

from wunderkammer.sources.places import Places
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store


class UnreadableItemError(Exception):
    """The bytes of one item can't be had; `reason` is a short code, `detail` is for a person."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class SourceItem(ABC):
    """One file that a source lists. A subclass is frozen, picklable, and says how to read it.

    Attributes:
        id: names the item in the manifest: unique in its source, the same in every listing.
        key: names its content in the ledger: another one when the content may have changed.
        source: the kind or the name of its source, where a subject has several.
        url: where it was found, and so on: provenance, None where the source has none.
        label: the class of a conditional training, None where there is none.
        group: what must not be split between training and test, None where there is none.
        taken_at: when the picture was made, ISO 8601.
        fetched_at: when its bytes were had, None before they are.
        headers: JSON of the response headers that matter.
    """

    id: str
    key: str
    source: str | None = None
    url: str | None = None
    landing_page: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    title: str | None = None
    tags: tuple[str, ...] | None = None
    label: str | None = None
    group: str | None = None
    taken_at: str | None = None
    fetched_at: str | None = None
    headers: str | None = None

    @abstractmethod
    def read(self) -> bytes:
        """The whole content; runs in a worker process.

        Raises:
            UnreadableItemError: this item's bytes can't be had; the others are not concerned.
        """


PROVENANCE = (
    "source",
    "url",
    "landing_page",
    "author",
    "licence",
    "licence_url",
    "title",
    "tags",
    "label",
    "group",
    "taken_at",
)


def provenance(item: SourceItem) -> dict[str, Any]:
    """The id and the provenance of an item, for another one that stands in its place."""
    return {name: getattr(item, name) for name in ("id", *PROVENANCE)}


@dataclass(frozen=True, kw_only=True)
class RefusedItem(SourceItem):
    """An item that the source refused before reading it: a link, a file beyond a cap, …"""

    key: str = ""
    reason: str
    detail: str = ""

    def read(self) -> bytes:
        """Never has bytes.

        Raises:
            UnreadableItemError: always.
        """
        raise UnreadableItemError(self.reason, self.detail)


@dataclass(frozen=True, kw_only=True)
class BlobItem(SourceItem):
    """An item whose bytes lie in the store already."""

    store: Store
    sha256: str

    def read(self) -> bytes:
        """The blob's bytes.

        Raises:
            MissingObjectError: somebody has deleted the blob.
        """
        return Blobs(self.store).get(self.sha256)


class LocalSource(Protocol):
    """A place that lists items, always in the same order, whose bytes any worker can read."""

    def items(self) -> Sequence[SourceItem]:
        """Every item, those refused before reading as `RefusedItem`.

        Raises:
            SourceError: the source as a whole can't be read.
        """
        ...


@dataclass(frozen=True)
class SourceReport:
    """What a source tells after its last batch.

    Attributes:
        num_listed: items that it lists now.
        is_gone: tells of the id of an item of now or of before whether the source has lost it.
        problems: what went wrong with the source as a whole, a sentence each.
        measures: figures of the scrape (downloads, bytes, …).
        courses: where the next scrape goes on, by the name of each source on the network.
    """

    num_listed: int
    is_gone: Callable[[str], bool]
    problems: tuple[str, ...] = ()
    measures: Mapping[str, int] = field(default_factory=dict)
    courses: Mapping[str, JsonValue] = field(default_factory=dict)


class Source(Protocol):
    """A place that gives items in batches, none beyond the places that are free."""

    def batches(
        self, places: Places, *, taken: frozenset[str]
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        """Items within reach of the workers; None where none is ready yet.

        Each item has taken one of `places`; items of an id in `taken` come first.

        Raises:
            SourceError: the source as a whole can't be read.
        """
        ...

    def decided(self, rows: pa.Table) -> None:
        """Learn what became of items: rows of the manifest."""
        ...

    def report(self) -> SourceReport:
        """What there is to tell after the last batch."""
        ...


class SourceError(RuntimeError):
    """A source that can't be read at all, or that holds nothing; the message names the remedy."""


def printable(name: str) -> str:
    r"""`name` as text that any terminal, file and Arrow column can hold; distinct for each name.

    A backslash is doubled, an undecodable byte (a surrogate of `os.fsdecode`) becomes `\xNN`, any
    other unprintable character `\uNNNN` or `\UNNNNNNNN`.
    """
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(map(_escaped, name))


def _escaped(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
