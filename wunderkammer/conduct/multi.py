"""libcurl's multi interface on the loop of asyncio.

libcurl says which sockets and which timer it waits for, and is told what has happened to them
(`curl_multi_socket_action`). The sockets are watched by an epoll of their own, which the loop
watches in turn: that libcurl begins and ends to wait with each file costs the loop nothing.
"""

import asyncio
from collections.abc import Callable
from select import EPOLLIN, EPOLLOUT, epoll
from threading import Thread

import pycurl

MAX_CLOSING_S = 1.0
# What libcurl waits for, POLL_IN (1), POLL_OUT (2) or both, as epoll spells it.
EVENTS = (0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT)


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
        self._epoll = epoll()
        self._watched: set[int] = set()
        self._is_closed = False
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)

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
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        # libcurl waits for look-ups of names that are under way, which nobody can break off.
        closing = Thread(target=self._multi.close, daemon=True)
        closing.start()
        closing.join(MAX_CLOSING_S)

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if self._is_closed:
            return
        events = EVENTS[what & (pycurl.POLL_IN | pycurl.POLL_OUT)]
        if fd not in self._watched:
            if events:
                self._epoll.register(fd, events)
                self._watched.add(fd)
        elif events:
            self._epoll.modify(fd, events)
        else:
            self._epoll.unregister(fd)
            self._watched.remove(fd)

    def _on_ready(self) -> None:
        for fd, events in self._epoll.poll(0):
            # An error or a hang-up (what is neither) is found by reading or writing.
            read = pycurl.CSELECT_IN if events & ~EPOLLOUT else 0
            write = pycurl.CSELECT_OUT if events & ~EPOLLIN else 0
            self._multi.socket_action(fd, read | write)
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
