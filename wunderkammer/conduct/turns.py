"""Who may ask next: caps in all and a host, the pace, and rests of hosts that fail.

Hosts take turns. Whoever waits, for a token, a rest or a free connection, holds none.
"""

import asyncio
from collections import deque
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from wunderkammer.conduct.budget import NetworkStats
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.pace import Lane, Pace
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.replies import MAX_PATIENCE_S, wait_s

MAX_RESTS = 3
# How late it may be noticed that another process was asked to leave a host alone.
LOOK_S = 0.02
Waiter = asyncio.Future[None]


class Terms(NamedTuple):
    """How a host is asked: a published rate for its API, or the pace of files."""

    lane: Lane
    per_s: float | None
    at_once: int


@dataclass
class _Queue:
    """Who waits to ask a host on the same terms. `due_at`: when the token taken may be used."""

    terms: Terms
    waiters: deque[Waiter] = field(default_factory=deque)
    num_running: int = 0
    due_at: float | None = None


@dataclass
class _Host:
    """One host; after a rest a single request finds out whether it is well again."""

    name: str
    queues: dict[Terms, _Queue] = field(default_factory=dict)
    num_running: int = 0
    num_failures: int = 0
    num_rests: int = 0
    rests_until: float = 0.0
    alone_until: float = 0.0
    looked_at: float = 0.0
    is_waiting_turn: bool = False
    alarm: asyncio.TimerHandle | None = None


class Turns:
    """Lets requests through, one after the other."""

    def __init__(self, params: ConductParams, *, pace: Pace, stats: NetworkStats) -> None:
        self._params = params
        self._pace = pace
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._hosts: dict[str, _Host] = {}
        self._turns: deque[_Host] = deque()
        self._num_running = 0
        self._over: FetchError | None = None

    async def enter(self, name: str, terms: Terms) -> None:
        """Wait until this request may go out; `leave` has to follow.

        Raises:
            FetchError: "host_given_up"; BudgetSpentError if the run's budget is spent.
        """
        host = self._hosts.get(name) or self._hosts.setdefault(name, _Host(name))
        queue = host.queues.get(terms)
        if queue is None:
            queue = host.queues[terms] = _Queue(terms)
            # Few questions tell of many files, so they go first.
            host.queues = dict(sorted(host.queues.items(), key=lambda item: item[0].lane))
        waiter: Waiter = self._loop.create_future()
        queue.waiters.append(waiter)
        self._call(host)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(name, terms, failed=None)
            raise

    def leave(self, name: str, terms: Terms, *, failed: bool | None) -> None:
        """The request has ended; `failed` is None if that tells nothing about the host."""
        host = self._hosts[name]
        host.queues[terms].num_running -= 1
        host.num_running -= 1
        self._num_running -= 1
        if failed:
            self._count_failure(host)
        elif failed is not None:
            host.num_failures, host.num_rests, host.rests_until = 0, 0, 0.0
        self._call(host)

    def leave_alone(self, name: str, seconds: float | None) -> None:
        """Nobody asks the host for the seconds that it asks for, and longer if it fails often."""
        host = self._hosts[name]
        self._pace.leave_alone(name, wait_s(seconds, num_failures=host.num_failures + 1))
        host.looked_at = 0.0

    def end(self, problem: FetchError) -> None:
        """Tell everybody who waits, or will, that there is nothing to wait for."""
        self._over = problem
        for host in self._hosts.values():
            _fail(host, problem)
            if host.alarm is not None:
                host.alarm.cancel()

    def _call(self, host: _Host) -> None:
        if not host.is_waiting_turn:
            host.is_waiting_turn = True
            self._turns.append(host)
        self._admit()

    def _admit(self) -> None:
        while self._turns and self._num_running < self._params.max_connections:
            host = self._turns.popleft()
            problem = self._over or self._stats.spent() or self._given_up(host)
            if problem is not None:
                _fail(host, problem)
            queue = self._next(host) if problem is None else None
            if queue is None:
                host.is_waiting_turn = False
                continue
            self._turns.append(host)
            queue.num_running += 1
            host.num_running += 1
            self._num_running += 1
            self._stats.num_requests += 1
            self._stats.requests_by_host[host.name] += 1
            queue.waiters.popleft().set_result(None)

    def _given_up(self, host: _Host) -> FetchError | None:
        """Why nobody asks the host any more in this run, None while somebody may."""
        if host.num_rests > MAX_RESTS:
            detail = f"still failed after {MAX_RESTS} rests; the next run asks it again"
            return FetchError("host_given_up", f"{host.name} {detail}", may_pass=True)
        now = self._loop.time()
        if now - host.looked_at > LOOK_S:
            host.looked_at, host.alone_until = now, now + self._pace.alone_s(host.name)
        alone_s = host.alone_until - now
        if alone_s <= MAX_PATIENCE_S:
            return None
        detail = f"asks to be left alone for {alone_s:.0f} s, a run waits {MAX_PATIENCE_S:.0f} s"
        return FetchError(
            "host_given_up", f"{host.name} {detail}; run it again then", may_pass=True
        )

    def _next(self, host: _Host) -> _Queue | None:
        """The queue whose first waiter may go; if time alone is missing, an alarm is set."""
        if host.alarm is not None:
            host.alarm.cancel()
            host.alarm = None
        most = 1 if host.num_rests else self._params.max_connections_per_host
        if host.num_running >= most:
            return None
        now = self._loop.time()
        resume_at = max(host.rests_until, host.alone_until)
        wake_at = []
        for queue in host.queues.values():
            while queue.waiters and queue.waiters[0].done():
                queue.waiters.popleft()
            if not queue.waiters or queue.num_running >= queue.terms.at_once:
                continue
            at = max(resume_at, self._due_at(host, queue, now))
            if at <= now:
                queue.due_at = None
                return queue
            wake_at.append(at)
        if wake_at:
            host.alarm = self._loop.call_at(min(wake_at), self._call, host)
        return None

    def _due_at(self, host: _Host, queue: _Queue, now: float) -> float:
        terms = queue.terms
        if terms.per_s is None:
            return now
        if queue.due_at is None:
            queue.due_at = now + self._pace.take(host.name, lane=terms.lane, per_s=terms.per_s)
        return queue.due_at

    def _count_failure(self, host: _Host) -> None:
        if self._loop.time() < host.rests_until:
            return
        host.num_failures += 1
        if host.num_rests or host.num_failures >= self._params.max_failures_in_a_row:
            host.num_failures = 0
            host.num_rests += 1
            pause = self._params.rest_s * 2 ** (host.num_rests - 1)
            host.rests_until = self._loop.time() + pause


def _fail(host: _Host, problem: FetchError) -> None:
    for queue in host.queues.values():
        while queue.waiters:
            waiter = queue.waiters.popleft()
            if not waiter.done():
                # An exception gathers the frames that it passes; each waiter gets one of its own.
                waiter.set_exception(copy(problem))
