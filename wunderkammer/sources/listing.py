"""What a source on the network gives: pages of records, and where to go on from."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

# Plain JSON, each source's own. Empty: from the very beginning.
Position = Mapping[str, JsonValue]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One file that a source lists, with its provenance.

    Attributes:
        id: names it: unique in its source, the same in every listing.
        url: where its bytes are; `other_urls` are tried in turn where it is gone (404, 410).
        form: "image", or a container whose pages or members are the images.
        num_bytes, md5, sha1: as published; a download that differs is refused and tried again.
        refused: a reason and a detail, if a rule of the section refuses it unseen (its licence,
            a restriction, …); it is counted and never downloaded.
        group: what must not be split between training and test (a gallery, a burst, a document).
        taken_at: ISO 8601, as far as the source tells.
    """

    id: str
    url: str
    other_urls: tuple[str, ...] = ()
    form: Literal["image", "pdf", "zip"] = "image"
    num_bytes: int | None = None
    md5: str | None = None
    sha1: str | None = None
    refused: tuple[str, str] | None = None
    landing_page: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    label: str | None = None
    group: str | None = None
    taken_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Records as they come, and the position after them.

    A listing killed after this page goes on from `position`. The last page has `is_last`; its
    position is where the next rescrape starts: the watermark less an overlap. `problem` says that
    something of the listing is missing (a page that failed, a total that differs from what was
    seen): the records count, but then nothing unlisted is taken for deleted, and the next rescrape
    starts from where this one started. A last page that `shows_part` ends a listing of what the
    source shows, which is never all: nothing unlisted is taken for deleted, ever.
    """

    records: tuple[Record, ...]
    position: Position
    is_last: bool = False
    problem: str | None = None
    shows_part: bool = False
    total: int | None = None


class Listing(ABC):
    """A source on the network, asked page by page.

    Attributes:
        lists_all: each listing gives every record: what it lacks is gone.
        obeys_robots: its files lie on anybody's pages, whose robots.txt is asked first.
        files_at_once: the most that its terms allow to be fetched at a time, None for any number.
    """

    lists_all = False
    obeys_robots = False
    files_at_once: int | None = None

    @staticmethod
    def outcome_key(record: Record) -> str:
        """What is remembered of a record's download goes by this: its URL, if that stays the same.

        Records of whatever source that have one key have the same bytes. Where it is not the URL,
        the landing page stands in the manifest in its place.
        """
        return record.url

    @abstractmethod
    def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages from `start` on; the last one has `is_last`.

        `known` tells whether a record of this id was listed before: its details need not be asked
        for again.

        Raises:
            StalePositionError: the source no longer knows the position.
            FetchError: nothing can be listed at all, or not beyond the pages given so far.
        """
        ...


class StalePositionError(Exception):
    """A position in a listing that the source has forgotten (an expired cursor)."""
