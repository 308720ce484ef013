"""A web site on this machine that misbehaves in every way that the tests need."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

PAGE = b"<!DOCTYPE html><title>not a picture</title>"


class Site:
    """What was asked of the site, and the body that `/ok/…` gives."""

    def __init__(self) -> None:
        self.body = b"a picture"
        self.requests: list[str] = []
        self.times: list[float] = []
        self.headers: dict[str, str] = {}
        self.port = 0
        self.num_open = self.most_open = 0
        self.lock = Lock()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def count(self, path: str) -> int:
        return Counter(self.requests)[path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        if self.path == "/robots.txt":
            self.answer(404)
            return
        with site.lock:
            site.requests.append(self.path)
            site.times.append(time.monotonic())
            site.headers = dict(self.headers)
            site.num_open += 1
            site.most_open = max(site.most_open, site.num_open)
        try:
            getattr(self, self.path.split("/")[1].replace("-", "_"))()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with site.lock:
                site.num_open -= 1

    def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers = {"content_type": "image/png", "content_length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def ok(self) -> None:
        self.answer(body=self.site.body)

    def slow_ok(self) -> None:
        time.sleep(0.05)
        self.answer(body=self.site.body)

    def status(self) -> None:
        status = int(self.path.split("/")[2])
        body = b"" if status in (204, 304) else PAGE
        self.answer(status, body, content_type="text/html")

    def at_second(self) -> None:
        """`/at-second/<status>[/<Retry-After>]`: fails at first, then gives the body."""
        parts = self.path.split("/")
        if self.site.count(self.path) > 1:
            return self.ok()
        extra = {"Retry_After": parts[3].replace("_", " ")} if len(parts) > 3 else {}
        return self.answer(int(parts[2]), **extra)

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b".")
            time.sleep(0.05)

    def silent(self) -> None:
        time.sleep(0.6)
        self.close_connection = True

    def truncated(self) -> None:
        self.answer(body=b"half", content_length="1000")
        self.close_connection = True

    def hang_up(self) -> None:
        self.close_connection = True

    def large(self) -> None:
        self.answer(body=bytes(2_000_000))

    def large_unannounced(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(bytes(2_000_000))
        self.close_connection = True

    def packed(self) -> None:
        """`/packed/<encoding>`: the body set by the test, under that Content-Encoding."""
        self.answer(body=self.site.body, content_encoding=self.path.split("/")[2])

    def page(self) -> None:
        self.answer(body=PAGE, content_type="text/html; charset=utf-8")

    def disguised_page(self) -> None:
        self.answer(body=b"\n<!-- x --> " + PAGE)

    def opted_out(self) -> None:
        self.answer(body=self.site.body, x_robots_tag="noindex, noai")

    def to(self) -> None:
        """`/to/<n>/ok`: n redirects, then the body; `/to/metadata` and others: to there."""
        targets = {
            "metadata": "http://169.254.169.254/latest/meta-data/",
            "numeric": "http://2130706433/",
            "file": "file:///etc/passwd",
            "user-info": f"http://user:secret@127.0.0.1:{self.site.port}/ok",
            "other-port": "http://127.0.0.1:1/ok",
            "loop": "/to/loop",
        }
        place = self.path.split("/")[2]
        left = int(place) if place.isdigit() else 0
        onward = "/ok/end" if left == 1 else f"/to/{left - 1}/ok"
        self.answer(302, location=targets.get(place, onward))


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def running_site() -> Iterator[Site]:
    site = Site()
    server = QuietServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
