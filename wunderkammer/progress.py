"""Progress of long work: a bar in a terminal, a log line now and then elsewhere."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

from tqdm import tqdm

LOG_INTERVAL_S = 10.0

T = TypeVar("T")


def track(
    items: Iterable[T],
    *,
    total: int | Callable[[], int | None] | None,
    what: str,
    log: logging.Logger,
    size: Callable[[T], int] = lambda _: 1,
) -> Iterator[T]:
    """Pass `items` on; each counts for `size(item)` of `total` (None: nobody knows yet).

    A `total` that is learned on the way is asked for again with each item.
    """
    ask = total if callable(total) else lambda: total
    start = last = monotonic()
    done = 0
    with tqdm(total=ask(), desc=what, leave=False, disable=not sys.stderr.isatty()) as bar:
        for item in items:
            yield item
            done += size(item)
            bar.total = ask()
            bar.update(size(item))
            if bar.disable and monotonic() - last >= LOG_INTERVAL_S:
                last = monotonic()
                log.info("%s: %s", what, _course(done, ask(), seconds=last - start))


def _course(done: int, total: int | None, *, seconds: float) -> str:
    rate = done / seconds
    if total is None:
        return f"{done} ({rate:.1f} a second)"
    left = f", {max(total - done, 0) / rate:.0f} s to go" if done else ""
    return f"{done} of {total} ({rate:.1f} a second){left}"
