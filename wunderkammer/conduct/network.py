"""All conduct on the network of one scrape run."""

import asyncio
import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from yarl import URL

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.requests import Answer, Download, Downloaded, Request
from wunderkammer.conduct.urls import parse_url, shown

if TYPE_CHECKING:
    from wunderkammer.conduct.client import Client

T = TypeVar("T")
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
MAX_RETRY_AFTER_S = 120.0
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0


def backoff_s(num_failures: int) -> float:
    """How long to wait after so many failures: doubling, with jitter between half and all."""
    longest = min(FIRST_BACKOFF_S * 2 ** (num_failures - 1), MAX_BACKOFF_S)
    return random.uniform(longest / 2, longest)


def retry_after_s(value: str | None, *, at: datetime) -> float | None:
    """The seconds that a Retry-After header asks for from `at` on, capped; None if unreadable."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return min(float(value), MAX_RETRY_AFTER_S)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)) - at
    return min(max(seconds.total_seconds(), 0.0), MAX_RETRY_AFTER_S)


@dataclass
class NetworkStats:
    """What a run has asked for so far."""

    num_requests: int = 0
    num_bytes: int = 0
    requests_by_host: Counter[str] = field(default_factory=Counter)
    bytes_by_host: Counter[str] = field(default_factory=Counter)


class Network:
    """The network of one run, on one event loop."""

    def __init__(self, params: ConductParams, *, contact: str, scratch: Path) -> None:
        self.params = params
        self.stats = NetworkStats()
        self._contact = contact
        self._scratch = scratch
        self._client: Client | None = None
        self._slots = asyncio.Semaphore(params.max_connections)
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._ready_at: dict[str, float] = defaultdict(float)

    async def ask(self, request: Request) -> Answer:
        """The answer to a small question.

        Raises:
            FetchError: there is none after all tries.
        """
        return await self.ask_for(request, read=lambda answer: answer)

    async def ask_for(self, request: Request, *, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer; it may raise a FetchError that may pass.

        Raises:
            FetchError: there is none after all tries.
        """
        num_failures = 0
        while True:
            try:
                return read(await self._attempt(request))
            except FetchError as error:
                num_failures += 1
                if not error.may_pass or num_failures >= self.params.num_tries:
                    raise
                wait = error.retry_after_s
            await asyncio.sleep(backoff_s(num_failures) if wait is None else wait)

    async def download(self, job: Download) -> Downloaded:
        """The whole content of a file.

        Raises:
            FetchError: it can't be had.
        """
        for url in (job.url, *job.other_urls):
            try:
                return await self._download(url, job)
            except FetchError as error:
                gone = error
                if error.status not in (404, 410):
                    raise
        raise gone

    async def _download(self, url: str, job: Download) -> Downloaded:
        validators = {"If-None-Match": job.etag, "If-Modified-Since": job.last_modified}
        headers = {**job.headers, **{k: v for k, v in validators.items() if v is not None}}
        answer = await self.ask(Request(url=url, headers=headers, max_bytes=job.max_bytes))
        sha256 = hashlib.sha256(answer.content).hexdigest()
        content: bytes | Path = answer.content
        if job.to_file:
            content = self._scratch / hashlib.sha256(url.encode()).hexdigest()
            content.write_bytes(answer.content)
        return Downloaded(
            url=url,
            content=content,
            sha256=sha256,
            num_bytes=len(answer.content),
            etag=answer.headers.get("etag"),
            last_modified=answer.headers.get("last-modified"),
            content_type=answer.headers.get("content-type"),
            not_modified=answer.status == 304,
        )

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()

    async def _attempt(self, request: Request) -> Answer:
        url = parse_url(request.url, loopback_ports=self.params.allow_loopback_ports)
        headers = request.headers
        for _ in range(MAX_REDIRECTS + 1):
            status, found, content = await self._once(url, request, headers)
            target = found.get("location")
            if status not in REDIRECTS or target is None:
                _judge(status, found, url)
                return Answer(url=shown(url), status=status, headers=found, content=content)
            here = url
            try:
                joined = str(url.join(URL(target)))
            except ValueError as error:
                raise FetchError("bad_redirect", f"from {shown(url)}") from error
            url = parse_url(joined, loopback_ports=self.params.allow_loopback_ports)
            if url.origin() != here.origin():
                headers = {}
        raise FetchError("too_many_redirects", f"more than {MAX_REDIRECTS}")

    async def _once(
        self, url: URL, request: Request, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        host = f"{url.raw_host}:{url.port}"
        at_once = request.at_once or self.params.max_connections_per_host
        turns = self._turns.setdefault(f"{host} {at_once}", asyncio.Semaphore(at_once))
        rate = request.per_s or self.params.files_per_s
        async with turns, self._slots:
            if rate is not None:
                at = self._ready_at[host] = max(self._ready_at[host] + 1 / rate, monotonic())
                await asyncio.sleep(at - monotonic())
            if self.params.max_requests is not None and (
                self.stats.num_requests >= self.params.max_requests
            ):
                raise BudgetSpentError("budget_spent", f"{self.params.max_requests} requests")
            self.stats.num_requests += 1
            self.stats.requests_by_host[host] += 1
            return await self._curl().ask(
                str(url),
                method=request.method,
                headers=headers,
                body=request.body,
                max_bytes=request.max_bytes,
            )

    def _curl(self) -> "Client":
        from wunderkammer.conduct.client import Client

        if self._client is None:
            self._client = Client(
                contact=self._contact,
                loopback_ports=self.params.allow_loopback_ports,
                timeout_s=self.params.timeout_s,
            )
        return self._client


def _judge(status: int, headers: Mapping[str, str], url: URL) -> None:
    if status in (200, 206, 304):
        return
    wait = retry_after_s(headers.get("retry-after"), at=datetime.now(UTC))
    html = headers.get("content-type", "").startswith("text/html")
    throttled = status == 403 and html
    raise FetchError(
        "throttled" if throttled else f"http_{status}",
        f"{status} from {shown(url)}",
        may_pass=throttled or status in RETRIED_STATUS,
        retry_after_s=wait,
        status=status,
    )
