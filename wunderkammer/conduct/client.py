"""One request and its answer, by libcurl.

What may be connected to is judged at the socket, for each numeric address that libcurl is about
to use: no name, no redirect and no later change of a name gets around that. A proxy would, so
none is used, not even one that the environment names.
"""

import asyncio
import socket
import ssl
from collections.abc import Collection, Mapping
from copy import copy
from importlib.metadata import version
from typing import Any

import certifi
import pycurl

from wunderkammer.conduct.addresses import is_allowed
from wunderkammer.conduct.bodies import Body
from wunderkammer.conduct.budget import NetworkStats
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.multi import Multi
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.replies import BODY, SNIFFED_BYTES, Head, read_head

# Of an error's page; reading a short one to its end keeps the connection.
MAX_REFUSED_BYTES = 1 << 16
BUFFER_BYTES = 1 << 18
MAX_TICK_S = 0.25

# libcurl's error codes, not all of which pycurl names.
MEANINGS = {
    0: ("truncated", True),  # an answer that ends within its head
    1: ("bad_response", False),  # HTTP/0.9
    3: ("bad_url", False),
    6: ("unknown_host", True),
    7: ("connection_failed", True),
    8: ("bad_response", False),
    16: ("truncated", True),  # HTTP/2 framing
    18: ("truncated", True),
    28: ("timed_out", True),
    35: ("connection_failed", True),  # TLS handshake
    51: ("tls_failed", False),
    52: ("connection_failed", True),  # nothing came
    53: ("tls_failed", False),
    55: ("connection_failed", True),
    56: ("truncated", True),
    58: ("tls_failed", False),
    59: ("tls_failed", False),
    60: ("tls_failed", False),  # the certificate
    77: ("tls_failed", False),
    83: ("tls_failed", False),
    91: ("tls_failed", False),
    92: ("truncated", True),  # HTTP/2 stream
    100: ("bad_response", False),  # headers too large
}


class Transfer:
    """A curl handle, for one request after the other, and what has come of the present one."""

    def __init__(self, loopback_ports: Collection[int]) -> None:
        self.curl = pycurl.Curl()
        self.lines: list[bytes] = []
        self.sent: dict[str, str] | None = None
        self.posts = False
        self._loopback_ports = loopback_ports
        for option, value in (
            (pycurl.HEADERFUNCTION, self.lines.append),
            (pycurl.WRITEFUNCTION, self._write),
            (pycurl.OPENSOCKETFUNCTION, self._open_socket),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.PROXY, ""),
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.NOSIGNAL, 1),
            (pycurl.BUFFERSIZE, BUFFER_BYTES),
            (pycurl.CAINFO, ssl.get_default_verify_paths().cafile or certifi.where()),
        ):
            self.curl.setopt(option, value)

    def begin(self, body: Body, *, host: str, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the request before."""
        self.lines.clear()
        self.body = body
        self.host = host
        self.head: Head | None = None
        self.refused = bytearray()
        self.problem: Exception | None = None
        self.blocked: list[str] = []
        self.finished: asyncio.Future[int] = loop.create_future()
        self.num_received = self.num_counted = self.num_at_mark = self.num_ticks = 0
        self.began_at = loop.time()

    def finish(self, code: int) -> None:
        """Wake who waits for the end."""
        if not self.finished.done():
            self.finished.set_result(code)

    def outcome(self, code: int) -> Head:
        """The head of the answer.

        Raises:
            FetchError: there is no whole answer.
        """
        if self.problem is not None and (self.head is None or self.head.status in BODY):
            raise self.problem
        head = self.head or self._begin_body()
        if head.status in BODY or head.status == 0:
            if code != 0 or head.status == 0:
                raise self._explain(code)
            self.body.end()
        return head

    def _explain(self, code: int) -> FetchError:
        assert code != pycurl.E_WRITE_ERROR, "taking the body failed; pycurl has printed why"
        if code == pycurl.E_COULDNT_CONNECT and self.blocked:
            detail = f"{', '.join(self.blocked)}: no public address"
            return FetchError("private_address", detail)
        reason, may_pass = MEANINGS.get(code, ("connection_failed", True))
        return FetchError(reason, f"libcurl's error {code}", may_pass=may_pass)

    def _begin_body(self) -> Head:
        self.head = read_head(self.lines)
        if self.head.status in BODY:
            self.body.begin(self.head)
        return self.head

    def _write(self, chunk: bytes) -> int | None:
        """Called by libcurl; an exception can't pass through it."""
        self.num_received += len(chunk)
        try:
            head = self.head or self._begin_body()
            if head.status in BODY:
                self.body.write(chunk)
                return None
        except (FetchError, OSError) as error:
            self.problem = error
            return -1
        self.refused += chunk[: SNIFFED_BYTES - len(self.refused)]
        return -1 if self.num_received > MAX_REFUSED_BYTES else None

    def _open_socket(self, _purpose: int, address: Any) -> socket.socket | int:
        """Called by libcurl with each address that it is about to connect to."""
        family, kind, protocol, (where, port, *_) = address
        if not is_allowed(where, port, loopback_ports=self._loopback_ports):
            self.blocked.append(where)
            return int(pycurl.SOCKET_BAD)
        opened = socket.socket(family, kind, protocol)
        # pycurl takes a duplicate, after this has returned.
        self.finished.get_loop().call_soon(opened.close)
        return opened


class Client:
    """Asks for one URL at a time, as often as it is called; lives on one event loop.

    Redirects are not followed, cookies not kept, proxies and .netrc not used. A connection that
    sends nothing for `timeout_s`, or less than `min_kb_per_s` over that time, has failed.
    """

    def __init__(self, params: ConductParams, *, contact: str, stats: NetworkStats) -> None:
        self._params = params
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._loopback_ports = frozenset(params.allow_loopback_ports)
        self._multi = Multi(max_idle=params.max_connections)
        self._agent = f"Wunderkammer/{version('wunderkammer')} (+{contact})"
        self._free: list[Transfer] = []
        self._running: set[Transfer] = set()
        self._tick: asyncio.TimerHandle | None = None
        self._tick_s = min(MAX_TICK_S, params.timeout_s / 8)
        self._max_ticks = params.timeout_s / self._tick_s
        self._enough_bytes = max(1.0, 1000 * params.min_kb_per_s * params.timeout_s)

    async def ask(
        self,
        url: str,
        *,
        host: str,
        body: Body,
        headers: Mapping[str, str],
        posted: bytes | None = None,
    ) -> tuple[Head, bytes]:
        """The head of one answer, and the beginning of content that `body` was not given.

        `body` takes the content of an answer that has some (200, 201, 203, 206); the bytes are
        counted for `host`.

        Raises:
            FetchError: there is no whole answer.
            OSError: the body can't be written.
        """
        transfer = self._free.pop() if self._free else self._new_transfer()
        transfer.begin(body, host=host, loop=self._loop)
        self._aim(transfer, url, headers, posted)
        self._running.add(transfer)
        if self._tick is None:
            self._watch()
        self._multi.start(transfer.curl, transfer.finish)
        try:
            code = await transfer.finished
        finally:
            self._running.discard(transfer)
            self._count(transfer)
            self._multi.stop(transfer.curl)
            self._free.append(transfer)
        return transfer.outcome(code), bytes(transfer.refused)

    def close(self) -> None:
        """Break off what is under way and close all connections."""
        closed = FetchError("closed", "the network is closed", may_pass=True)
        for transfer in tuple(self._running):
            self._break_off(transfer, closed)
        if self._tick is not None:
            self._tick.cancel()
        self._multi.close()
        for transfer in self._free:
            transfer.curl.close()

    def _new_transfer(self) -> Transfer:
        transfer = Transfer(self._loopback_ports)
        transfer.curl.setopt(pycurl.USERAGENT, self._agent)
        return transfer

    def _aim(
        self, transfer: Transfer, url: str, headers: Mapping[str, str], posted: bytes | None
    ) -> None:
        curl = transfer.curl
        curl.setopt(pycurl.URL, url)
        if posted is not None:
            curl.setopt(pycurl.POSTFIELDS, posted)
            transfer.posts = True
        elif transfer.posts:
            curl.setopt(pycurl.HTTPGET, 1)
            transfer.posts = False
        if headers != transfer.sent:
            transfer.sent = dict(headers)
            curl.setopt(pycurl.HTTPHEADER, [_line(*pair) for pair in headers.items()])

    def _watch(self) -> None:
        """Break off what is too slow.

        Ticks are counted, not seconds: while this process is busy nothing is received either.
        """
        for transfer in tuple(self._running):
            self._count(transfer)
            problem = self._too_slow(transfer) or self._stats.overdrawn()
            if problem is not None:
                self._break_off(transfer, problem)
        self._tick = self._loop.call_later(self._tick_s, self._watch) if self._running else None

    def _too_slow(self, transfer: Transfer) -> FetchError | None:
        num_came = transfer.num_received - transfer.num_at_mark
        transfer.num_ticks += 1
        if transfer.num_at_mark == 0 < num_came or num_came >= self._enough_bytes:
            transfer.num_at_mark, transfer.num_ticks = transfer.num_received, 0
        params = self._params
        if transfer.num_ticks > self._max_ticks:
            detail = f"{num_came} bytes in timeout_s={params.timeout_s}"
            return FetchError("timed_out", detail, may_pass=True)
        if self._loop.time() - transfer.began_at > params.max_download_s:
            detail = f"longer than max_download_s={params.max_download_s}"
            return FetchError("timed_out", detail, may_pass=True)
        return None

    def _count(self, transfer: Transfer) -> None:
        num_new = transfer.num_received - transfer.num_counted
        transfer.num_counted = transfer.num_received
        self._stats.num_bytes += num_new
        self._stats.bytes_by_host[transfer.host] += num_new

    def _break_off(self, transfer: Transfer, problem: FetchError) -> None:
        self._multi.stop(transfer.curl)
        transfer.problem = copy(problem)
        transfer.finish(0)


def _line(name: str, value: str) -> bytes:
    line = f"{name}: {value}" if value else f"{name}:"
    if not line.isprintable():
        raise ValueError(f"the header {name} holds a control character")
    return line.encode("latin-1")
