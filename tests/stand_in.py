"""An HTTP server on this machine that stands in for a source, with faults to switch on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HTML = b"<!DOCTYPE html><html><title>Access denied</title></html>"
METADATA_SERVICE = "http://169.254.169.254/latest/meta-data/"


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Reply:
    """An answer. `send` is what goes over the wire if it is not the whole `body`."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    send: Callable[[Any], None] | None = None


class StandIn:
    """Subclasses answer requests; `fault` may name, for a request, what goes wrong with it.

    The faults of the network are known here; a subclass knows those of its own replies.
    """

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Asked] = []
        self.fault: Callable[[Asked], str | None] = lambda _: None
        self.num_open = self.most_open = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        """The faultless reply."""
        raise NotImplementedError

    def spoil(self, fault: str, reply: Reply) -> Reply:
        """The reply under a fault of the source's own kind (an error inside a 200, …)."""
        raise ValueError(fault)

    def reply(self, asked: Asked) -> Reply:
        fault = self.fault(asked)
        reply = with_range(asked, self.answer(asked)) if fault != "range_ignored" else None
        if fault is None:
            return reply
        if fault in FAULTS:
            return FAULTS[fault](self.answer(asked))
        return self.spoil(fault, self.answer(asked))


def with_range(asked: Asked, reply: Reply) -> Reply:
    """The part that was asked for, if the validator of the request still holds."""
    value = asked.headers.get("Range", "")
    valid = asked.headers.get("If-Range", reply.headers.get("ETag")) == reply.headers.get("ETag")
    tags = reply.headers.get("ETag")
    if tags and asked.headers.get("If-None-Match") == tags:
        return Reply(304, headers={"ETag": tags})
    if reply.status != 200 or not value.startswith("bytes=") or not valid:
        return reply
    start = int(value.removeprefix("bytes=").split("-")[0])
    size = len(reply.body)
    if start >= size:
        return Reply(416, headers={"Content-Range": f"bytes */{size}"})
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}
    return Reply(206, reply.body[start:], headers)


def _drip(sink: Any) -> None:
    for _ in range(200):
        sink.write(b".")
        sink.flush()
        time.sleep(0.05)


def _endless(sink: Any) -> None:
    for _ in range(4096):
        sink.write(bytes(1 << 16))


def _later(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def _half(reply: Reply) -> Reply:
    length = {"Content-Length": str(len(reply.body))}
    half = reply.body[: len(reply.body) // 2]
    return Reply(reply.status, reply.body, {**reply.headers, **length}, lambda s: s.write(half))


def _redirect(where: str) -> Callable[[Reply], Reply]:
    return lambda _: Reply(302, headers={"Location": where})


# A gzip member that unpacks to 64 MB of zeros.
def _gzip_bomb(_: Reply) -> Reply:
    import gzip

    body = gzip.compress(bytes(64_000_000), 1)
    return Reply(200, body, {"Content-Encoding": "gzip", "Content-Type": "image/png"})


FAULTS: dict[str, Callable[[Reply], Reply]] = {
    "429_seconds": lambda _: Reply(429, headers={"Retry-After": "0"}),
    "429_date": lambda _: Reply(429, headers={"Retry-After": _later(0.5)}),
    "429": lambda _: Reply(429),
    "500": lambda _: Reply(500, HTML, {"Content-Type": "text/html"}),
    "503_seconds": lambda _: Reply(503, headers={"Retry-After": "0"}),
    "403_html": lambda _: Reply(403, HTML, {"Content-Type": "text/html"}),
    "401": lambda _: Reply(401, b'{"error": "expired"}', {"Content-Type": "application/json"}),
    "200_html": lambda _: Reply(200, HTML, {"Content-Type": "text/html"}),
    "truncated": _half,
    "wrong_length": lambda r: Reply(
        r.status, r.body, {**r.headers, "Content-Length": str(len(r.body) + 1000)}
    ),
    "range_ignored": lambda r: r,
    "drip": lambda r: Reply(200, headers={"Content-Length": "1000000"}, send=_drip),
    "endless": lambda r: Reply(200, headers={"Connection": "close"}, send=_endless),
    "to_metadata": _redirect(METADATA_SERVICE),
    "to_file": _redirect("file:///etc/passwd"),
    "gzip_bomb": _gzip_bomb,
    "hang_up": lambda _: Reply(0),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandIn
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(self.headers),
            self.rfile.read(length),
        )
        stand_in = self.stand_in
        with stand_in.lock:
            stand_in.asked.append(asked)
            stand_in.num_open += 1
            stand_in.most_open = max(stand_in.most_open, stand_in.num_open)
        try:
            self._send(stand_in.reply(asked))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with stand_in.lock:
                stand_in.num_open -= 1

    do_POST = do_GET

    def _send(self, reply: Reply) -> None:
        if reply.status == 0:
            self.close_connection = True
            return
        self.send_response(reply.status)
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        if "Connection" in headers:
            del headers["Content-Length"]
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.send is not None:
            reply.send(self.wfile)
        else:
            self.wfile.write(reply.body)
        if reply.send is not None or int(headers.get("Content-Length", 0)) != len(reply.body):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Clients may hang up whenever they like; anything else is a fault of the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            raise


@contextmanager
def running(stand_in: StandIn) -> Iterator[StandIn]:
    """Serve `stand_in` on a free loopback port."""
    server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"stand_in": stand_in}))
    stand_in.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
