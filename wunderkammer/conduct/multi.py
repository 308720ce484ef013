"""libcurl's multi interface on the loop of asyncio.

libcurl says which sockets and which timer it waits for, and is told what has happened to them
(`curl_multi_socket_action`). The sockets are watched by a selector of their own, which the loop
watches in turn: a socket that waits and no longer waits twice for each file costs the loop nothing.
"""

import asyncio
from collections.abc import Callable
from selectors import DefaultSelector
from threading import Thread

import pycurl

MAX_CLOSING_S = 1.0


class Multi:
    """Transfers of many curl handles at once; they share connections and the names looked up."""

    def __init__(self, *, max_idle: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_idle)
        self._done: dict[pycurl.Curl, Callable[[int], None]] = {}
        self._timer: asyncio.Handle | None = None
        self._selector = DefaultSelector()
        self._watched: set[int] = set()
        self._is_closed = False
        self._loop.add_reader(self._selector.fileno(), self._on_ready)

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
        self._is_closed = True
        self._loop.remove_reader(self._selector.fileno())
        self._selector.close()
        # libcurl waits for look-ups of names that are under way, which nobody can break off.
        closing = Thread(target=self._multi.close, daemon=True)
        closing.start()
        closing.join(MAX_CLOSING_S)

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if self._is_closed:
            return
        # libcurl's POLL_IN and POLL_OUT are the selector's EVENT_READ and EVENT_WRITE.
        wanted = what & (pycurl.POLL_IN | pycurl.POLL_OUT)
        if fd not in self._watched:
            if wanted:
                self._selector.register(fd, wanted)
                self._watched.add(fd)
        elif wanted:
            self._selector.modify(fd, wanted)
        else:
            self._selector.unregister(fd)
            self._watched.remove(fd)

    def _on_ready(self) -> None:
        for key, events in self._selector.select(0):
            self._multi.socket_action(key.fd, events)
        self._finish_all()

    def _on_timer(self, timeout_ms: int) -> None:
        if self._is_closed:
            return
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
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._finish_all()

    def _finish_all(self) -> None:
        _, succeeded, failed = self._multi.info_read()
        for curl in succeeded:
            self._finish(curl, 0)
        for curl, code, _ in failed:
            self._finish(curl, code)

    def _finish(self, curl: pycurl.Curl, code: int) -> None:
        done = self._done.pop(curl)
        self._multi.remove_handle(curl)
        done(code)
