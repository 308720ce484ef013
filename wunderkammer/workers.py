"""Work on many items in worker processes that may crash or hang without taking the run along.

A batch whose worker died or overran its time is tried alone, then halved, until the poisonous
item stands alone; that item becomes a `Casualty`, every other one gets its result.
"""

import os
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Casualty:
    """An item that killed its worker, or on which a worker hung."""

    reason: Literal["crashed_worker", "timed_out"]


@dataclass(frozen=True)
class Workers(Generic[Item, Result]):
    """How to spread work: processes, items a batch, and the longest that one item may take."""

    num_workers: int
    batch_size: int
    item_timeout_s: float


def num_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
