"""What of a store stays: versions that are in force, new, or built from; blobs that are named."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import MANIFEST, Record
from wunderkammer.upkeep.hashes import NONE, Hashes, Rows, among, in_parquet, in_text, links
from wunderkammer.upkeep.holdings import Holding, rows_of

Kept = Mapping[str, frozenset[str]]
Renew = Callable[[], None]


def retained(stages: Collection[Holding], *, keep: int) -> Kept:
    """By stage of one subject the names of the versions that stay.

    They are the one in force, the `keep` newest of the others, and all that these were built from.
    """
    records = {holding.stage: holding.records for holding in stages}
    found: dict[str, set[str]] = {name: set() for name in records}
    todo: list[Record] = []
    for holding in stages:
        current = holding.current
        others = [r for r in holding.records if current is None or r.version != current.version]
        todo += [*others[:keep], *([] if current is None else [current])]
    while todo:
        record = todo.pop()
        if record.version in found.get(record.stage, {record.version}):
            continue
        found[record.stage].add(record.version)
        for stage, data_version in record.upstreams.items():
            same = [r for r in records.get(stage, ()) if r.data_version == data_version]
            todo += same[:1]
    return {stage: frozenset(names) for stage, names in found.items()}


def live_blobs(
    subjects: Mapping[str, Mapping[str, Holding]],
    kept: Mapping[str, Kept],
    store: Store,
    *,
    since: float,
    renew: Renew,
) -> Hashes:
    """The hashes of all blobs that stay, sorted.

    Rows of a ledger that can be computed anew keep what they made only if something else needs it,
    and then also what they made it from.
    """
    roots, chains = [NONE], list[_Links]()
    for subject, stages in subjects.items():
        is_running = any(holding.is_running for holding in stages.values())
        for holding in stages.values():
            roots += _named(holding, kept[subject][holding.stage], store)
            is_root = is_running or not holding.is_derived or holding.attempt is not None
            for entry, content in rows_of(holding, store):
                renew()
                if is_root or entry.modified >= since:
                    roots.append(in_parquet(content))
                else:
                    chains.append(_Links.of(content))
    return _closed(np.unique(np.concatenate(roots)), chains)


@dataclass(frozen=True)
class _Links:
    """What the rows of a part have made, and from what; hashes with the numbers of their rows."""

    num_rows: int
    made: tuple[Rows, Hashes]
    used: tuple[Rows, Hashes]

    @classmethod
    def of(cls, content: bytes) -> "_Links":
        made, used = links(content)
        rows = np.concatenate([made[0], used[0]])
        return cls(int(rows.max(initial=-1)) + 1, made, used)

    def needed(self, live: Hashes) -> Hashes:
        """What the rows name that made something live."""
        is_live = np.zeros(self.num_rows, np.bool_)
        is_live[self.made[0][among(self.made[1], live)]] = True
        return np.concatenate([hashes[is_live[rows]] for rows, hashes in (self.made, self.used)])


def _closed(live: Hashes, chains: Sequence[_Links]) -> Hashes:
    while True:
        grown = np.unique(np.concatenate([live, *(chain.needed(live) for chain in chains)]))
        if len(grown) == len(live):
            return live
        live = grown


def _named(holding: Holding, kept: frozenset[str], store: Store) -> Iterator[Hashes]:
    """What its versions that stay name, and texts beside them."""
    texts = list(holding.texts)
    for version in kept:
        texts += [e for e in holding.versions[version] if e.key.endswith(".json")]
        content = store.find(f"{holding.home}/versions/{version}/{MANIFEST}")
        if content is not None:
            yield in_parquet(content)
    for entry in texts:
        yield in_text(store.find(entry.key) or b"")
