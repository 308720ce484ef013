"""Processes that must not outlive their reason (Linux)."""

import ctypes
import os
import signal
from time import monotonic, sleep

import psutil

KILL_TIMEOUT_S = 10.0


def die_with_parent() -> None:
    """Get SIGTERM when the parent dies, however it dies (prctl(2)).

    A killed orchestrator cannot stop its children. One that lived on would share the GPU, and the
    run's checkpoints, with the training that the restarted orchestrator starts.

    Raises:
        OSError: the kernel refused.
    """
    pr_set_pdeathsig = 1
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), signal.SIGTERM)


class ProcessTree:
    """A process and all that it starts, known by `look` even after it has died.

    Process groups would not do: torchrun gives each of its processes a session of its own.
    """

    def __init__(self, pid: int) -> None:
        self._seen: set[psutil.Process] = set()
        try:
            self._seen.add(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return
        self.look()

    def look(self) -> None:
        """Note what runs now."""
        for process in tuple(self._seen):
            try:
                self._seen.update(process.children(recursive=True))
            except psutil.NoSuchProcess:
                continue

    def kill(self) -> int:
        """Kill whatever still runs; returns how many that were."""
        self.look()
        alive = [process for process in self._seen if _is_alive(process)]
        for process in alive:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        # Not waited for with waitpid: our own child's exit status belongs to whoever started it.
        deadline = monotonic() + KILL_TIMEOUT_S
        while any(map(_is_alive, alive)) and monotonic() < deadline:
            sleep(0.01)
        return len(alive)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
