"""Several sources of one subject, in the shares that their weights give."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.sources.item import Source, SourceError, SourceItem, SourceReport
from wunderkammer.sources.places import Places

Batches = Generator[Sequence[SourceItem] | None, None, None]
# What one source gives before the next one has its turn: who has nothing costs each turn a moment.
MAX_BATCHES_A_TURN = 16


@dataclass(frozen=True)
class Member:
    """One of several sources: its weight against the others, and its own cap."""

    source: Source
    weight: float
    cap: int | None


def shares(
    total: int | None, members: Sequence[Member], *, taken: Sequence[int]
) -> list[int | None]:
    """How many pictures each source gives of `total`, by weight and within the own caps.

    Those that were `taken` before stay; what a cap leaves over goes to the others. Without a total,
    each source has its own cap.
    """
    caps = [member.cap for member in members]
    if total is None:
        return caps
    weights = [member.weight for member in members]
    before = [num if cap is None else min(num, cap) for num, cap in zip(taken, caps, strict=True)]
    given = _dealt(total, [0] * len(members), weights=weights, caps=before)
    return [*_dealt(total, given, weights=weights, caps=caps)]


def _dealt(
    total: int, given: Sequence[int], *, weights: Sequence[float], caps: Sequence[int | None]
) -> list[int]:
    """`given` with more, one at a time, to whoever has least for its weight (D'Hondt's method)."""
    dealt = [*given]

    def is_open(i: int) -> bool:
        cap = caps[i]
        return cap is None or dealt[i] < cap

    queue = [((num + 1) / weights[i], i) for i, num in enumerate(dealt) if is_open(i)]
    heapify(queue)
    for _ in range(total - sum(dealt)):
        if not queue:
            break
        _, i = heappop(queue)
        dealt[i] += 1
        if is_open(i):
            heappush(queue, ((dealt[i] + 1) / weights[i], i))
    return dealt


class Combine:
    """The items of several sources in turn, each id led by the name of its source.

    With a cap each source has its share of the places; what one can't fill, the others get. One
    that can't be read as a whole is a problem that is told, and loses nothing.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members
        self._places: dict[str, Places] = {}
        self._running: dict[str, Batches] = {}
        # The ids of the version before that each source has not given yet.
        self._missing: dict[str, set[str]] = {}
        self._dead: dict[str, SourceError] = {}

    def batches(
        self, places: Places, *, taken: frozenset[str]
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        """Batches of the sources in turn; None where none of them has one ready."""
        members = [*self._members.values()]
        self._missing = {name: set(_without(name, taken)) for name in self._members}
        num_taken = [len(ids) for ids in self._missing.values()]
        of_each = shares(places.cap, members, taken=num_taken)
        with ExitStack() as stack:
            for (name, member), share in zip(self._members.items(), of_each, strict=True):
                own = self._places[name] = Places(share, is_final=places.cap is None)
                batches = member.source.batches(own, taken=frozenset(self._missing[name]))
                self._running[name] = stack.enter_context(closing(batches))
            while self._running:
                for batch in self._turn():
                    places.expect(self._num_expected())
                    yield batch

    def _num_expected(self) -> int | None:
        """How many items all sources have; None as long as one of them can't tell."""
        expected = [own.num_expected for own in self._places.values()]
        known = [num for num in expected if num is not None]
        return sum(known) if len(known) == len(expected) else None

    def _turn(self) -> Iterator[Sequence[SourceItem] | None]:
        has_any = False
        for name in list(self._running):
            for batch in self._ready(name):
                has_any = True
                yield batch
        if not has_any:
            yield None
        ended = [p for name, p in self._places.items() if name not in self._running]
        open_ = [self._places[name] for name in self._running]
        if all(p.are_kept for p in open_) and all(p.are_settled for p in ended):
            for places in open_:
                places.close()

    def _ready(self, name: str) -> Iterator[Sequence[SourceItem]]:
        """What a source has ready now; one that has ended gives up its places."""
        for _ in range(MAX_BATCHES_A_TURN):
            try:
                batch = next(self._running[name])
            except StopIteration:
                self._end(name)
                return
            except SourceError as error:
                self._dead[name] = error
                self._places[name].occupy(len(self._missing[name]))
                self._end(name)
                return
            if batch is None:
                return
            self._missing[name].difference_update(item.id for item in batch)
            yield [replace(item, id=f"{name}/{item.id}", source=name) for item in batch]

    def _end(self, name: str) -> None:
        del self._running[name]
        self._pass_on(name)

    def _pass_on(self, name: str) -> None:
        """Give the places that an ended source has left to the others, by weight."""
        for _ in range(self._places[name].give_up()):
            open_ = [
                other
                for other in self._running
                if (cap := self._members[other].cap) is None or self._cap_of(other) < cap
            ]
            if not open_:
                return
            least = min(open_, key=lambda n: (self._cap_of(n) + 1) / self._members[n].weight)
            self._places[least].add(1)

    def _cap_of(self, name: str) -> int:
        return self._places[name].cap or 0

    def decided(self, rows: pa.Table) -> None:
        """Pass what became of items on to the source that gave them."""
        for name, member in self._members.items():
            own = rows.filter(pc.equal(rows["source"], name))
            if not own.num_rows:
                continue
            self._places[name].settle(own)
            ids = pc.utf8_slice_codeunits(own["id"], start=len(name) + 1)
            member.source.decided(own.set_column(own.schema.get_field_index("id"), "id", ids))
            if name not in self._running:
                self._pass_on(name)

    def report(self) -> SourceReport:
        """What the sources tell, together."""
        reports = {name: member.source.report() for name, member in self._members.items()}
        measures: Counter[str] = Counter()
        for report in reports.values():
            measures.update(report.measures)

        def is_gone(name: str, id_: str = "") -> bool:
            if name in self._dead:
                return False
            return name not in reports or reports[name].is_gone(id_)

        problems = [problem for report in reports.values() for problem in report.problems]
        problems += [f"{name}: {error}" for name, error in self._dead.items()]

        return SourceReport(
            num_listed=sum(report.num_listed for report in reports.values()),
            is_gone=lambda id_: is_gone(*id_.split("/", 1)),
            problems=tuple(problems),
            measures=measures,
            courses={k: v for report in reports.values() for k, v in report.courses.items()},
        )


def _without(name: str, ids: frozenset[str]) -> Iterator[str]:
    prefix = f"{name}/"
    return (id_.removeprefix(prefix) for id_ in ids if id_.startswith(prefix))
