"""How far a source has been listed: what was committed, and the progress since.

A full listing begins an epoch; later listings add to it what is new. The course that a version
was built with is among its files, so it moves in the very step that publishes the manifest. The
progress of a run lies beside the records and lets a killed run go on; it counts only on top of
the course that it began with.
"""

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from wunderkammer.params import Params, digest
from wunderkammer.sources.listing import Page
from wunderkammer.storage.store import Store


class Course(Params):
    """How far a source is listed.

    Attributes:
        query: the digest of what is asked for.
        epoch: the number of the full listing that the records belong to.
        origin: the position that the listing started from.
        position: where it goes on, or where the next one starts.
        started_at: when the listing began, ISO 8601.
        full_at: when the epoch's full listing began; None until it is whole.
        is_unfinished: the listing ended early and goes on at `position`.
        is_capped: it ended early since every place is taken, so that it may never be whole.
        has_gaps: something of the listing is missing; it is to be done again from `origin`.
        is_part: the source never shows all, so that listing it anew would tell nothing.
    """

    query: str
    epoch: int
    origin: dict[str, JsonValue]
    position: dict[str, JsonValue]
    started_at: str
    full_at: str | None
    is_unfinished: bool = False
    is_capped: bool = False
    has_gaps: bool = False
    is_part: bool = False

    @property
    def name(self) -> str:
        """Tells one course from another."""
        return digest(self.model_dump(mode="json"))

    def is_due(self, *, relist_days: float, at: datetime) -> bool:
        """Whether the source is to be listed from the beginning."""
        if self.full_at is None and not self.is_capped:
            return True
        if self.is_part:
            return False
        since = datetime.fromisoformat(self.full_at or self.started_at)
        return at - since >= timedelta(days=relist_days)


class Progress(Params):
    """A listing under way on top of the course called `base`."""

    base: str | None
    course: Course


class ProgressFile:
    """The progress beside a ledger of records."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    def read(self) -> Progress | None:
        """The progress that was last saved, or None."""
        content = self._store.find(self._key)
        # A power cut can leave the file without its bytes; the listing then starts from the course.
        return Progress.model_validate_json(content) if content else None

    def write(self, progress: Progress) -> None:
        """Save it."""
        self._store.write(self._key, progress.model_dump_json().encode())


def next_course(
    committed: Course | None,
    progress: Progress | None,
    *,
    query: str,
    relist_days: float,
    at: datetime,
) -> Course:
    """Where a listing that begins at `at` starts.

    Progress on top of `committed`, or a listing that ended early, goes on where it was; else what
    is new since `committed` is listed, or all of it anew where that is due. A listing that a cap
    has ended would never be whole, so that it is done anew when due too.
    """
    base = None if committed is None else committed.name
    if progress is not None and progress.base == base:
        return progress.course
    is_due = committed is None or committed.is_due(relist_days=relist_days, at=at)
    if committed is not None and committed.is_unfinished and not (committed.is_capped and is_due):
        return committed
    started_at = at.astimezone(UTC).isoformat()
    if committed is None or is_due:
        before = 0 if committed is None else committed.epoch
        # What a full listing with gaps has found stays; it is done again within its epoch.
        is_again = committed is not None and committed.full_at is None and not committed.is_capped
        epoch = before if is_again else before + 1
        return Course(
            query=query, epoch=epoch, origin={}, position={}, started_at=started_at, full_at=None
        )
    return Course(
        query=query,
        epoch=committed.epoch,
        origin=committed.position,
        position=committed.position,
        started_at=started_at,
        full_at=committed.full_at,
        is_part=committed.is_part,
    )


def after_page(course: Course, page: Page) -> Course:
    """The course after one more page."""
    has_gaps = course.has_gaps or page.problem is not None
    position = dict(page.position)
    if not page.is_last:
        return course.model_copy(
            update={"position": position, "is_unfinished": True, "has_gaps": has_gaps}
        )
    return course.model_copy(
        update={
            "position": course.origin if has_gaps else position,
            "full_at": course.full_at or (None if has_gaps else course.started_at),
            "is_unfinished": False,
            "has_gaps": False,
            "is_part": course.is_part or page.shows_part,
        }
    )
