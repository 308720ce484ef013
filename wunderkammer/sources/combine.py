"""Several sources of one subject, in the shares that their weights give."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.sources.item import Source, SourceItem, SourceReport
from wunderkammer.sources.places import Places

Batches = Generator[Sequence[SourceItem] | None, None, None]


@dataclass(frozen=True)
class Member:
    """One of several sources: its weight against the others, and its own cap."""

    source: Source
    weight: float
    cap: int | None


def shares(total: int | None, members: Sequence[Member]) -> list[int | None]:
    """How many pictures each source gives of `total`, by weight and within the own caps.

    What a cap leaves over goes to the others. Without a total, each source has its own cap.
    """
    caps = [member.cap for member in members]
    if total is None:
        return [*caps]
    given = [0] * len(members)
    # One at a time to whoever has least for its weight (the method of D'Hondt).
    for _ in range(total):
        open_ = [i for i, cap in enumerate(caps) if cap is None or given[i] < cap]
        if not open_:
            break
        given[min(open_, key=lambda i: (given[i] + 1) / members[i].weight)] += 1
    return [*given]


class Combine:
    """The items of several sources in turn, each id led by the name of its source.

    With a cap each source has its share of the places; what one can't fill, the others get.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members
        self._places: dict[str, Places] = {}
        self._running: dict[str, Batches] = {}

    def batches(
        self, places: Places, *, taken: frozenset[str]
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        """Batches of the sources in turn; None where none of them has one ready.

        Raises:
            SourceError: one of them as a whole can't be read.
        """
        of_each = shares(places.cap, [*self._members.values()])
        with ExitStack() as stack:
            for (name, member), share in zip(self._members.items(), of_each, strict=True):
                own = self._places[name] = Places(share, is_final=places.cap is None)
                own_taken = frozenset(_without(name, taken))
                batches = member.source.batches(own, taken=own_taken)
                self._running[name] = stack.enter_context(closing(batches))
            while self._running:
                yield from self._turn()

    def _turn(self) -> Iterator[Sequence[SourceItem] | None]:
        has_any = False
        for name, batches in list(self._running.items()):
            try:
                batch = next(batches)
            except StopIteration:
                del self._running[name]
                self._pass_on(name)
                continue
            if batch is not None:
                has_any = True
                yield [replace(item, id=f"{name}/{item.id}", source=name) for item in batch]
        if not has_any:
            yield None
        ended = [p for name, p in self._places.items() if name not in self._running]
        open_ = [self._places[name] for name in self._running]
        if all(p.are_kept for p in open_) and all(p.are_settled for p in ended):
            for places in open_:
                places.close()

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
            return name not in reports or reports[name].is_gone(id_)

        return SourceReport(
            num_listed=sum(report.num_listed for report in reports.values()),
            is_gone=lambda id_: is_gone(*id_.split("/", 1)),
            problems=tuple(p for report in reports.values() for p in report.problems),
            measures=measures,
            courses={k: v for report in reports.values() for k, v in report.courses.items()},
        )


def _without(name: str, ids: Iterable[str]) -> Iterator[str]:
    prefix = f"{name}/"
    return (id_.removeprefix(prefix) for id_ in ids if id_.startswith(prefix))
