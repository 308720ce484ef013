"""One search for all pairs of near hashes, in a process of its own: a line of JSON.

    python contestant.py NAME SIZE DISTANCE [--copies NUMBER] [--known NUMBER]

It imports nothing of this project unless NAME is one of ours, so that the peers' own environment
runs it. `pairs` is a digest of the pairs found, so that all can be seen to find the same.
"""

import argparse
import hashlib
import json
import resource
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

# A picture in so many has a near-duplicate, with so many bits changed at most.
ONE_IN = 50
MAX_FLIPS = 12
CHUNK_BITS = 16
Search = Callable[[], np.ndarray]
STATUS = Path("/proc/self/status")


def main() -> None:
    """Search once, after a small search that loads and compiles what is needed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SEARCHES)
    parser.add_argument("size", type=int)
    parser.add_argument("distance", type=int)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--known", type=int, default=0)
    options = parser.parse_args()
    hashes = some_hashes(options.size, copies=options.copies)
    search = SEARCHES[options.name]
    search(hashes[:64].copy(), options.distance, 32 if options.known else 0)()
    search_all = search(hashes, options.distance, options.known)
    Path("/proc/self/clear_refs").write_text("5")
    before_mb = memory_mb("VmRSS")
    start = cpu_seconds()
    pairs_P2 = search_all()
    cpu_s = cpu_seconds() - start
    peak_mb = memory_mb("VmHWM") - before_mb
    found = np.unique(np.sort(pairs_P2, axis=1), axis=0)
    digest = hashlib.sha256(np.ascontiguousarray(found, np.int64).tobytes()).hexdigest()
    told = {"cpu_s": cpu_s, "peak_mb": peak_mb, "num_pairs": len(found), "pairs": digest}
    print(json.dumps(told))


def some_hashes(size: int, *, copies: int) -> np.ndarray:
    """Random hashes; of some there is a near one, and one of them occurs `copies` times."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, size, dtype=np.uint64)
    rows, sources = rng.permutation(size)[: size // ONE_IN * 2].reshape(2, -1)
    hashes[rows] = hashes[sources]
    for _ in range(MAX_FLIPS):
        flips = np.uint64(1) << rng.integers(0, 64, len(rows), dtype=np.uint64)
        hashes[rows] ^= np.where(rng.random(len(rows)) < 0.5, flips, np.uint64(0))
    hashes[rng.permutation(size)[:copies]] = hashes[0]
    return hashes


def ours(hashes: np.ndarray, distance: int, known: int) -> Search:
    """Pairs with one hash at least that is not `known`."""
    from wunderkammer.dedupe.search import pairs_within

    return lambda: pairs_within(hashes, max_distance=distance, num_known=known).indices


def remembered(hashes: np.ndarray, distance: int, known: int) -> Search:
    """All pairs of distinct hashes, of which those among the `known` were found the last time."""
    from wunderkammer.dedupe.remembered import remembered_pairs
    from wunderkammer.storage.store import Store

    distinct = np.unique(hashes)
    # Goes with the process.
    store = Store("memory:///")
    before = np.random.default_rng(1).permutation(distinct)[:known]
    remembered_pairs(before, max_distance=distance, store=store, prefix="pairs")
    return lambda: (
        remembered_pairs(distinct, max_distance=distance, store=store, prefix="pairs").indices
    )


def faiss_flat(hashes: np.ndarray, distance: int, known: int) -> Search:
    """Each hash with each."""
    import faiss  # type: ignore[import-not-found]

    return lambda: _of_faiss(faiss.IndexBinaryFlat(64), hashes, distance)


def faiss_multi_hash(hashes: np.ndarray, distance: int, known: int) -> Search:
    """By four tables of 16 bits, with so many bits flipped that nothing is missed."""
    import faiss

    index = faiss.IndexBinaryMultiHash(64, 64 // CHUNK_BITS, CHUNK_BITS)
    index.nflip = distance // (64 // CHUNK_BITS)
    return lambda: _of_faiss(index, hashes, distance)


def imagededup(hashes: np.ndarray, distance: int, known: int) -> Search:
    """By its compiled search, which it takes by default, on all processors."""
    # Its networks, which would bring torch; the search has no use for them.
    models = types.ModuleType("imagededup.utils.models")
    models.CustomModel = object  # type: ignore[attr-defined]
    sys.modules.setdefault("imagededup.utils.models", models)
    from imagededup.handlers.search.retrieval import (  # type: ignore[import-not-found]
        HashEval,
    )

    names = {str(number): f"{value:016x}" for number, value in enumerate(hashes.tolist())}

    def search() -> np.ndarray:
        evaluated = HashEval(names, names, _bits_apart, verbose=False, threshold=distance)
        near = evaluated.retrieve_results()
        pairs = [(int(name), int(other)) for name, others in near.items() for other in others]
        return np.array(pairs, np.int64).reshape(-1, 2)

    return search


def _bits_apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _of_faiss(index: object, hashes: np.ndarray, distance: int) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(1)
    rows = hashes.view(np.uint8).reshape(-1, 8)
    index.add(rows)  # type: ignore[attr-defined]
    # Its radius is the first distance that is not near any more.
    limits, _, near = index.range_search(rows, distance + 1)  # type: ignore[attr-defined]
    first = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    pairs_P2 = np.stack([first, near], axis=1)
    return pairs_P2[pairs_P2[:, 0] < pairs_P2[:, 1]]


def cpu_seconds() -> float:
    """What this process has used, and those of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def memory_mb(name: str) -> float:
    """A figure of this process's memory, in MiB."""
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next(int(line[1]) / 1024 for line in lines if line[0] == f"{name}:")


SEARCHES: dict[str, Callable[[np.ndarray, int, int], Search]] = {
    "ours": ours,
    "remembered": remembered,
    "faiss flat": faiss_flat,
    "faiss multi-hash": faiss_multi_hash,
    "imagededup": imagededup,
}

if __name__ == "__main__":
    main()
