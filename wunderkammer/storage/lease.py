"""One process at a time may remove what nothing references; who writes can wait for its end.

    gc/<number>.json     who removes, or has removed; the highest number is in force

A lease is taken by creating the next number, which of several processes only one can do, whatever
the store. It ends when its holder says so, when its holder's process is gone, or, where that can't
be seen from here, when it was not renewed for a quarter of an hour.
"""

import logging
import os
import socket
from collections.abc import Callable
from time import sleep, time
from typing import Any

import psutil

from wunderkammer.params import Params
from wunderkammer.storage.store import Store

PREFIX = "gc"
EXPIRY_S = 900.0
RENEW_S = 60.0
LOOK_S = 1.0

log = logging.getLogger(__name__)


class Holder(Params):
    """A process, as others may look for it."""

    host: str
    pid: int
    pid_started: float

    @staticmethod
    def facts() -> dict[str, Any]:
        """Those of this process."""
        process = psutil.Process()
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "pid_started": process.create_time(),
        }

    @property
    def is_of_this_host(self) -> bool:
        """Whether it can be seen from here if it lives."""
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether a process of this host is still there."""
        try:
            process = psutil.Process(self.pid)
            # A zombie has ended; only its parent has not looked yet.
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return bool(abs(process.create_time() - self.pid_started) < 1.0)
        except psutil.NoSuchProcess:
            return False


class _Claim(Holder):
    renewed: float
    is_over: bool = False

    @property
    def is_held(self) -> bool:
        if self.is_over:
            return False
        return self.lives if self.is_of_this_host else time() - self.renewed < EXPIRY_S


class LeaseError(RuntimeError):
    """Another process removes, or has taken over."""


class Lease:
    """The right to remove; `with Lease(store) as lease:`, and `lease.renew()` before each removal.

    Raises:
        LeaseError: another process has it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        self._renewed = 0.0

    def __enter__(self) -> "Lease":
        newest, claim = _newest(self._store)
        if claim is not None and claim.is_held:
            raise LeaseError(
                f"process {claim.pid} on {claim.host} removes from this store already; wait for it"
            )
        self._number = newest + 1
        if not self._store.create(_key(self._number), self._claim()):
            raise LeaseError("another process has just begun to remove; wait for it")
        for number in _numbers(self._store):
            if number < self._number:
                self._store.delete(_key(number))
        return self

    def __exit__(self, *_: object) -> None:
        self._store.write(_key(self._number), self._claim(is_over=True))

    def renew(self) -> None:
        """Go on holding it.

        Raises:
            LeaseError: it was taken over, since this process has not renewed it for too long.
        """
        if time() - self._renewed < RENEW_S:
            return
        late = time() - self._renewed >= EXPIRY_S
        if late or max(_numbers(self._store), default=0) != self._number:
            raise LeaseError("this process has slept for too long to go on removing; run it again")
        self._store.write(_key(self._number), self._claim())

    def _claim(self, *, is_over: bool = False) -> bytes:
        self._renewed = time()
        claim = _Claim(renewed=self._renewed, is_over=is_over, **Holder.facts())
        return claim.model_dump_json().encode()


def wait_for_removal(store: Store, *, pause: Callable[[float], None] = sleep) -> None:
    """Return when no process removes from the store: at once, nearly always."""
    _, claim = _newest(store)
    if claim is not None and claim.is_held:
        log.info("waiting for process %d on %s, which collects garbage", claim.pid, claim.host)
        while claim is not None and claim.is_held:
            pause(LOOK_S)
            _, claim = _newest(store)


def _newest(store: Store) -> tuple[int, _Claim | None]:
    while True:
        number = max(_numbers(store), default=0)
        content = store.find(_key(number)) if number else None
        if content is not None:
            return number, _Claim.model_validate_json(content)
        if number == 0:
            return 0, None


def _numbers(store: Store) -> list[int]:
    return [int(key.removeprefix(f"{PREFIX}/").removesuffix(".json")) for key in store.keys(PREFIX)]


def _key(number: int) -> str:
    return f"{PREFIX}/{number:09d}.json"
