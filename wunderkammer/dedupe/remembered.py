"""The search for pairs, remembered: only hashes that were not there before are searched for.

A table tells of each hash that was searched for, the hashes near it that are greater. It holds by
itself, whatever pictures have the hashes, so that it is replaced as a whole and never wrong.
"""

import hashlib
import logging

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wunderkammer.dedupe.search import Hashes, Pairs, pairs_within
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import from_parquet, to_parquet

SEARCHED = pa.schema([("hash", pa.uint64()), ("near", pa.list_(pa.uint64()))])

log = logging.getLogger(__name__)


def remembered_pairs(hashes: Hashes, *, max_distance: int, store: Store, prefix: str) -> Pairs:
    """As `pairs_within` of distinct hashes; what was searched for before is not searched again.

    What is remembered lies below `prefix`, for each distance by itself.

    Raises:
        ValueError: a hash occurs twice, or as for `pairs_within`.
    """
    order = np.argsort(hashes)
    ascending = hashes[order]
    if (ascending[1:] == ascending[:-1]).any():
        raise ValueError("a hash occurs twice; give each once, as numpy.unique does")
    folder = f"{prefix}/{max_distance:02d}"
    known, near_P2 = _remembered(store, folder)
    is_known = _places(ascending, known) >= 0
    old_first = np.concatenate([np.flatnonzero(is_known), np.flatnonzero(~is_known)])
    found = pairs_within(
        ascending[old_first], max_distance=max_distance, num_known=int(is_known.sum())
    )
    old_P2 = _places(near_P2.ravel(), ascending).reshape(-1, 2)
    old_P2 = old_P2[(old_P2 >= 0).all(axis=1)]
    places_P2 = np.sort(np.concatenate([old_P2, old_first[found.indices]]), axis=1)
    if not is_known.all():
        log.info("hashes: %d new, %d known", (~is_known).sum(), is_known.sum())
        _remember(ascending, places_P2, store, folder)
    indices_P2 = np.sort(order[places_P2], axis=1)
    indices_P2 = indices_P2[np.lexsort((indices_P2[:, 1], indices_P2[:, 0]))]
    distances = np.bitwise_count(hashes[indices_P2[:, 0]] ^ hashes[indices_P2[:, 1]])
    return Pairs(indices_P2, distances)


def _places(values: Hashes, among: Hashes) -> npt.NDArray[np.int64]:
    """Where each value stands in the ascending `among`, or -1."""
    if not len(among):
        return np.full(len(values), -1, np.int64)
    places = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.where(among[places] == values, places, -1)


def _remembered(store: Store, folder: str) -> tuple[Hashes, Hashes]:
    """The hashes that were searched for, ascending, and the pairs of them [P, 2]."""
    hashes, pairs_P2 = np.zeros(0, np.uint64), np.zeros((0, 2), np.uint64)
    # Two, after a kill between the new one and the old one's end; each holds by itself.
    for key in store.keys(folder):
        content = store.find(key)
        table = SEARCHED.empty_table() if content is None else _read(content, key)
        if table.num_rows > len(hashes):
            near = table["near"].combine_chunks()
            hashes = table["hash"].to_numpy()
            smaller = hashes[near.value_parent_indices().to_numpy()]
            pairs_P2 = np.stack([smaller, near.flatten().to_numpy()], axis=1)
    return hashes, pairs_P2


def _read(content: bytes, key: str) -> pa.Table:
    try:
        return from_parquet(content).cast(SEARCHED)
    except (pa.ArrowInvalid, OSError) as error:
        # A power cut can leave a file without its bytes.
        log.warning("%s is damaged, so that all pairs are searched for: %s", key, error)
        return SEARCHED.empty_table()


def _remember(
    ascending: Hashes, places_P2: npt.NDArray[np.int64], store: Store, folder: str
) -> None:
    places_P2 = places_P2[np.lexsort((places_P2[:, 1], places_P2[:, 0]))]
    ends = np.searchsorted(places_P2[:, 0], np.arange(len(ascending) + 1))
    near = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()), pa.array(ascending[places_P2[:, 1]], pa.uint64())
    )
    content = to_parquet(pa.table({"hash": ascending, "near": near}, schema=SEARCHED))
    name = f"{folder}/{hashlib.sha256(content).hexdigest()[:32]}.parquet"
    old = set(store.keys(folder))
    store.write(name, content)
    for key in old - {name}:
        store.delete(key)
