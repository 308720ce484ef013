"""How often Python looks for objects that hold each other and nothing else does."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

FACTOR = 100


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Look for cycles a hundredth as often, where many objects live and few of them are in cycles.

    Each look among the old objects goes through all that is loaded; a scrape that makes and drops
    hundreds of small objects a file spends a fifth of its time on it.
    """
    before = gc.get_threshold()
    gc.set_threshold(FACTOR * before[0], *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
