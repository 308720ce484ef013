"""How often a host is asked, by all processes of this user on this machine together.

A token bucket a host and a lane, as the generic cell rate algorithm (ITU-T I.371): one number, the
time at which the next request is due. It stands in a small file of slots, with the time until
which a host has asked to be left alone; each change is made under a lock of the file, which lies
in the temporary folder of the user (TMPDIR).
"""

import fcntl
import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from time import time
from typing import Literal
from weakref import finalize

Lane = Literal["files", "api"]

# Until when a host is left alone, when its next file and its next question are due, and when
# this was written.
SLOT = struct.Struct("<4d")
LANES: tuple[Lane, ...] = ("files", "api")
NUM_SLOTS = 1 << 16
# Requests may come this much before they are due, so that a timer's grain costs no speed.
TOLERANCE_S = 0.05
# What was written this much later than now comes from a clock that was set back.
MAX_CLOCK_STEP_S = 60.0
# A time beyond this is rubbish: it is longer than any host is left alone.
MAX_AHEAD_S = 7 * 24 * 3600.0


class PaceFolderError(RuntimeError):
    """The folder that processes share can't be trusted."""


def shared_file() -> Path:
    """The file that all processes of this user on this machine share, in a folder of its own.

    Raises:
        PaceFolderError: somebody else could write there.
    """
    folder = Path(tempfile.gettempdir()) / f"wunderkammer-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.getuid():
        raise PaceFolderError(
            f"{folder} has to be a folder that only you can use (mode 0700), for the pace that "
            "scrapes keep together; remove it, or set TMPDIR to a folder of yours"
        )
    return folder / "pace"


class Pace:
    """The buckets in a file. Hosts that fall into one slot share it, which only makes them slower.

    Raises:
        OSError: the file can't be opened or written.
    """

    def __init__(self, file: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(file, flags, mode=0o600)
        self._offsets: dict[str, int] = {}
        # Whoever still ends a request when the network is closed has use for it.
        finalize(self, os.close, self._file)

    def take(self, host: str, *, lane: Lane, per_s: float) -> float:
        """Take a token of a host; gives the seconds until it may be used."""
        now = time()
        with self._locked():
            times = self._read(host, now)
            due = 1 + LANES.index(lane)
            start = max(times[due], times[0], now)
            times[due] = start + 1 / per_s
            self._write(host, times, now)
        return max(start - TOLERANCE_S, times[0], now) - now

    def leave_alone(self, host: str, seconds: float) -> None:
        """Nobody asks the host for so long; a longer rest that is under way stays."""
        now = time()
        with self._locked():
            times = self._read(host, now)
            times[0] = max(times[0], now + seconds)
            self._write(host, times, now)

    def alone_s(self, host: str) -> float:
        """Seconds for which the host is still to be left alone."""
        now = time()
        return max(self._read(host, now)[0] - now, 0.0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _offset(self, host: str) -> int:
        if host not in self._offsets:
            name = int.from_bytes(blake2b(host.encode(), digest_size=8).digest(), "little")
            self._offsets[host] = name % NUM_SLOTS * SLOT.size
        return self._offsets[host]

    def _read(self, host: str, now: float) -> list[float]:
        found = os.pread(self._file, SLOT.size, self._offset(host))
        if len(found) < SLOT.size:
            return [0.0, 0.0, 0.0]
        *times, written_at = SLOT.unpack(found)
        most = MAX_AHEAD_S if written_at - now < MAX_CLOCK_STEP_S else 0.0
        return [at if at - now < most else 0.0 for at in times]

    def _write(self, host: str, times: list[float], now: float) -> None:
        os.pwrite(self._file, SLOT.pack(*times, now), self._offset(host))
