"""From a `scrape` section to the source that it describes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wunderkammer.conduct.keys import MissingKeyError
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.params import ConductParams, MissingContactError, contact_of
from wunderkammer.harvest.course import Course
from wunderkammer.harvest.harvest import Harvest
from wunderkammer.harvest.line import NetworkLine
from wunderkammer.harvest.outcomes import Outcomes
from wunderkammer.scratch import held
from wunderkammer.sources.archive import Archive
from wunderkammer.sources.combine import Combine, Member
from wunderkammer.sources.commons import Commons, CommonsParams
from wunderkammer.sources.endless_forams import EndlessForams, EndlessForamsParams
from wunderkammer.sources.endless_forams_archive import Capsule
from wunderkammer.sources.flickr import Flickr, FlickrParams
from wunderkammer.sources.folder import Folder
from wunderkammer.sources.gbif import Gbif, GbifParams
from wunderkammer.sources.inaturalist import INaturalist, INaturalistParams
from wunderkammer.sources.instagram import Instagram, InstagramParams
from wunderkammer.sources.instaloader_folder import InstaloaderFolderParams
from wunderkammer.sources.instaloader_items import InstaloaderFolder
from wunderkammer.sources.internet_archive import InternetArchive, InternetArchiveParams
from wunderkammer.sources.item import LocalSource, Source, SourceError
from wunderkammer.sources.limits import RemoteParams, SourceLimits
from wunderkammer.sources.listing import Listing
from wunderkammer.sources.local import Local
from wunderkammer.sources.met import Met, MetParams
from wunderkammer.sources.openverse import Openverse, OpenverseParams
from wunderkammer.sources.params import (
    ArchiveParams,
    CombineParams,
    FolderParams,
    PatchworkParams,
    ScrapeParams,
    UrlsParams,
)
from wunderkammer.sources.patchwork import Patchwork
from wunderkammer.sources.reddit import Reddit, RedditParams
from wunderkammer.sources.smithsonian import Smithsonian, SmithsonianParams
from wunderkammer.sources.urls import Urls
from wunderkammer.storage.store import Store
from wunderkammer.subject import Subject

LISTINGS: dict[type[RemoteParams], Callable[[Any, Network], Listing]] = {
    CommonsParams: Commons,
    EndlessForamsParams: EndlessForams,
    FlickrParams: Flickr,
    GbifParams: Gbif,
    INaturalistParams: INaturalist,
    InstagramParams: Instagram,
    InternetArchiveParams: InternetArchive,
    MetParams: Met,
    OpenverseParams: Openverse,
    RedditParams: Reddit,
    SmithsonianParams: Smithsonian,
}


@dataclass(frozen=True)
class Surroundings:
    """What the sources of one subject share.

    Attributes:
        ledger: the key prefix of what is remembered between runs.
        courses: where each source on the network goes on, by its name.
        scratch: where files lie while they are fetched, and the journal of a run that was killed;
            for one run at a time.
    """

    subject: Subject
    store: Store
    ledger: str
    courses: Mapping[str, Course]
    scratch: Path


@contextmanager
def open_source(params: ScrapeParams, around: Surroundings) -> Iterator[Source]:
    """The source of a section, with its network while it is in use.

    Raises:
        SourceError: a key or a contact is missing, or another run is at it; nothing was asked for
            yet.
    """
    with ExitStack() as stack:
        try:
            source = _open(params, around, stack)
        except (MissingKeyError, MissingContactError) as error:
            raise SourceError(str(error)) from error
        yield source


@dataclass(frozen=True)
class _Connection:
    """What the sources on the network share in a run."""

    line: NetworkLine
    outcomes: Outcomes


def _open(params: ScrapeParams, around: Surroundings, stack: ExitStack) -> Source:
    name = params.kind
    if isinstance(params, CombineParams):
        return _combine(params, around, stack)
    if isinstance(params, RemoteParams) and not _is_local(params):
        return _harvest(name, params, around, _connected(params.conduct, around, stack))
    return Local(_local(params, around))


def _combine(params: CombineParams, around: Surroundings, stack: ExitStack) -> Source:
    connection: _Connection | None = None
    members = {}
    for name, member, weight in params.named():
        if isinstance(member, RemoteParams) and not _is_local(member):
            connection = connection or _connected(params.conduct, around, stack)
            member = member.model_copy(update={"conduct": params.conduct})
            source: Source = _harvest(name, member, around, connection)
        else:
            source = Local(_local(member, around))
        members[name] = Member(source, weight, member.max_images)
    return Combine(members)


def _connected(conduct: ConductParams, around: Surroundings, stack: ExitStack) -> _Connection:
    contact = contact_of(conduct)
    try:
        stack.enter_context(held(around.scratch))
    except BlockingIOError as error:
        name = around.subject.name
        raise SourceError(
            f"another scrape of {name!r} is under way, and works in {around.scratch}; "
            f"wait until it has ended, or end it"
        ) from error
    line = NetworkLine(conduct, contact=contact, scratch=around.scratch)
    stack.callback(line.close)
    outcomes = Outcomes(
        around.store, f"{around.ledger}/outcomes", journal=around.scratch / "outcomes.jsonl"
    )
    stack.callback(outcomes.close)
    return _Connection(line, outcomes)


def _harvest(
    name: str, params: RemoteParams, around: Surroundings, connection: _Connection
) -> Harvest:
    return Harvest(
        name,
        _listing(params, around, connection.line),
        params,
        store=around.store,
        ledger=around.ledger,
        outcomes=connection.outcomes,
        line=connection.line,
        committed=around.courses.get(name),
    )


def _listing(params: RemoteParams, around: Surroundings, line: NetworkLine) -> Listing:
    if isinstance(params, UrlsParams):
        return Urls(params, path=around.subject.resolve(params.path))
    return LISTINGS[type(params)](params, line.network)


def _is_local(params: SourceLimits) -> bool:
    return isinstance(params, EndlessForamsParams) and params.archive is not None


def _local(params: SourceLimits, around: Surroundings) -> LocalSource:
    if isinstance(params, PatchworkParams):
        return Patchwork(params)
    if isinstance(params, FolderParams):
        return Folder(params, root=around.subject.resolve(params.path))
    if isinstance(params, InstaloaderFolderParams):
        return InstaloaderFolder(params, root=around.subject.resolve(params.path))
    if isinstance(params, EndlessForamsParams):
        assert params.archive is not None
        path = around.subject.resolve(params.archive)
        return Capsule(params, path=path, store=around.store, ledger=around.ledger)
    assert isinstance(params, ArchiveParams)
    path = around.subject.resolve(params.path)
    return Archive(params, path=path, store=around.store, ledger=around.ledger)
