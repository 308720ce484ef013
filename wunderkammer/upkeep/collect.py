"""What nothing in a store references any more, and its removal (docs/decisions/0010).

Versions go whose stage has newer ones, and that none which stays was built from; then trainings
that were given up; then rows of ledgers, and last the blobs that nothing names. Whatever is younger
than the time of grace stays, and so does all of a subject of which a run is under way.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from time import time
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from wunderkammer.storage.blobs import FRESH_S
from wunderkammer.storage.lease import Lease
from wunderkammer.storage.store import Entry, Store
from wunderkammer.storage.tables import from_parquet, to_parquet
from wunderkammer.upkeep.hashes import Hashes, among, links, of_names
from wunderkammer.upkeep.holdings import Holding, holdings, of_subjects, rows_of
from wunderkammer.upkeep.marks import Renew, live_blobs, retained

Item = TypeVar("Item")

MIN_GRACE_S = 2 * FRESH_S
BATCH = 1000
TRAJECTORY = re.compile(rb'"trajectory": ?"([^"]+)"')


@dataclass(frozen=True)
class Lot:
    """Objects that go together: a version, a training, or what killed writes have left.

    `record_key` is the record that names them, which goes before them.
    """

    what: str
    name: str
    entries: tuple[Entry, ...]
    record_key: str | None = None

    @property
    def num_bytes(self) -> int:
        """What they take."""
        return sum(entry.num_bytes for entry in self.entries)


@dataclass(frozen=True)
class Garbage:
    """All that would go, and why some does not.

    `stages` are the derived ones whose ledgers may name blobs that go.
    """

    lots: tuple[Lot, ...]
    blobs: tuple[Entry, ...]
    stages: tuple[Holding, ...]
    notes: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """What it takes."""
        return sum(lot.num_bytes for lot in self.lots) + sum(b.num_bytes for b in self.blobs)


def collect(store: Store, *, keep: int, grace_s: float, at: float | None = None) -> Garbage:
    """Remove what nothing references; killed at any instant, it leaves a store that is whole.

    The arguments and errors are those of `find_garbage`.

    Raises:
        LeaseError: another process removes from this store.
    """
    with Lease(store) as lease:
        garbage = find_garbage(store, keep=keep, grace_s=grace_s, at=at, renew=lease.renew)
        for lot in garbage.lots:
            lease.renew()
            if lot.record_key is not None:
                store.delete(lot.record_key)
            # The facts of a checkpoint name its tensors, so they go first.
            keys = sorted((e.key for e in lot.entries), key=lambda key: not key.endswith(".json"))
            for some in _batches(keys):
                lease.renew()
                store.delete_all(some)
        # No row may name a blob that is gone.
        gone = np.sort(_hashes(garbage.blobs))
        for holding in garbage.stages:
            drop_rows(holding, gone, store, renew=lease.renew)
        for some in _batches([entry.key for entry in garbage.blobs]):
            lease.renew()
            store.delete_all(some)
    return garbage


def find_garbage(
    store: Store,
    *,
    keep: int,
    grace_s: float,
    at: float | None = None,
    renew: Renew = lambda: None,
) -> Garbage:
    """What would go now.

    Args:
        keep: versions that stay of each stage, besides the one in force.
        grace_s: what was written or taken out of force more recently stays; at least MIN_GRACE_S.
        at: the time, in seconds since 1970, if it is not now.
        renew: called now and then.

    Raises:
        ValueError: `keep` or `grace_s` is out of range.
    """
    _check(keep, grace_s)
    since = (time() if at is None else at) - grace_s
    subjects = of_subjects(holdings(store))
    kept = {name: retained(stages.values(), keep=keep) for name, stages in subjects.items()}
    live = live_blobs(subjects, kept, store, since=since, renew=renew)
    lots, quiet, notes = list[Lot](), list[Holding](), list[str]()
    for name, stages in subjects.items():
        notes += [_note(h) for h in stages.values() if h.is_running or h.is_interrupted]
        if any(holding.is_running for holding in stages.values()):
            continue
        for holding in stages.values():
            lots += _versions(holding, kept[name][holding.stage], since=since)
            lots += _runs(holding, kept[name][holding.stage], store, since=since)
            if holding.is_derived and holding.attempt is None:
                quiet.append(holding)
    unfinished = tuple(entry for entry in store.unfinished() if entry.modified < since)
    if unfinished:
        lots.append(Lot("unfinished write", "of killed processes", unfinished))
    blobs = _dead_blobs(store, live, before=_blob_limit([*subjects.values()], since), renew=renew)
    return Garbage(tuple(lots), blobs, tuple(quiet), tuple(notes))


def drop_rows(holding: Holding, gone: Hashes, store: Store, *, renew: Renew) -> int:
    """Take the rows out of its ledgers that name one of these blobs; returns how many they were.

    The part without them lands before the one with them goes.
    """
    num_dropped = 0
    for entry, content in rows_of(holding, store):
        renew()
        doomed = _doomed(content, gone)
        if not doomed.any():
            continue
        left = from_parquet(content).filter(pa.array(~doomed))
        if left.num_rows:
            part = to_parquet(left)
            folder = entry.key.rpartition("/")[0]
            store.write(f"{folder}/{hashlib.sha256(part).hexdigest()[:32]}.parquet", part)
        store.delete(entry.key)
        num_dropped += int(doomed.sum())
    return num_dropped


def _check(keep: int, grace_s: float) -> None:
    if keep < 0:
        raise ValueError(f"keep={keep} is not allowed: at least 0")
    if grace_s < MIN_GRACE_S:
        raise ValueError(
            f"a grace of {grace_s / 3600:g} hours is not allowed: at least {MIN_GRACE_S / 3600:g}, "
            f"since a run may be about to name what it has written"
        )


def _doomed(content: bytes, gone: Hashes) -> npt.NDArray[np.bool_]:
    num_rows = pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows
    doomed = np.zeros(num_rows, np.bool_)
    for rows, hashes in links(content):
        doomed[rows[among(hashes, gone)]] = True
    return doomed


def _note(holding: Holding) -> str:
    attempt = holding.attempt
    assert attempt is not None
    what = f"{holding.stage} of {holding.subject!r}"
    if not holding.is_running:
        return (
            f"a run of {what} was killed: blobs since {attempt.started_at} stay until "
            f"`wunderkammer refresh {holding.subject}` has gone on from there"
        )
    where = f"since {attempt.started_at} in process {attempt.pid} on {attempt.host}"
    hint = (
        "" if attempt.is_of_this_host else f"; if it is no more, delete {holding.home}/attempt.json"
    )
    return f"{what} runs {where}: all of {holding.subject!r} stays{hint}"


def _versions(holding: Holding, kept: frozenset[str], *, since: float) -> Iterator[Lot]:
    # Someone may still read what has only just been replaced.
    if holding.in_force_since >= since:
        return
    named = {record.version: record for record in holding.records}
    for version in sorted({*holding.versions, *named} - kept):
        entries = tuple(holding.versions.get(version, ()))
        if any(entry.modified >= since for entry in entries):
            continue
        record = named.get(version)
        key = None if record is None else f"{holding.home}/built/{record.fingerprint}.json"
        yield Lot("version", f"{holding.subject}/{holding.stage}/{version}", entries, key)


def _runs(holding: Holding, kept: frozenset[str], store: Store, *, since: float) -> Iterator[Lot]:
    """Trainings that none of the kept versions came from and that nobody is about to go on with."""
    used = set()
    for entry in (e for version in kept for e in holding.versions.get(version, ())):
        if entry.key.endswith(".json"):
            used |= {name.decode() for name in TRAJECTORY.findall(store.find(entry.key) or b"")}
    for name, entries in sorted(holding.runs.items()):
        newest = max(entry.modified for entry in entries)
        # A stopped one goes on where it was; unless another has come to its end since.
        is_stopped = holding.attempt is not None and newest >= holding.in_force_since
        if name not in used and newest < since and not is_stopped:
            yield Lot("training", f"{holding.subject}/{holding.stage}/{name}", tuple(entries))


def _blob_limit(subjects: Sequence[dict[str, Holding]], since: float) -> float:
    """Blobs that were written since this moment stay.

    A run names its blobs when it has many of them; a killed one leaves some in a journal.
    """
    starts = [
        holding.started - FRESH_S
        for stages in subjects
        for holding in stages.values()
        if holding.is_running or holding.is_interrupted
    ]
    return min([since, *starts])


def _dead_blobs(store: Store, live: Hashes, *, before: float, renew: Renew) -> tuple[Entry, ...]:
    dead: list[Entry] = []
    old = (entry for entry in store.entries("blobs") if entry.modified < before)
    for some in _batches(old):
        renew()
        is_live = among(_hashes(some), live)
        dead += [entry for entry, lives in zip(some, is_live, strict=True) if not lives]
    return tuple(dead)


def _hashes(blobs: Sequence[Entry]) -> Hashes:
    return of_names([entry.key.rpartition("/")[2] for entry in blobs])


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while some := list(islice(rest, BATCH)):
        yield some
