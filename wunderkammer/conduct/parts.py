"""Files on their way: what a broken transfer leaves, so that the next one goes on from there.

A part lies in the scratch folder under a hash of its URL, with the validator of the server's
version beside it; a whole file waits there for its caller. The folder belongs to one run at a time.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from shutil import disk_usage
from time import time

from wunderkammer.conduct.replies import may_be_sent_back

MAX_AGE_S = 14 * 24 * 3600.0
PART, NOTE, WHOLE = ".part", ".validator", ".whole"


def name_of(url: str) -> str:
    """The name of a URL's files; the URL itself may hold a secret."""
    return hashlib.sha256(url.encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Part:
    """The first bytes of a file, and a value for If-Range that names the file's version."""

    path: Path
    validator: str
    num_bytes: int


class OpenPart:
    """A part that a transfer writes to."""

    def __init__(self, path: Path, *, mode: str, release: Callable[[str], None]) -> None:
        self.path = path
        self._file = path.open(mode)
        self._release = release

    def write(self, chunk: bytes) -> None:
        """Append to it."""
        self._file.write(chunk)

    def close(self) -> None:
        """Leave it to another transfer."""
        self._file.close()
        self._release(self.path.stem)

    def drop(self) -> None:
        """Delete it."""
        self.path.unlink(missing_ok=True)
        _note(self.path).unlink(missing_ok=True)
        self.close()

    def finish(self) -> Path:
        """Make it durable and give it its final name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        name = self.path.stem.partition("-")[0]
        whole = self.path.replace(self.path.with_name(f"{name}-{token_hex(4)}{WHOLE}"))
        _note(self.path).unlink(missing_ok=True)
        self.close()
        return whole


class Parts:
    """The parts in a folder, which is made when there is something to keep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: set[str] = set()
        self._names: set[str] = set()
        self._wholes: dict[str, Path] = {}
        for file in [*folder.iterdir()] if folder.is_dir() else ():
            self._welcome(file)

    def num_bytes_free(self) -> int:
        """What is free on the disk of the folder."""
        there = next(path for path in (self._folder, *self._folder.parents) if path.is_dir())
        return disk_usage(there).free

    def find(self, url: str) -> Part | None:
        """What an earlier transfer of this URL has left."""
        if not self._names or (name := name_of(url)) not in self._names or name in self._open:
            return None
        path = self._folder / f"{name}{PART}"
        return Part(path, _note(path).read_text("latin-1"), path.stat().st_size)

    def take_whole(self, url: str) -> Path | None:
        """A whole file that nobody has taken, since its run was killed."""
        return self._wholes.pop(name_of(url), None) if self._wholes else None

    def create(self, url: str, *, validator: str | None) -> OpenPart:
        """An empty part; without a validator it is of no use to a later transfer."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = name_of(url)
        if validator is None or name in self._open:
            name, validator = f"{name}-{token_hex(4)}", None
        path = self._folder / f"{name}{PART}"
        if validator is not None:
            path.unlink(missing_ok=True)
            _note(path).write_text(validator, "latin-1")
            self._names.add(name)
        return self._opened(path, mode="wb")

    def reopen(self, part: Part) -> OpenPart | None:
        """Go on with a part; None if another transfer has changed it."""
        name = part.path.stem
        if name in self._open or name not in self._names:
            return None
        if part.path.stat().st_size != part.num_bytes:
            return None
        return self._opened(part.path, mode="ab")

    def drop(self, part: Part) -> None:
        """Forget a part that no transfer writes to."""
        opened = self.reopen(part)
        if opened is not None:
            opened.drop()

    def _welcome(self, file: Path) -> None:
        """Take over a file of an earlier run, or delete it if it is too old or of no use."""
        pair = {PART: NOTE, NOTE: PART, WHOLE: WHOLE}.get(file.suffix)
        if pair is None:
            return
        if not file.with_suffix(pair).is_file() or file.stat().st_mtime < time() - MAX_AGE_S:
            file.unlink(missing_ok=True)
        elif file.suffix == PART and may_be_sent_back(_note(file).read_text("latin-1")):
            self._names.add(file.stem)
        elif file.suffix == PART:
            file.unlink()
            _note(file).unlink()
        elif file.suffix == WHOLE:
            self._wholes[file.stem.partition("-")[0]] = file

    def _opened(self, path: Path, *, mode: str) -> OpenPart:
        self._open.add(path.stem)
        return OpenPart(path, mode=mode, release=self._release)

    def _release(self, name: str) -> None:
        self._open.discard(name)
        if not (self._folder / f"{name}{PART}").exists():
            self._names.discard(name)


def _note(part: Path) -> Path:
    return part.with_suffix(NOTE)
