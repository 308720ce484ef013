"""Sources whose items a worker can read at once, as batches within the places that are free."""

from collections.abc import Generator, Sequence
from time import sleep

import pyarrow as pa

from wunderkammer.sources.item import (
    LocalSource,
    RefusedItem,
    SourceError,
    SourceItem,
    SourceReport,
    provenance,
)
from wunderkammer.sources.places import BEYOND_CAP, Places

BATCH_ITEMS = 16_384
# With a cap, how long to wait for decisions before looking again.
WAIT_S = 0.01


class Local:
    """A `LocalSource` as a `Source`."""

    def __init__(self, source: LocalSource) -> None:
        self._source = source
        self._listed: frozenset[str] = frozenset()

    def batches(
        self, places: Places, *, taken: frozenset[str]
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        """The items in the order of the listing; those beyond the cap come refused, unread.

        Raises:
            SourceError: the source as a whole can't be read.
        """
        try:
            items = sorted(self._source.items(), key=lambda item: item.id not in taken)
        except OSError as error:
            raise SourceError(f"it can't be listed: {error}; look after its disk") from error
        self._listed = frozenset(item.id for item in items)
        places.expect(len(items))
        start = 0
        while start < len(items) and not places.are_full:
            end = start + places.take(min(len(items) - start, BATCH_ITEMS))
            if end == start:
                sleep(WAIT_S)
                yield None
            else:
                yield items[start:end]
            start = end
        yield [RefusedItem(**provenance(item), reason=BEYOND_CAP) for item in items[start:]]

    def decided(self, rows: pa.Table) -> None:
        """Nothing to learn: what is there is listed and read anew each time."""

    def report(self) -> SourceReport:
        """How many items there are; what is not among them is gone."""
        listed = self._listed
        return SourceReport(num_listed=len(listed), is_gone=lambda id_: id_ not in listed)
