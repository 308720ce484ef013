"""All conduct on the network of one scrape run."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from yarl import URL

from wunderkammer.conduct.bodies import Body
from wunderkammer.conduct.budget import NetworkStats
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.files import Digests, FileBody, take_if_verified
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.parts import Part, Parts
from wunderkammer.conduct.replies import (
    BODY,
    MAX_PATIENCE_S,
    Head,
    is_redirect,
    may_be_sent_back,
    wait_s,
)
from wunderkammer.conduct.requests import Answer, Download, Downloaded, Request
from wunderkammer.conduct.robots import MAX_ROBOTS_BYTES, Robots
from wunderkammer.conduct.turns import Terms
from wunderkammer.conduct.urls import NO_URL, parse_url, shown

if TYPE_CHECKING:
    from wunderkammer.conduct.exchange import Exchange

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
MAX_REDIRECTS = 5
WHOLE = BODY - {206}
GONE = (404, 410)
# What may pass by the next run, but not in this one.
OVER = ("host_given_up", "robots_unreachable", "closed", "disk_full")
NOT_MODIFIED, BEYOND_THE_END = 304, 416
ASK_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip", "Expect": ""}
FILE_HEADERS = {"Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class _Question:
    """How a URL is asked for: `headers` go to its own origin only, `conduct` also elsewhere."""

    terms: Terms
    conduct: Mapping[str, str]
    headers: Mapping[str, str]
    posted: bytes | None = None
    robots: bool = False
    accepted: frozenset[int] = BODY


class Network:
    """The network of one run, on one event loop.

    `scratch` is a folder of this run alone, kept from one run to the next: broken downloads wait
    there to be gone on with.
    """

    def __init__(self, params: ConductParams, *, contact: str, scratch: Path) -> None:
        self.params = params
        self.stats = NetworkStats(params)
        self._contact = contact
        self._parts = Parts(scratch)
        self._files = Terms("files", params.files_per_s, params.max_connections_per_host)
        self._plain = _Question(self._files, FILE_HEADERS, {})
        self._robots = Robots(self._robots_txt)
        self._exchange: Exchange | None = None

    async def ask(self, request: Request) -> Answer:
        """The answer to a small question.

        Raises:
            FetchError: there is none after all tries; BudgetSpentError if none may be asked.
        """
        return await self.ask_for(request, read=lambda answer: answer)

    async def ask_for(self, request: Request, *, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer; what it raises that may pass is asked again.

        Raises:
            FetchError: there is none after all tries; BudgetSpentError if none may be asked.
        """
        terms = self._files
        if request.per_s is not None:
            at_once = request.at_once or self.params.max_connections_per_host
            terms = Terms("api", request.per_s, at_once)
        question = _Question(
            terms, ASK_HEADERS, request.headers, posted=request.body, accepted=WHOLE
        )
        return await self._tried(self._read, request, question, read)

    async def download(self, job: Download) -> Downloaded:
        """The whole, verified content of a file.

        Raises:
            FetchError: it can't be had; BudgetSpentError if nothing more may be asked.
        """
        for url in (job.url, *job.other_urls):
            try:
                return await self._tried(self._fetch, url, job)
            except FetchError as error:
                if error.status not in GONE:
                    raise
                gone = error
        raise gone

    async def close(self) -> None:
        """Break off what is under way and close all connections."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    async def _tried(self, attempt: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        num_failures = 0
        while True:
            try:
                return await attempt(*args)
            except FetchError as error:
                num_failures += 1
                asked_s = error.retry_after_s
                is_last = num_failures >= self.params.num_tries or error.reason in OVER
                if is_last or not error.may_pass or (asked_s or 0.0) > MAX_PATIENCE_S:
                    raise
            wait = wait_s(asked_s, num_failures=num_failures)
            left = self.stats.seconds_left
            await asyncio.sleep(wait if left is None else min(wait, left))

    async def _read(self, request: Request, question: _Question, read: Callable[[Answer], T]) -> T:
        """One attempt at an answer."""
        body = Body(max_bytes=request.max_bytes)
        url, head = await self._follow(request.url, body, question)
        content = b"".join(body.chunks)
        return read(
            Answer(url=shown(url), status=head.status, headers=head.headers, content=content)
        )

    async def _fetch(self, url: str, job: Download) -> Downloaded:
        """One attempt at a file."""
        whole = self._parts.take_whole(url)
        if whole is not None:
            known = await asyncio.to_thread(take_if_verified, whole, job, url=url)
            if known is not None:
                return known
        part = self._parts.find(url)
        digests = Digests(job)
        if part is not None:
            await asyncio.to_thread(digests.update_from, part.path)
        body = FileBody(job, url=url, parts=self._parts, part=part, digests=digests)
        try:
            _, head = await self._follow(url, body, self._question(job, part))
            if head.status == NOT_MODIFIED:
                return _not_modified(url, job)
            if head.status == BEYOND_THE_END:
                body.adopt_part(head)
            content, sha256 = await body.finish()
        except BaseException as error:
            is_lost = isinstance(error, FetchError) and not error.may_pass
            if is_lost and not isinstance(error, BudgetSpentError):
                body.drop()
            else:
                body.rescue()
            raise
        return Downloaded(
            url=url,
            content=content,
            sha256=sha256,
            num_bytes=body.digests.num_bytes,
            etag=head.headers.get("etag"),
            last_modified=head.headers.get("last-modified"),
            content_type=head.content_type,
        )

    def _question(self, job: Download, part: Part | None) -> _Question:
        if part is None and not (job.etag or job.last_modified or job.headers or job.robots):
            return self._plain
        conduct, accepted = FILE_HEADERS, BODY
        if job.etag or job.last_modified:
            known = {"If-None-Match": job.etag, "If-Modified-Since": job.last_modified}
            sent = {k: v for k, v in known.items() if v and may_be_sent_back(v)}
            conduct, accepted = {**conduct, **sent}, accepted | {NOT_MODIFIED}
        if part is not None:
            rest = {"Range": f"bytes={part.num_bytes}-", "If-Range": part.validator}
            conduct, accepted = {**conduct, **rest}, accepted | {BEYOND_THE_END}
        return _Question(self._files, conduct, job.headers, robots=job.robots, accepted=accepted)

    async def _follow(self, text: str, body: Body, question: _Question) -> tuple[URL, Head]:
        """Where the answer came from, and its head."""
        url = self._parsed(text)
        headers = {**question.conduct, **question.headers} if question.headers else question.conduct
        for _ in range(MAX_REDIRECTS + 1):
            head = await self._exchanged().ask(
                url,
                terms=await self._obedient(url, question) if question.robots else question.terms,
                body=body,
                headers=headers,
                accepted=question.accepted,
                posted=question.posted,
            )
            if not is_redirect(head):
                return url, head
            target = self._redirected(url, head, question)
            if target.origin() != url.origin():
                headers = question.conduct
            url = target
        raise FetchError("too_many_redirects", f"more than {MAX_REDIRECTS}")

    def _redirected(self, url: URL, head: Head, question: _Question) -> URL:
        if question.posted is not None:
            raise FetchError("bad_redirect", f"of a form, from {shown(url)}")
        try:
            text = str(url.join(URL(head.headers["location"])))
        except NO_URL as error:
            raise FetchError("bad_redirect", f"from {shown(url)}") from error
        try:
            return self._parsed(text)
        except FetchError as error:
            detail = f"redirected from {shown(url)}: {error.detail}"
            raise FetchError(error.reason, detail) from error

    async def _obedient(self, url: URL, question: _Question) -> Terms:
        """The terms on which robots.txt allows to ask."""
        delay_s = await self._robots.delay_s(url)
        terms = question.terms
        if delay_s == 0 or (terms.per_s is not None and terms.per_s <= 1 / delay_s):
            return terms
        return Terms(terms.lane, 1 / delay_s, at_once=1)

    async def _robots_txt(self, url: URL) -> bytes:
        answer = await self.ask(Request(url=str(url)))
        return answer.content[:MAX_ROBOTS_BYTES]

    def _parsed(self, text: str) -> URL:
        return parse_url(text, loopback_ports=self.params.allow_loopback_ports)

    def _exchanged(self) -> "Exchange":
        if self._exchange is None:
            # libcurl is loaded by those who use it only.
            from wunderkammer.conduct.exchange import Exchange

            self._exchange = Exchange(self.params, contact=self._contact, stats=self.stats)
        return self._exchange


def _not_modified(url: str, job: Download) -> Downloaded:
    return Downloaded(
        url=url,
        content=b"",
        sha256="",
        num_bytes=0,
        etag=job.etag,
        last_modified=job.last_modified,
        content_type=None,
        not_modified=True,
    )
