"""What a store holds below `subjects/`, sorted: records, versions, training runs, ledgers."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from wunderkammer.stages import RAW_SCRAPE, STAGES, TRAINED_DETECTOR
from wunderkammer.storage.store import Entry, Store
from wunderkammer.storage.versions import Attempt, Record, Versions

ROOT = "subjects"
# What was fetched, and what persons have labelled, can't be computed anew; what a stage of another
# program has left here is not ours to judge.
DERIVED = frozenset(s.name for s in STAGES if s not in (RAW_SCRAPE, TRAINED_DETECTOR))


@dataclass
class Holding:
    """All of one stage of one subject.

    `versions` and `runs` are objects by the name of their folder, `parts` those of ledgers,
    `texts` other JSON; `in_force_since` is when the pointer was last moved.
    """

    subject: str
    stage: str
    records: list[Record] = field(default_factory=list)
    current: Record | None = None
    attempt: Attempt | None = None
    in_force_since: float = 0.0
    versions: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    parts: list[Entry] = field(default_factory=list)
    texts: list[Entry] = field(default_factory=list)

    @property
    def home(self) -> str:
        """Its key prefix."""
        return Versions.home(self.subject, self.stage)

    @property
    def is_derived(self) -> bool:
        """Whether its ledgers hold nothing that can't be computed anew."""
        return self.stage in DERIVED

    @property
    def is_interrupted(self) -> bool:
        """Whether a run of it was killed, and none has ended since."""
        attempt = self.attempt
        return attempt is not None and attempt.error is None and not attempt.is_running

    @property
    def is_running(self) -> bool:
        """Whether a run of it is under way."""
        return self.attempt is not None and self.attempt.is_running

    @property
    def started(self) -> float:
        """When the run under way began, or the one that did not succeed."""
        assert self.attempt is not None
        return datetime.fromisoformat(self.attempt.started_at).timestamp()


def holdings(store: Store) -> list[Holding]:
    """What the store holds of all stages, of all subjects.

    The notes of runs are read first: of a run that is not seen under way, all is seen that it left.
    """
    versions, found = Versions(store), dict[tuple[str, str], Holding]()
    for subject, stage in {_stage(key) for key in store.keys(ROOT)}:
        attempt = versions.attempt(subject, stage)
        found[subject, stage] = Holding(subject, stage, attempt=attempt)
    for entry in store.entries(ROOT):
        subject, stage = _stage(entry.key)
        # A stage that was never seen before has begun now, and waits.
        holding = found.setdefault((subject, stage), Holding(subject, stage))
        _sort(holding, entry, entry.key.split("/")[3:])
    for holding in found.values():
        holding.records = versions.records(holding.subject, holding.stage)
        holding.current = versions.current(holding.subject, holding.stage)
    return [found[key] for key in sorted(found)]


def of_subjects(all_: list[Holding]) -> dict[str, dict[str, Holding]]:
    """Holdings by subject and stage."""
    sorted_: dict[str, dict[str, Holding]] = defaultdict(dict)
    for holding in all_:
        sorted_[holding.subject][holding.stage] = holding
    return sorted_


def rows_of(holding: Holding, store: Store) -> Iterator[tuple[Entry, bytes]]:
    """The parts of its ledgers, read one by one.

    A part vanishes only after one with its rows has landed: then its folder is listed again.
    """
    todo = list(holding.parts)
    seen = set()
    while todo:
        entry = todo.pop()
        if entry.key in seen:
            continue
        seen.add(entry.key)
        content = store.find(entry.key)
        if content is None:
            folder = entry.key.rpartition("/")[0]
            todo += [e for e in store.entries(folder) if e.key.endswith(".parquet")]
        else:
            yield entry, content


def _stage(key: str) -> tuple[str, str]:
    _, subject, stage, *_ = key.split("/")
    return subject, stage


def _sort(holding: Holding, entry: Entry, rest: list[str]) -> None:
    kind, name = rest[0], rest[-1]
    if kind == "versions" and len(rest) > 2:
        holding.versions[rest[1]].append(entry)
    elif kind == "runs" and len(rest) > 2:
        holding.runs[rest[1]].append(entry)
    elif kind == "current.json":
        holding.in_force_since = entry.modified
    elif name.endswith(".parquet"):
        holding.parts.append(entry)
    elif name.endswith((".json", ".jsonl")) and kind not in ("built", "attempt.json"):
        holding.texts.append(entry)
