"""What every source gives: items with their provenance, whose bytes a worker process reads."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
        url: where it was found, and so on: provenance, None where the source has none.
        label: the class of a conditional training, None where there is none.
        group: what must not be split between training and test, None where there is none.
    """

    id: str
    key: str
    url: str | None = None
    landing_page: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    title: str | None = None
    label: str | None = None
    group: str | None = None

    @abstractmethod
    def read(self) -> bytes:
        """The whole content; runs in a worker process.

        Raises:
            UnreadableItemError: this item's bytes can't be had; the others are not concerned.
        """


PROVENANCE = (
    "url",
    "landing_page",
    "author",
    "licence",
    "licence_url",
    "title",
    "label",
    "group",
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
    fetched_at: str

    def read(self) -> bytes:
        """The blob's bytes.

        Raises:
            MissingObjectError: somebody has deleted the blob.
        """
        return Blobs(self.store).get(self.sha256)


class Source(Protocol):
    """A place that lists items, always in the same order."""

    def items(self) -> Sequence[SourceItem]:
        """Every item, those refused before reading as `RefusedItem`.

        Raises:
            SourceError: the source as a whole can't be read.
        """
        ...

    def bring(self, items: Sequence[SourceItem]) -> Sequence[SourceItem]:
        """The same items in the same order, their bytes within reach of the workers.

        What only one process can get at (a network with its rates) is fetched here, so that only
        what is wanted is fetched; an item that can't be had comes back as a `RefusedItem`.
        """
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
