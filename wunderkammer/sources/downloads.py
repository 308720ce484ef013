"""Many downloads at once: caps in all and a host, back-off without holding a connection."""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from yarl import URL

from wunderkammer.sources.fetch import Client, FetchError, backoff_s
from wunderkammer.sources.params import UrlsParams


def download(
    urls: Sequence[str], *, params: UrlsParams
) -> Iterator[list[tuple[str, bytes | FetchError]]]:
    """Fetch every URL; yields what has finished, in any order, with its bytes or why not."""
    with asyncio.Runner() as runner:
        client = runner.run(_connect(params))
        try:
            queue = _Queue(urls, client)
            while finished := runner.run(queue.finished()):
                yield finished
        finally:
            runner.run(client.close())


async def _connect(params: UrlsParams) -> Client:
    return Client(params)


@dataclass(order=True)
class _Job:
    ready_at: float
    number: int
    url: str = field(compare=False)
    num_failures: int = field(default=0, compare=False)


@dataclass
class _Host:
    """The jobs of one host. A server that says when to come back is left alone until then."""

    jobs: list[_Job] = field(default_factory=list)
    num_running: int = 0
    resume_at: float = 0.0

    @property
    def ready_at(self) -> float:
        """When its next job may start."""
        return max(self.resume_at, self.jobs[0].ready_at)


class _Queue:
    """The jobs that wait and those that run, hosts taking turns."""

    def __init__(self, urls: Sequence[str], client: Client) -> None:
        self._client = client
        self._params = client.params
        hosts: dict[str, _Host] = {}
        for number, url in enumerate(urls):
            hosts.setdefault(URL(url).raw_host or "", _Host()).jobs.append(_Job(0.0, number, url))
        self._turns = deque(hosts.values())
        self._running: dict[asyncio.Task[bytes], tuple[_Host, _Job]] = {}

    async def finished(self) -> list[tuple[str, bytes | FetchError]]:
        """The next finished jobs; none at the end."""
        while True:
            self._start()
            if not self._running and not self._turns:
                return []
            pause = self._pause_s()
            if self._running:
                done, _ = await asyncio.wait(
                    self._running, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
            else:
                await asyncio.sleep(pause or 0.0)
                continue
            finished = [outcome for task in done if (outcome := self._settle(task)) is not None]
            if finished:
                return finished

    def _start(self) -> None:
        num_passed = 0
        while len(self._running) < self._params.max_connections and num_passed < len(self._turns):
            host = self._turns.popleft()
            if not host.jobs and not host.num_running:
                continue
            self._turns.append(host)
            num_passed += 1
            free = host.num_running < self._params.max_connections_per_host
            if free and host.jobs and host.ready_at <= monotonic():
                job = heapq.heappop(host.jobs)
                host.num_running += 1
                self._running[asyncio.create_task(self._client.fetch(job.url))] = host, job
                num_passed = 0

    def _pause_s(self) -> float | None:
        """Seconds until a waiting job may start; None if only the end of a running one helps."""
        if len(self._running) >= self._params.max_connections:
            return None
        limit = self._params.max_connections_per_host
        waiting = [h.ready_at for h in self._turns if h.jobs and h.num_running < limit]
        return max(min(waiting) - monotonic(), 0.0) if waiting else None

    def _settle(self, task: asyncio.Task[bytes]) -> tuple[str, bytes | FetchError] | None:
        """The job's outcome, or None if it is to be tried again."""
        host, job = self._running.pop(task)
        host.num_running -= 1
        error = task.exception()
        if error is None:
            return job.url, task.result()
        if not isinstance(error, FetchError):
            raise error
        job.num_failures += 1
        if not error.may_pass or job.num_failures >= self._params.num_tries:
            return job.url, error
        wait = error.retry_after_s
        if wait is not None:
            host.resume_at = max(host.resume_at, monotonic() + wait)
        job.ready_at = monotonic() + (backoff_s(job.num_failures) if wait is None else wait)
        heapq.heappush(host.jobs, job)
        return None
