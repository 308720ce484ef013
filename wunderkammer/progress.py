"""Progress of long work: a bar in a terminal, a log line now and then elsewhere."""

import logging
import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

from tqdm import tqdm

LOG_INTERVAL_S = 10.0

T = TypeVar("T")


def track(
    items: Iterable[T], *, total: int, what: str, log: logging.Logger, weight: int = 1
) -> Iterator[T]:
    """Pass `items` on; each counts for `weight` of `total` (the last one for what remains)."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit="", leave=False) as bar:
            for item in items:
                yield item
                bar.update(min(weight, total - bar.n))
        return
    start = last = monotonic()
    done = 0
    for item in items:
        yield item
        done = min(done + weight, total)
        if monotonic() - last >= LOG_INTERVAL_S:
            last = monotonic()
            log.info("%s: %d of %d (%.0f a second)", what, done, total, done / (last - start))
