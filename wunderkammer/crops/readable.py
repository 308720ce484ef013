"""The check that every kept crop can be read."""

import logging
from functools import partial
from typing import Any

import pyarrow as pa

from wunderkammer.images.decode import DecodeError, probe
from wunderkammer.ledger_map import map_ledgered
from wunderkammer.manifests import kept
from wunderkammer.stages import FILTERED_CROPS
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import MissingObjectError, Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject
from wunderkammer.workers import Casualty

CHECKED = pa.schema([("key", pa.string()), ("reason", pa.string())])

log = logging.getLogger(__name__)


def check_crops_readable(subject: Subject, store: Store) -> str | None:
    """Which kept crops of the version in force can't be read, or None. Looks at new ones only."""
    versions = Versions(store)
    record = versions.current(subject.name, FILTERED_CROPS.name)
    if record is None:
        return f"filtered_crops of {subject.name!r} was never built"
    crops = kept(versions.manifest(record))["crop_sha256"].unique().to_pylist()
    home = versions.home(subject.name, FILTERED_CROPS.name)
    checked = map_ledgered(
        Ledger(store, f"{home}/checked", CHECKED),
        {sha256: sha256 for sha256 in crops},
        fn=partial(_fault, store),
        on_casualty=_casualty,
        what="checking crops",
        log=log,
    )
    faults = [f"{row['key']}: {row['reason']}" for row in checked.to_pylist() if row["reason"]]
    if not faults:
        return None
    return f"{len(faults)} of {len(crops)} crops can't be read, the first: {faults[0]}"


def _fault(store: Store, sha256: str) -> dict[str, Any]:
    """Why a crop can't be read; its hash is verified by reading it."""
    try:
        probe(Blobs(store).get(sha256), max_pixels=4096 * 4096)
    except (MissingObjectError, ValueError, DecodeError) as error:
        return {"reason": str(error)}
    return {"reason": None}


def _casualty(_sha256: str, casualty: Casualty) -> dict[str, Any]:
    return {"reason": casualty.reason}
