"""Makes room for what was damaged or lost to be made again: the next refresh does that."""

from collections.abc import Sequence

import numpy as np

from wunderkammer.storage.lease import Lease
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.upkeep.collect import drop_rows
from wunderkammer.upkeep.hashes import of_names
from wunderkammer.upkeep.holdings import Holding, holdings
from wunderkammer.upkeep.verify import Fault

ASIDE = "damaged"


def mend(faults: Sequence[Fault], store: Store) -> list[Fault]:
    """Move what is damaged below `damaged/`, and let no ledger or record name it any more.

    The stage that made it is shown as failed, so that a refresh makes it again, and nothing else.
    Faults of a subject of which a run is under way are left alone and returned.

    Raises:
        LeaseError: another process removes from this store.
    """
    with Lease(store) as lease:
        held = holdings(store)
        busy = {holding.subject for holding in held if holding.is_running}
        theirs = [f for f in faults if f.holding is not None and f.holding.subject in busy]
        ours = [f for f in faults if f.holding is None or f.holding.subject not in busy]
        for fault in ours:
            lease.renew()
            if fault.record is None and fault.kind != "missing":
                store.write(f"{ASIDE}/{fault.key}", store.read(fault.key))
                store.delete(fault.key)
        names = [f.key.rpartition("/")[2] for f in ours if f.key.startswith("blobs/")]
        gone = np.sort(of_names(names))
        for holding in held:
            if holding.subject not in busy:
                drop_rows(holding, gone, store, renew=lease.renew)
        _doubt(ours, store)
    return theirs


def _doubt(faults: Sequence[Fault], store: Store) -> None:
    """Show the versions in force as failed that name what is gone; forget others so damaged."""
    versions = Versions(store)
    doubted: dict[str, tuple[Holding, int]] = {}
    for fault in faults:
        holding, record = fault.holding, fault.record
        if holding is None:
            continue
        if record is not None and holding.current != record:
            store.delete(f"{holding.home}/built/{record.fingerprint}.json")
        elif holding.current is not None and (record is not None or fault.key.startswith("blobs/")):
            _, count = doubted.get(holding.home, (holding, 0))
            doubted[holding.home] = (holding, count + 1)
    for holding, count in doubted.values():
        assert holding.current is not None
        versions.doubt(
            holding.current,
            f"{count} of its files were damaged or lost; a refresh makes them again",
        )
