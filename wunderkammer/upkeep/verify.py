"""Whether all that a store holds still has the bytes that it was written with."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

import pyarrow as pa
from pydantic import ValidationError

from wunderkammer.gan.checkpoints.archive import Facts
from wunderkammer.progress import track
from wunderkammer.stages import STAGES
from wunderkammer.storage.store import MissingObjectError, Store
from wunderkammer.storage.versions import MANIFEST, Record, version_name
from wunderkammer.upkeep.holdings import Holding, holdings, rows_of
from wunderkammer.upkeep.named import blobs_of_manifest, blobs_of_part

log = logging.getLogger(__name__)

Kind = Literal["damaged", "truncated", "missing"]
NUM_THREADS = 8
BATCH = 1000
_PLACES = {stage.name: place for place, stage in enumerate(STAGES)}
# By the hash of a blob: whose it is, and its size in bytes where that is known.
Wanted = dict[str, tuple[Holding, int | None]]


class NothingHeldError(LookupError):
    """The store holds nothing of a subject."""


@dataclass(frozen=True)
class Fault:
    """An object that is not as it was written, whose it is, and the version that it belongs to."""

    kind: Kind
    key: str
    detail: str
    holding: Holding | None = None
    record: Record | None = None

    @property
    def remedy(self) -> str:
        """What to run."""
        if self.holding is None:
            return "wunderkammer verify --mend"
        subject = self.holding.subject
        rescrape = "" if self.holding.is_derived else " --rescrape"
        return f"wunderkammer verify {subject} --mend && wunderkammer refresh {subject}{rescrape}"


@dataclass(frozen=True)
class Verified:
    """How many objects were looked at, and what is wrong with which."""

    num_objects: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class _Claim:
    """An object and the digits that its SHA-256 begins with."""

    key: str
    digits: str
    holding: Holding | None
    num_bytes: int | None = None


def verify(store: Store, *, subject: str | None = None) -> Verified:
    """Hash everything of a subject, or of all and every blob.

    Raises:
        NothingHeldError: the store holds nothing of this subject.
    """
    held = [h for h in holdings(store) if subject in (None, h.subject)]
    if subject is not None and not held:
        raise NothingHeldError(f"the store {store.location} holds nothing of {subject!r}")
    wanted = _wanted(held, store)
    missing = dict(wanted)
    claims = chain(
        *map(_parts, held),
        *(_tensors(holding, store) for holding in held),
        _blobs(store, wanted, missing, only=subject is not None),
    )
    faults: list[Fault] = []
    num_objects = 0
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for holding in held:
            for record in holding.records:
                num_objects += len(record.files)
                faults += _version(record, holding, store, pool)
        for some in track(_batches(claims), total=None, what="objects", log=log, size=len):
            num_objects += len(some)
            faults += filter(None, pool.map(lambda claim: _check(claim, store), some))
    faults += [
        Fault("missing", _blob_key(sha256), "no such object", holding)
        for sha256, (holding, _) in missing.items()
    ]
    return Verified(num_objects, tuple(faults))


def _wanted(held: list[Holding], store: Store) -> Wanted:
    """The blobs that finished rows name; of several stages, the one that made them."""
    found: Wanted = {}
    for holding in held:
        for _, content in rows_of(holding, store):
            _add(found, blobs_of_part, content, holding)
    for holding in sorted(held, key=lambda holding: _PLACES.get(holding.stage, 0)):
        for record in holding.records:
            manifest = store.find(_file_key(holding, record, MANIFEST))
            if manifest is not None:
                _add(found, blobs_of_manifest, manifest, holding)
    return found


def _add(
    found: Wanted,
    blobs_of: Callable[[bytes], Iterator[tuple[str, int | None]]],
    content: bytes,
    holding: Holding,
) -> None:
    try:
        for sha256, num_bytes in blobs_of(content):
            found.setdefault(sha256, (holding, num_bytes))
    except (pa.ArrowInvalid, OSError) as error:
        # It is found damaged by its hash too.
        log.warning("a table of %s can't be read: %s", holding.home, error)


def _version(
    record: Record, holding: Holding, store: Store, pool: ThreadPoolExecutor
) -> Iterator[Fault]:
    keys = [_file_key(holding, record, name) for name in record.files]
    found = dict(zip(record.files, pool.map(lambda key: _sha256(key, store), keys), strict=True))
    digests = {name: sha256 for name, sha256 in found.items() if sha256 is not None}
    for name in found.keys() - digests.keys():
        key = _file_key(holding, record, name)
        yield Fault("missing", key, "no such object", holding, record)
    if record.digests:
        for name in (name for name, sha256 in digests.items() if sha256 != record.digests[name]):
            key = _file_key(holding, record, name)
            yield Fault("damaged", key, f"it hashes to {digests[name]}", holding, record)
        return
    if len(digests) < len(found):
        return
    # Of before the digests were kept one by one.
    named = version_name(record.fingerprint, record.data_version, digests)
    if named != record.version:
        key = f"{holding.home}/versions/{record.version}"
        detail = f"one of its {len(found)} files has changed: together they hash to {named}"
        yield Fault("damaged", key, detail, holding, record)


def _parts(holding: Holding) -> Iterator[_Claim]:
    for entry in holding.parts:
        digits = entry.key.rpartition("/")[2].removesuffix(".parquet")
        yield _Claim(entry.key, digits, holding)


def _tensors(holding: Holding, store: Store) -> Iterator[_Claim]:
    for entry in chain.from_iterable(holding.runs.values()):
        if "/checkpoints/" not in entry.key or not entry.key.endswith(".json"):
            continue
        try:
            facts = Facts.model_validate_json(store.find(entry.key) or b"")
        except ValidationError:
            yield _Claim(entry.key, "", holding)
        else:
            yield _Claim(facts.tensors_key, facts.tensors_sha256, holding)


def _blobs(store: Store, wanted: Wanted, missing: Wanted, *, only: bool) -> Iterator[_Claim]:
    """Every blob, or `only` those wanted; each is taken out of `missing`."""
    for entry in store.entries("blobs"):
        sha256 = entry.key.rpartition("/")[2]
        holding, num_bytes = wanted.get(sha256, (None, None))
        missing.pop(sha256, None)
        if holding is not None or not only:
            yield _Claim(entry.key, sha256, holding, num_bytes)


def _check(claim: _Claim, store: Store) -> Fault | None:
    found = _sha256(claim.key, store)
    if found is None:
        # A part of a ledger goes when it is merged with others.
        is_part = claim.key.endswith(".parquet")
        return None if is_part else Fault("missing", claim.key, "no such object", claim.holding)
    if claim.digits and found.startswith(claim.digits):
        return None
    size = store.size(claim.key) or 0
    if size == 0 or (claim.num_bytes is not None and size < claim.num_bytes):
        detail = f"{size} bytes of {claim.num_bytes or 'some'}"
        return Fault("truncated", claim.key, detail, claim.holding)
    detail = f"{size} bytes that hash to {found}"
    return Fault("damaged", claim.key, detail, claim.holding)


def _sha256(key: str, store: Store) -> str | None:
    try:
        return store.sha256(key)
    except MissingObjectError:
        return None


def _file_key(holding: Holding, record: Record, name: str) -> str:
    return f"{holding.home}/versions/{record.version}/{name}"


def _blob_key(sha256: str) -> str:
    return f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _batches(claims: Iterator[_Claim]) -> Iterator[list[_Claim]]:
    while some := list(islice(claims, BATCH)):
        yield some
