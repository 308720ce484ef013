"""HTTP downloads with manners: one attempt at one URL, and what its outcome means.

Redirects are followed by hand, so that each target is judged like a listed URL. Sources of the
rules: RFC 9110 (status codes, Retry-After), and the habit of sites to opt out of machine learning
with `X-Robots-Tag: noai` or `noimageai`.
"""

import asyncio
import errno
import random
import re
import socket
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import aiohttp
from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from wunderkammer.conduct.addresses import is_allowed
from wunderkammer.sources.params import UrlsParams

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9110: too many requests, and the server's own failures.
RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
MAX_RETRY_AFTER_S = 120.0
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
CHUNK_BYTES = 1 << 16
HTML = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
OPT_OUT = re.compile(r"\bno(image)?ai\b", re.I)


class PrivateAddressError(Exception):
    """A host whose addresses may not be connected to."""


class PublicResolver(AbstractResolver):
    """Resolves names through the system, and gives only allowed addresses."""

    def __init__(self, *, loopback_ports: Collection[int]) -> None:
        self._loopback_ports = loopback_ports
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses of `host`.

        Raises:
            PrivateAddressError: it has none.
            OSError: it can't be resolved.
        """
        found = await self._resolver.resolve(host, port, family)
        allowed = [
            one
            for one in found
            if is_allowed(one["host"], port, loopback_ports=self._loopback_ports)
        ]
        if not allowed:
            addresses = ", ".join(one["host"] for one in found)
            raise PrivateAddressError(f"{host} is {addresses}, which is no public address")
        return allowed

    async def close(self) -> None:
        """Holds nothing open."""
        await self._resolver.close()


class GuardedSockets:
    """Makes the sockets of a connector, refusing every address that may not be connected to."""

    def __init__(self, *, loopback_ports: Collection[int]) -> None:
        self._loopback_ports = loopback_ports

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of `getaddrinfo`.

        Raises:
            PermissionError: the address is not allowed.
        """
        family, kind, protocol, _, (address, port, *_) = info
        if not is_allowed(address, port, loopback_ports=self._loopback_ports):
            raise PermissionError(errno.EACCES, "no public address", address)
        return socket.socket(family, kind, protocol)


class FetchError(Exception):
    """A URL that gave no bytes; `detail` holds no user info and no query, which may be secrets.

    `retry_after_s` is what the server asked for; None with `may_pass` means the usual back-off.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        may_pass: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.may_pass = may_pass
        self.retry_after_s = retry_after_s


def parse_url(text: str, *, loopback_ports: Collection[int]) -> URL:
    """The URL, if it may be fetched as far as its text tells.

    Raises:
        FetchError: "bad_url" (no http(s) URL), "user_info_in_url" or "private_address".
    """
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise FetchError("bad_url", "it can't be parsed") from error
    if url.scheme not in ("http", "https") or not url.raw_host or port is None:
        raise FetchError("bad_url", f"scheme {url.scheme!r}; allowed: http and https with a host")
    if url.raw_user is not None or url.raw_password is not None:
        raise FetchError("user_info_in_url", "a user name or password in a URL is not sent")
    # Connectors take what looks like a number straight to a socket, past every resolver.
    if ":" in url.raw_host or url.raw_host.replace(".", "").isdigit():
        try:
            allowed = is_allowed(url.raw_host, port, loopback_ports=loopback_ports)
        except ValueError as error:
            raise FetchError("bad_url", f"{url.raw_host} is no usual IP address") from error
        if not allowed:
            raise FetchError("private_address", f"{url.raw_host} is no public address")
    return url.with_fragment(None)


def shown(url: URL) -> str:
    """The URL without what may be a secret."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


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


class Client:
    """A session that fetches one URL at a time, as often as it is called; not thread-safe."""

    def __init__(self, params: UrlsParams) -> None:
        self.params = params
        ports = params.allow_loopback_ports
        connector = aiohttp.TCPConnector(
            limit=params.max_connections,
            limit_per_host=params.max_connections_per_host,
            resolver=PublicResolver(loopback_ports=ports),
            socket_factory=GuardedSockets(loopback_ports=ports),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=params.timeout_s, sock_read=params.timeout_s
            ),
            # Unpacking is done here, where it can be bounded.
            auto_decompress=False,
            headers={
                "User-Agent": f"Wunderkammer/{version('wunderkammer')} (+{params.contact})",
                "Accept": "image/*, */*;q=0.5",
                "Accept-Encoding": "identity",
            },
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._session.close()

    async def fetch(self, text: str) -> bytes:
        """The body of one successful answer: one attempt, at most five redirects.

        Raises:
            FetchError: there is none; `may_pass` says whether another attempt makes sense.
        """
        try:
            async with asyncio.timeout(self.params.max_download_s):
                return await self._follow(text)
        except TimeoutError as error:
            limits = f"silent for {self.params.timeout_s} s, or {self.params.max_download_s} s long"
            raise FetchError("timed_out", limits, may_pass=True) from error
        except (aiohttp.ClientError, OSError, PrivateAddressError) as error:
            raise _explain(error) from error

    async def _follow(self, text: str) -> bytes:
        ports = self.params.allow_loopback_ports
        url = parse_url(text, loopback_ports=ports)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status not in REDIRECTS or target is None:
                    return await self._body(response)
            try:
                joined = str(url.join(URL(target)))
            except ValueError as error:
                raise FetchError("bad_redirect", f"from {shown(url)}") from error
            try:
                url = parse_url(joined, loopback_ports=ports)
            except FetchError as error:
                detail = f"redirected from {shown(url)}: {error.detail}"
                raise FetchError(error.reason, detail) from error
        raise FetchError("too_many_redirects", f"more than {MAX_REDIRECTS}")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        _judge_head(response, max_bytes=self.params.max_bytes)
        body = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            body += chunk
            if len(body) > self.params.max_bytes:
                raise FetchError("too_large", f"more than {self.params.max_bytes} bytes")
        content = _decoded(bytes(body), response, max_bytes=self.params.max_bytes)
        if HTML.match(content[:1024]):
            raise FetchError("not_an_image", "the answer is an HTML page")
        return content


def _judge_head(response: aiohttp.ClientResponse, *, max_bytes: int) -> None:
    status = response.status
    if status != 200:
        wait = retry_after_s(response.headers.get("Retry-After"), at=datetime.now(UTC))
        may_pass = status in RETRIED_STATUS
        detail = f"{status} {response.reason or ''}".strip()
        raise FetchError(f"http_{status}", detail, may_pass=may_pass, retry_after_s=wait)
    if OPT_OUT.search(",".join(response.headers.getall("X-Robots-Tag", []))):
        raise FetchError("opted_out", "X-Robots-Tag: noai")
    if response.content_type in ("text/html", "application/xhtml+xml"):
        raise FetchError("not_an_image", f"the answer is {response.content_type}")
    if response.content_length is not None and response.content_length > max_bytes:
        detail = f"{response.content_length} bytes, allowed: {max_bytes}"
        raise FetchError("too_large", detail)


def _decoded(body: bytes, response: aiohttp.ClientResponse, *, max_bytes: int) -> bytes:
    """The content of a body that the server has packed although it was asked not to."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchError("unsupported_encoding", encoding[:40])
    try:
        # 32: the header tells gzip from zlib.
        content = zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise FetchError("truncated", f"damaged {encoding}", may_pass=True) from error
    if len(content) > max_bytes:
        raise FetchError("too_large", f"unpacks to more than {max_bytes} bytes")
    return content


@dataclass(frozen=True)
class _Meaning:
    error: type[BaseException]
    reason: str
    may_pass: bool


# The first that fits counts.
MEANINGS = (
    _Meaning(PrivateAddressError, "private_address", False),
    _Meaning(aiohttp.ClientPayloadError, "truncated", True),
    _Meaning(aiohttp.ClientConnectorDNSError, "unknown_host", True),
    _Meaning(aiohttp.ClientSSLError, "tls_failed", False),
    _Meaning(aiohttp.InvalidURL, "bad_url", False),
    _Meaning(aiohttp.ClientResponseError, "bad_response", False),
    _Meaning(BaseException, "connection_failed", True),
)


def _explain(error: BaseException) -> FetchError:
    meaning = next(meaning for meaning in MEANINGS if isinstance(error, meaning.error))
    detail = str(error) if isinstance(error, PrivateAddressError) else type(error).__name__
    return FetchError(meaning.reason, detail, may_pass=meaning.may_pass)
