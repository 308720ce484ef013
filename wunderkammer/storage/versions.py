"""Finished outputs of the stages: immutable versions, and one pointer a stage and subject.

Layout below the store's root:

    subjects/<subject>/<stage>/current.json               the pointer: the record in force
    subjects/<subject>/<stage>/attempt.json               the run under way, or the one that failed
    subjects/<subject>/<stage>/built/<fingerprint>.json   every record, by what it was built from
    subjects/<subject>/<stage>/versions/<version>/…       manifest.parquet and the other files
    subjects/<subject>/<stage>/{ledger,checked}/…         per-image results (storage/ledger.py)

Everything of a version is written before a record names it, and `current.json` is replaced in one
step, so a reader sees the old version or the new one, whole. docs/storage.md tells of the rest.
"""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, JsonValue

from wunderkammer.params import Params
from wunderkammer.storage.lease import Holder
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import from_parquet, to_parquet

MANIFEST = "manifest.parquet"

log = logging.getLogger(__name__)


class Summary(Params):
    """What a person wants to know of a version at a glance."""

    num_in: int = 0
    num_out: int = 0
    rejections: dict[str, int] = Field(default_factory=dict)
    timings_s: dict[str, float] = Field(default_factory=dict)
    measures: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """What a stage has built and not yet published.

    `data_version` hashes the content that downstream stages read, nothing else (no times, no
    rejected rows): equal content, equal data version. `files` are bytes, or files to be copied in.
    `scratch` is a folder of the latter that goes when the draft is published, or can't be.
    """

    data_version: str
    summary: Summary
    manifest: pa.Table | None = None
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    scratch: Path | None = None


class Record(Params):
    """A finished version: what it was built from, its content's hash, and where its files are.

    `digests` has the SHA-256 of each file; versions of before it was kept have none. `tries` is how
    often it was built from the same inputs because some pictures had failed in passing.
    """

    subject: str
    stage: str
    version: str
    data_version: str
    fingerprint: str
    code_version: str
    sections: dict[str, dict[str, Any]]
    upstreams: dict[str, str]
    files: tuple[str, ...]
    digests: dict[str, str] = Field(default_factory=dict)
    summary: Summary
    created_at: str
    tries: int = 1


class Attempt(Holder):
    """A run of a stage that has started and not succeeded."""

    fingerprint: str
    started_at: str
    error: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process lives (a process of another host is taken at its word)."""
        return self.error is None and (not self.is_of_this_host or self.lives)

    @property
    def failure(self) -> str | None:
        """Why it failed, or None while it runs."""
        if self.is_running:
            return None
        return self.error or f"interrupted: its process {self.pid} on {self.host} is gone"


class Versions:
    """The versions of all stages and subjects in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @staticmethod
    def home(subject: str, stage: str) -> str:
        """The key prefix of a stage of a subject."""
        return f"subjects/{subject}/{stage}"

    def current(self, subject: str, stage: str) -> Record | None:
        """The version in force, or None if the stage was never built."""
        return self._record(f"{self.home(subject, stage)}/current.json")

    def records(self, subject: str, stage: str) -> list[Record]:
        """All finished versions, the newest first; the one in force is among them."""
        keys = self.store.keys(f"{self.home(subject, stage)}/built")
        found = [self.current(subject, stage), *map(self._record, keys)]
        distinct = {r.version: r for r in found if r is not None}
        return sorted(distinct.values(), key=lambda record: record.created_at, reverse=True)

    def built(self, subject: str, stage: str, fingerprint: str) -> Record | None:
        """The newest version that was built from exactly this, or None."""
        return self._record(f"{self.home(subject, stage)}/built/{fingerprint}.json")

    def with_content(self, subject: str, stage: str, data_version: str) -> Record | None:
        """The newest version that is recorded with this content, or None."""
        records = self.records(subject, stage)
        return next((r for r in records if r.data_version == data_version), None)

    def commit(self, record: Record, draft: Draft, *, attempt: Attempt | None = None) -> Record:
        """Publish `draft`: its files, then `record` completed with them, then the pointer.

        The pointer stays where it is if another run, of another recipe, began after `attempt`.
        """
        try:
            return self._publish(record, draft, attempt)
        finally:
            if draft.scratch is not None:
                shutil.rmtree(draft.scratch)

    def _publish(self, record: Record, draft: Draft, attempt: Attempt | None) -> Record:
        files: dict[str, bytes | Path] = dict(draft.files)
        if draft.manifest is not None:
            files[MANIFEST] = to_parquet(draft.manifest)
        digests = {name: _sha256(content) for name, content in sorted(files.items())}
        version = version_name(record.fingerprint, draft.data_version, digests)
        home = self.home(record.subject, record.stage)
        for name, content in files.items():
            self.store.write(f"{home}/versions/{version}/{name}", content)
        done = record.model_copy(
            update={"version": version, "files": tuple(digests), "digests": digests}
        )
        self.store.settle()
        self.store.write(f"{home}/built/{done.fingerprint}.json", _json(done))
        if attempt is None or self._is_latest(attempt, record):
            self.restore(done)
        else:
            log.warning("%s of %s was overtaken by a newer run", record.stage, record.subject)
        return done

    def _is_latest(self, attempt: Attempt, record: Record) -> bool:
        latest = self.attempt(record.subject, record.stage)
        if latest is not None:
            return latest.fingerprint == attempt.fingerprint
        # The note is gone: whoever began later has finished.
        current = self.current(record.subject, record.stage)
        return current is None or current.fingerprint == attempt.fingerprint

    def restore(self, record: Record) -> None:
        """Point at a finished version."""
        home = self.home(record.subject, record.stage)
        self.store.write(f"{home}/current.json", _json(record))
        self.store.settle()

    def key(self, record: Record, name: str) -> str:
        """The key of one file of a version."""
        return f"{self.home(record.subject, record.stage)}/versions/{record.version}/{name}"

    def read(self, record: Record, name: str) -> bytes:
        """The bytes of one file of a version."""
        return self.store.read(self.key(record, name))

    def manifest(self, record: Record) -> pa.Table:
        """The version's manifest, a row an image."""
        return from_parquet(self.read(record, MANIFEST))

    def begin(self, subject: str, stage: str, fingerprint: str) -> Attempt:
        """Note that this process starts to build; a SIGKILL leaves the note behind."""
        attempt = Attempt(fingerprint=fingerprint, started_at=now(), **Holder.facts())
        self.store.write(f"{self.home(subject, stage)}/attempt.json", _json(attempt))
        return attempt

    def fail(self, subject: str, stage: str, attempt: Attempt, error: str) -> None:
        """Note why the attempt failed, unless the note is a newer run's."""
        if not self._is_overtaken(subject, stage, attempt.fingerprint):
            failed = attempt.model_copy(update={"error": error})
            self.store.write(f"{self.home(subject, stage)}/attempt.json", _json(failed))

    def succeed(self, subject: str, stage: str, fingerprint: str) -> None:
        """Remove the note, unless it is a newer run's."""
        if not self._is_overtaken(subject, stage, fingerprint):
            self.store.delete(f"{self.home(subject, stage)}/attempt.json")

    def _is_overtaken(self, subject: str, stage: str, fingerprint: str) -> bool:
        latest = self.attempt(subject, stage)
        return latest is not None and latest.fingerprint != fingerprint and latest.is_running

    def disown(self, record: Record, fault: str) -> None:
        """Show a finished version that turned out faulty as failed; the next run builds anew.

        Its per-image results go too: they would bring the same fault back.
        """
        home = self.home(record.subject, record.stage)
        self.store.delete(f"{home}/built/{record.fingerprint}.json")
        for key in [*self.store.keys(f"{home}/ledger"), *self.store.keys(f"{home}/checked")]:
            self.store.delete(key)
        self._note_failure(record, fault)

    def doubt(self, record: Record, fault: str) -> None:
        """As `disown`, but what was made of single images and is whole is not made again."""
        home = self.home(record.subject, record.stage)
        self.store.delete(f"{home}/built/{record.fingerprint}.json")
        self._note_failure(record, fault)

    def _note_failure(self, record: Record, fault: str) -> None:
        attempt = self.begin(record.subject, record.stage, record.fingerprint)
        self.fail(record.subject, record.stage, attempt, fault)

    def attempt(self, subject: str, stage: str) -> Attempt | None:
        """The run under way or the one that failed, or None if the last one succeeded."""
        content = self.store.find(f"{self.home(subject, stage)}/attempt.json")
        return None if content is None else Attempt.model_validate_json(content)

    def _record(self, key: str) -> Record | None:
        content = self.store.find(key)
        return None if content is None else Record.model_validate_json(content)


def version_name(fingerprint: str, data_version: str, digests: Mapping[str, str]) -> str:
    """The name of a version: a digest of what it was built from and of its files' SHA-256."""
    named = (fingerprint, data_version, dict(sorted(digests.items())))
    return _sha256(repr(named).encode())[:16]


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _json(value: Params) -> bytes:
    return value.model_dump_json(indent=1).encode()


def _sha256(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
