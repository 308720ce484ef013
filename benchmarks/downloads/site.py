"""A site on this machine that costs next to nothing: `/7.jpg` and `/7.png` are pictures.

    python -m benchmarks.downloads.site

prints its port and serves until its input ends.
"""

import asyncio
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.downloads.pictures import numbered_jpeg, numbered_png, photographs, tiny_png
from wunderkammer.conduct.loop import run_loop

PROJECT = Path(__file__).parents[2]
NUM_PHOTOGRAPHS = 64
COUNT = "/requests"
END = b"\r\n\r\n"
NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
HEAD = b'HTTP/1.1 200 OK\r\nContent-Type: %s\r\nETag: "%d"\r\nContent-Length: %d\r\n\r\n'


class Site:
    """The process of a site, from outside."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.port = port
        self._process = process

    @property
    def num_requests(self) -> int:
        """Requests that it has answered so far, those for this number not counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{COUNT}") as answer:
            return int(answer.read())

    @property
    def cpu_s(self) -> float:
        """CPU time that it has taken so far."""
        times = self._process.cpu_times()
        return times.user + times.system


@contextmanager
def running_site() -> Iterator[Site]:
    """A site in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.downloads.site"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Site(int(process.stdout.readline()), psutil.Process(process.pid))
        process.stdin.close()


class _Answers(asyncio.Protocol):
    """One connection; requests may come in pieces, or several at once."""

    jpegs: list[bytes]
    png: bytes
    num_requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(END)
        for request in requests:
            self._transport.write(self._answer(request.split(b" ", 2)[1]))

    def _answer(self, path: bytes) -> bytes:
        if path == COUNT.encode():
            body = b"%d" % _Answers.num_requests
            return HEAD % (b"text/plain", 0, len(body)) + body
        _Answers.num_requests += 1
        number, _, form = path[1:].partition(b".")
        if not number.isdigit():
            return NOTHING
        if form == b"png":
            body = numbered_png(self.png, int(number))
        else:
            body = numbered_jpeg(self.jpegs[int(number) % len(self.jpegs)], int(number))
        kind = b"image/png" if form == b"png" else b"image/jpeg"
        return HEAD % (kind, int(number), len(body)) + body


async def _serve() -> None:
    _Answers.jpegs, _Answers.png = photographs(NUM_PHOTOGRAPHS), tiny_png()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answers, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    run_loop(_serve())
