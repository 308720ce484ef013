"""The decisions of a subject in the store, append-only.

    subjects/<subject>/decisions/<writer>-<segment>.jsonl     a line a decision

Each process writes objects of its own and none of another's, so two reviewers at once never lose a
decision; nothing is merged or deleted. On a disk a segment grows by appending, synced before
`append` returns; in an object store, which can't append, the small segment is put again, whole.
"""

import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from wunderkammer.params import digest
from wunderkammer.review.decision import Decision
from wunderkammer.storage.store import Store

# What an object store takes again and again is at most some 100 kB.
SEGMENT_ROWS = 128

log = logging.getLogger(__name__)


def decisions_prefix(subject: str) -> str:
    """Where the decisions of a subject lie, beside its stages: no rescrape touches them."""
    return f"subjects/{subject}/decisions"


def has_decisions(store: Store, subject: str) -> bool:
    """Whether anything was ever decided of a subject, taken back since or not."""
    return any(True for _ in store.keys(decisions_prefix(subject)))


def decisions_version(store: Store, subject: str, *, quiet_s: float = 0.0) -> str | None:
    """A digest that changes whenever a decision is added; it costs one listing, and reads nothing.

    None while the newest decision is younger than `quiet_s`: who is still deciding should not set
    off a training at every key.
    """
    found = store.listed(decisions_prefix(subject))
    if quiet_s:
        recent = datetime.now(UTC) - timedelta(seconds=quiet_s)
        if any(modified > recent for _, modified in found.values()):
            return None
    return digest(sorted((key.rpartition("/")[2], size) for key, (size, _) in found.items()))


def read_decisions(store: Store, subject: str) -> list[Decision]:
    """All decisions of a subject, each once, in no particular order."""
    return Journal(store, subject).refresh()


class Journal:
    """Reads the decisions of all processes, and appends those of this one."""

    def __init__(self, store: Store, subject: str) -> None:
        self.store = store
        self.subject = subject
        self._sizes: dict[str, int] = {}
        self._read_to: dict[str, int] = {}
        self._known: set[str] = set()
        self._writer = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"
        self._num_segments = 0
        self._segment: list[bytes] = []

    def refresh(self) -> list[Decision]:
        """The decisions that no earlier call of this journal has returned."""
        new: list[Decision] = []
        for key, (size, _) in sorted(self.store.listed(decisions_prefix(self.subject)).items()):
            if self._sizes.get(key) != size:
                content = self.store.read(key)
                self._sizes[key] = len(content)
                new += self._unknown(self._lines(key, content))
        return new

    def append(self, decisions: Sequence[Decision]) -> None:
        """Keep decisions; when it returns, they survive a kill and (on a disk) a power cut.

        Raises:
            OSError: they can't be written; they may be appended again.
        """
        lines = [decision.model_dump_json(exclude_defaults=True).encode() for decision in decisions]
        if not self._segment or len(self._segment) >= SEGMENT_ROWS:
            self._begin_segment()
        try:
            self._write(lines)
        except OSError:
            # It may end in half a line, which only ever ends a segment.
            self._segment = []
            raise
        self._segment += lines
        self._known.update(decision.id for decision in decisions)

    def _begin_segment(self) -> None:
        self._num_segments += 1
        self._segment = []

    def _write(self, lines: Sequence[bytes]) -> None:
        name = f"{self._writer}-{self._num_segments:06}.jsonl"
        key = f"{decisions_prefix(self.subject)}/{name}"
        path = self.store.path(key)
        if path is None:
            self.store.write(key, _joined([*self._segment, *lines]))
        else:
            _append_synced(path, _joined(lines))

    def _lines(self, key: str, content: bytes) -> list[bytes]:
        """The whole lines that were not yet read; half a line is still being written, or torn."""
        start = self._read_to.get(key, 0)
        end = content.rfind(b"\n", start) + 1
        if end == 0:
            return []
        self._read_to[key] = end
        return content[start:end].splitlines()

    def _unknown(self, lines: Iterable[bytes]) -> list[Decision]:
        new = []
        for line in lines:
            try:
                decision = Decision.model_validate_json(line)
            except ValidationError as error:
                log.warning(
                    "a damaged decision on %s is ignored: %r (%s)", self.subject, line[:80], error
                )
                continue
            if decision.id not in self._known:
                self._known.add(decision.id)
                new.append(decision)
        return new


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _append_synced(path: Path, content: bytes) -> None:
    is_new = not path.exists()
    if is_new:
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    if is_new:
        for folder in (path.parent, path.parent.parent):
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
