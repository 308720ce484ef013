"""One request and its answer, by libcurl on the loop of asyncio."""

import socket
from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any

import pycurl

from wunderkammer.conduct.addresses import is_allowed
from wunderkammer.conduct.errors import FetchError


class Transfer:
    """A curl handle, used for one request after the other, and what came of the present one."""

    def __init__(self, loopback_ports: Collection[int]) -> None:
        self.curl = pycurl.Curl()
        self.lines: list[bytes] = []
        self.chunks: list[bytes] = []
        self.num_bytes = 0
        self.max_bytes = 0
        self.problem: FetchError | None = None
        self._loopback_ports = loopback_ports
        curl = self.curl
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        curl.setopt(pycurl.NOSIGNAL, 1)

    def _write(self, chunk: bytes) -> int | None:
        self.num_bytes += len(chunk)
        if self.num_bytes > self.max_bytes:
            self.problem = FetchError("too_large", f"more than {self.max_bytes} bytes")
            return 0
        self.chunks.append(chunk)
        return None

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        family, kind, protocol, where = address
        if not is_allowed(where[0], where[1], loopback_ports=self._loopback_ports):
            self.problem = FetchError("private_address", f"{where[0]} is no public address")
            return pycurl.SOCKET_BAD
        return socket.socket(family, kind, protocol)

    def headers(self) -> dict[str, str]:
        """The headers of the answer, names in lower case."""
        found: dict[str, str] = {}
        for line in self.lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if line.startswith(b"HTTP/"):
                found.clear()
            elif colon:
                key = name.strip().lower()
                found[key] = f"{found[key]}, {value.strip()}" if key in found else value.strip()
        return found


class Client:
    """Asks for one URL at a time, as often as it is called; lives on one event loop."""

    def __init__(self, *, contact: str, loopback_ports: Collection[int], timeout_s: float) -> None:
        self._user_agent = f"Wunderkammer/{version('wunderkammer')} (+{contact})"
        self._loopback_ports = frozenset(loopback_ports)
        self._timeout_s = timeout_s
        self._multi = pycurl.AsyncCurlMulti()
        self._free: list[Transfer] = []

    async def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str],
        body: bytes | None = None,
        max_bytes: int,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one answer; redirects are not followed.

        Raises:
            FetchError: there is none.
        """
        transfer = self._free.pop() if self._free else Transfer(self._loopback_ports)
        transfer.lines.clear()
        transfer.chunks.clear()
        transfer.num_bytes, transfer.max_bytes, transfer.problem = 0, max_bytes, None
        curl = transfer.curl
        curl.setopt(pycurl.URL, url)
        if body is not None:
            curl.setopt(pycurl.POSTFIELDS, body)
        else:
            curl.setopt(pycurl.HTTPGET, 1)
        sent = {"User-Agent": self._user_agent, "Expect": "", **headers}
        curl.setopt(pycurl.HTTPHEADER, [f"{k}: {v}" for k, v in sent.items()])
        curl.setopt(pycurl.TIMEOUT_MS, int(1000 * self._timeout_s))
        try:
            await self._multi.perform(curl)
        except pycurl.error as error:
            raise transfer.problem or _explain(error.args[0]) from None
        result = (curl.getinfo(pycurl.RESPONSE_CODE), transfer.headers(), b"".join(transfer.chunks))
        self._free.append(transfer)
        return result

    async def close(self) -> None:
        """Close its connections."""
        await self._multi.aclose()


def _explain(code: int) -> FetchError:
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return FetchError("timed_out", may_pass=True)
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return FetchError("unknown_host", may_pass=True)
    if code in (pycurl.E_PARTIAL_FILE, pycurl.E_RECV_ERROR):
        return FetchError("truncated", may_pass=True)
    return FetchError("connection_failed", f"curl {code}", may_pass=True)
