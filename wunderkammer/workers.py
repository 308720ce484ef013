"""Work on many items in worker processes that may crash or hang without taking the run along.

A batch whose worker died or overran its time is halved and tried again alone, until the poisonous
item stands by itself; that item becomes a `Casualty`, every other one gets its result.
"""

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from math import ceil
from time import monotonic
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PR_SET_PDEATHSIG = 1

# glibc's malloc.h. Beyond a threshold that moves, it gets each buffer from the kernel and gives it
# back; the pages of a picture then cost more than what is done with its pixels. Buffers of at most
# this many bytes (22 megapixels of RGB) are used again.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
REUSED_BYTES = 64 * 2**20
KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Casualty:
    """An item that killed its worker, or on which a worker hung."""

    reason: Literal["crashed_worker", "timed_out"]


class WorkerStartError(RuntimeError):
    """Worker processes can't start at all, so no item is to blame."""


def num_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Workers:
    """How to spread work: processes, items a batch, and the longest that one item may take."""

    num_workers: int = field(default_factory=num_cpus)
    batch_size: int = 64
    item_timeout_s: float = 60.0


def guarded_map(
    fn: Callable[[Item], Result], items: Sequence[Item], *, workers: Workers
) -> Iterator[list[tuple[Item, Result | Casualty]]]:
    """Apply `fn` to every item; yields each batch as it finishes, in no particular order.

    `fn` and the items must be picklable. An exception that `fn` raises ends the run: what may
    go wrong with an item belongs into its result.

    Raises:
        WorkerStartError: no worker process gets as far as its first item.
    """
    if not items:
        return
    size = min(workers.batch_size, ceil(len(items) / workers.num_workers))
    num_batches = ceil(len(items) / size)
    workers = replace(workers, num_workers=min(workers.num_workers, num_batches))
    batches = (items[start : start + size] for start in range(0, len(items), size))
    yield from guarded_stream(fn, batches, workers=workers)


def guarded_stream(
    fn: Callable[[Item], Result], batches: Iterator[Sequence[Item] | None], *, workers: Workers
) -> Iterator[list[tuple[Item, Result | Casualty]]]:
    """As `guarded_map`, of batches that come one by one; None says that none is ready yet.

    An iterator that has none ready should wait a moment before it says so; then an empty list is
    passed on, so that the caller can look after other things.
    """
    feed = _Feed(batches)
    suspects: deque[Sequence[Item]] = deque()
    while not feed.is_done:
        # One pool lives until a worker dies; every batch that it then held is a suspect.
        yield from _run_pool(fn, feed, suspects, workers)
        while suspects:
            yield from _try_alone(fn, suspects, workers.item_timeout_s)


class _Feed(Generic[Item]):
    """The batches to come, and whether that was all."""

    def __init__(self, batches: Iterator[Sequence[Item] | None]) -> None:
        self.is_done = False
        self._batches = batches

    def take(self) -> Sequence[Item] | None:
        """The next batch; None if there is none, or none yet."""
        try:
            return next(self._batches)
        except StopIteration:
            self.is_done = True
            return None


def _run_pool(
    fn: Callable[[Item], Result],
    feed: _Feed[Item],
    suspects: "deque[Sequence[Item]]",
    workers: Workers,
) -> Iterator[list[tuple[Item, Result | Casualty]]]:
    most = 2 * workers.num_workers
    with _pool(workers.num_workers) as pool:
        running: dict[Future[list[Result]], Sequence[Item]] = {}
        while running or not feed.is_done:
            while len(running) < most and (batch := feed.take()) is not None:
                try:
                    running[pool.submit(_work, fn, batch, workers.item_timeout_s)] = batch
                except BrokenProcessPool:
                    suspects.extend((batch, *running.values()))
                    return
            # While more may come, only look at what has finished.
            patience = None if feed.is_done or len(running) == most else 0.0
            done, _ = wait(running, timeout=patience, return_when=FIRST_COMPLETED)
            for future in done:
                batch = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(batch)
                else:
                    yield list(zip(batch, future.result(), strict=True))
            if suspects:
                suspects.extend(running.values())
                return
            if not done:
                yield []


def _try_alone(
    fn: Callable[[Item], Result], suspects: "deque[Sequence[Item]]", item_timeout_s: float
) -> Iterator[list[tuple[Item, Result | Casualty]]]:
    """Run suspects one after the other in one worker until it dies or none is left."""
    with _pool(1) as pool:
        try:
            pool.submit(num_cpus).result()
        except BrokenProcessPool as error:
            # Else every item would be taken for poisonous.
            raise WorkerStartError(
                "worker processes die as they start, see their error output; a script that uses "
                'this library must keep its top level under `if __name__ == "__main__":`'
            ) from error
        while suspects:
            batch = suspects[0]
            start = monotonic()
            try:
                results = pool.submit(_work, fn, batch, item_timeout_s).result()
            except BrokenProcessPool:
                suspects.popleft()
                if len(batch) > 1:
                    half = len(batch) // 2
                    suspects.extendleft((batch[half:], batch[:half]))
                    return
                hung = monotonic() - start >= item_timeout_s
                yield [(batch[0], Casualty("timed_out" if hung else "crashed_worker"))]
                return
            suspects.popleft()
            yield list(zip(batch, results, strict=True))


def _pool(num_workers: int) -> ProcessPoolExecutor:
    # spawn: forking a process that has threads (Dagster's, BLAS's, obstore's) can deadlock.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=prepare_worker)


def prepare_worker() -> None:
    """What every worker process does first."""
    # A worker must not outlive a killed parent, and one thread each is what the pool divides.
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
    libc.mallopt(M_MMAP_THRESHOLD, REUSED_BYTES)
    libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def _work(
    fn: Callable[[Item], Result], batch: Sequence[Item], item_timeout_s: float
) -> list[Result]:
    results = []
    try:
        for item in batch:
            # The kernel ends the process by SIGALRM even where Python code no longer runs.
            signal.setitimer(signal.ITIMER_REAL, item_timeout_s)
            results.append(fn(item))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return results
