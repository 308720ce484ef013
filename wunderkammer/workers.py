"""Work on many items in worker processes that may crash or hang without taking the run along.

A batch whose worker died or overran its time is halved and tried again, until the poisonous item
stands alone; that item becomes a `Casualty`, every other one gets its result.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Casualty:
    """An item that killed its worker, or on which a worker hung."""

    reason: Literal["crashed_worker", "timed_out"]


def num_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Workers:
    """How to spread work: processes, items a batch, and the longest that one item may take."""

    num_workers: int = field(default_factory=num_cpus)
    batch_size: int = 64
    item_timeout_s: float = 60.0
