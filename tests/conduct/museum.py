"""A museum's web site on this machine, and a network that asks it."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from stand_in import HTML, Asked, Reply, StandIn

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.loop import run_loop
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.params import ConductParams
from wunderkammer.conduct.requests import Download, Downloaded

CONTACT = "curator@museum.example"
JPEG = {"Content-Type": "image/jpeg"}
SCAN = bytes(range(256)) * 8000  # 2 MB: more than is held in memory


class Museum(StandIn):
    """Answers by path, a list of replies one after the other; its last one again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, list[Reply]] = {}

    def answer(self, asked: Asked) -> Reply:
        script = self.replies.get(asked.path)
        if script is None:
            return Reply(200, b"a picture", JPEG)
        return script.pop(0) if len(script) > 1 else script[0]

    def tell(self, path: str, *replies: Reply) -> str:
        """Let `path` answer so; gives its URL."""
        self.replies[path] = list(replies)
        return self.url + path

    def count(self, path: str) -> int:
        return self.paths().count(path)


def status(code: int, **headers: str) -> Reply:
    """A failure as an API tells it."""
    spelt = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(code, b"{}", {"Content-Type": "application/json", **spelt})


def page(code: int = 200) -> Reply:
    return Reply(code, HTML, {"Content-Type": "text/html; charset=utf-8"})


def to(location: str, code: int = 302) -> Reply:
    return Reply(code, headers={"Location": location})


def scan(etag: str | None = '"one"', body: bytes = SCAN, **headers: str) -> Reply:
    spelt = {name.replace("_", "-"): value for name, value in headers.items()}
    tag = {} if etag is None else {"ETag": etag}
    return Reply(200, body, {"Content-Type": "image/tiff", **tag, **spelt})


def broken_off(reply: Reply, num_bytes: int) -> Reply:
    """The reply, of which only the beginning comes."""
    length = {"Content-Length": str(len(reply.body))}
    part = reply.body[:num_bytes]
    return Reply(
        reply.status, reply.body, {**reply.headers, **length}, send=lambda sink: sink.write(part)
    )


def conduct(*ports: int, **settings: Any) -> ConductParams:
    return ConductParams.model_validate(
        {
            "timeout_s": 5.0,
            "max_download_s": 9.0,
            "num_tries": 3,
            "files_per_s": None,
            "allow_loopback_ports": ports,
            **settings,
        }
    )


def use(
    site: StandIn | int,
    scratch: Path,
    do: Callable[[Network], Awaitable[Any]],
    *,
    also: tuple[int, ...] = (),
    **settings: Any,
) -> Any:
    """What `do` makes of a network that may ask the site."""
    port = site if isinstance(site, int) else site.port

    async def run() -> Any:
        params = conduct(port, *also, **settings)
        network = Network(params, contact=CONTACT, scratch=scratch)
        try:
            return await do(network)
        finally:
            await network.close()

    return run_loop(run())


async def outcome(network: Network, job: Download) -> Downloaded | FetchError:
    try:
        return await network.download(job)
    except FetchError as error:
        found = error
    assert "secret" not in f"{found!r} {found} {found.detail}"
    return found


def fetch(
    site: StandIn | int,
    scratch: Path,
    *urls: str,
    job: dict[str, Any] | None = None,
    **settings: Any,
) -> list[Downloaded | FetchError]:
    """Download every URL at the same time."""
    jobs = [Download(url=url, **{"max_bytes": 4_000_000, **(job or {})}) for url in urls]

    async def do(network: Network) -> list[Downloaded | FetchError]:
        return await asyncio.gather(*(outcome(network, one) for one in jobs))

    return use(site, scratch, do, **settings)


def reason(site: StandIn | int, scratch: Path, url: str, **settings: Any) -> str:
    (error,) = fetch(site, scratch, url, **settings)
    assert isinstance(error, FetchError)
    return error.reason


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Wire:
    """A server that answers every connection with the same bytes, whatever it is asked."""

    def __init__(
        self,
        *chunks: bytes,
        pause_s: float = 0.0,
        first_pause_s: float | None = None,
        keeps_open: bool = False,
        tls: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.chunks = chunks
        self.tls = tls
        self.pause_s = pause_s
        self.first_pause_s = pause_s if first_pause_s is None else first_pause_s
        self.keeps_open = keeps_open
        self.num_connections = 0
        self.received = b""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.create_server((address, 0), family=family)
        self.address = self.socket.getsockname()[:2]
        self.port = self.address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.is_over = False

    def serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            if self.is_over:
                connection.close()
                return
            self.num_connections += 1
            Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            if self.tls is None:
                self.talk(connection)
            else:
                with self.tls.wrap_socket(connection, server_side=True) as private:
                    self.talk(private)

    def talk(self, connection: socket.socket) -> None:
        while received := connection.recv(65536):
            self.received += received
            for number, chunk in enumerate(self.chunks):
                connection.sendall(chunk)
                pause_s = self.pause_s if number else self.first_pause_s
                if pause_s and has_gone_within(pause_s, connection):
                    return
            if not self.keeps_open:
                return


def has_gone_within(pause_s: float, connection: socket.socket) -> bool:
    """Sleep; true at once if the other side goes meanwhile."""
    connection.settimeout(pause_s)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


@contextmanager
def wire(*chunks: bytes, **settings: Any) -> Iterator[Wire]:
    server = Wire(*chunks, **settings)
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_over = True
        socket.create_connection(server.address).close()
        thread.join()
        server.socket.close()
