"""libcurl's multi interface on the loop of asyncio.

libcurl says which sockets and which timer it waits for, and is told what has happened to them
(`curl_multi_socket_action`). The loop has to watch sockets, which Windows' default loop can't.
"""

import asyncio
from collections.abc import Callable

import pycurl

READ, WRITE = pycurl.POLL_IN, pycurl.POLL_OUT


class Multi:
    """Transfers of many curl handles at once; they share connections and the names looked up."""

    def __init__(self, *, max_idle: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_idle)
        self._done: dict[pycurl.Curl, Callable[[int], None]] = {}
        self._watched: dict[int, int] = {}
        self._timer: asyncio.Handle | None = None

    def start(self, curl: pycurl.Curl, done: Callable[[int], None]) -> None:
        """Begin a transfer; `done` is called at its end with libcurl's code, 0 if it went well."""
        self._done[curl] = done
        self._multi.add_handle(curl)

    def stop(self, curl: pycurl.Curl) -> None:
        """End a transfer, without calling its `done`; nothing happens if it has ended."""
        if self._done.pop(curl, None) is not None:
            self._multi.remove_handle(curl)

    def close(self) -> None:
        """End all transfers and close their connections."""
        for curl in tuple(self._done):
            self.stop(curl)
        self._on_timer(-1)
        self._multi.close()
        for fd in tuple(self._watched):
            self._watch(fd, 0)

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        # POLL_REMOVE is 4, beyond what can be waited for.
        self._watch(fd, what & (READ | WRITE))

    def _watch(self, fd: int, wanted: int) -> None:
        changed = self._watched.get(fd, 0) ^ wanted
        if changed & READ:
            if wanted & READ:
                self._loop.add_reader(fd, self._act, fd, pycurl.CSELECT_IN)
            else:
                self._loop.remove_reader(fd)
        if changed & WRITE:
            if wanted & WRITE:
                self._loop.add_writer(fd, self._act, fd, pycurl.CSELECT_OUT)
            else:
                self._loop.remove_writer(fd)
        if wanted:
            self._watched[fd] = wanted
        else:
            self._watched.pop(fd, None)

    def _on_timer(self, timeout_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Never at once: libcurl may not be called from within its own call.
        if timeout_ms == 0:
            self._timer = self._loop.call_soon(self._on_timeout)
        elif timeout_ms > 0:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, fd: int, event: int) -> None:
        self._multi.socket_action(fd, event)
        _, succeeded, failed = self._multi.info_read()
        for curl in succeeded:
            self._finish(curl, 0)
        for curl, code, _ in failed:
            self._finish(curl, code)

    def _finish(self, curl: pycurl.Curl, code: int) -> None:
        done = self._done.pop(curl)
        self._multi.remove_handle(curl)
        done(code)
