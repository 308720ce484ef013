"""Objects by key, on a disk or in an object store, each written whole or not at all.

obstore is the one client of those tried that never publishes a truncated object: its local store
writes a temporary file and renames it, its remote stores finish an upload or leave nothing. Bytes
for a disk are written here in the same way: obstore's threads cost a small file its whole time
again where all processors are busy.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from secrets import randbits
from typing import BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

DEFAULT_DATA = Path(__file__).parents[2] / "data"


CHUNK_BYTES = 4 << 20
# What a killed write leaves on a disk: a name that ends in # and digits (obstore's and ours).
UNFINISHED = re.compile(r"#\d+$")


# What any method raises of an object store that can't be reached, or that refuses.
UnreachableStoreError = BaseError


class MissingObjectError(LookupError):
    """No object has this key."""


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it; `modified` in seconds since 1970."""

    key: str
    num_bytes: int
    modified: float


class Store:
    """A root that holds objects by key; cheap to make, and picklable (a worker reopens it).

    Args:
        location: a folder, or a URL that obstore knows (`s3://bucket/prefix`, `gs://…`, `az://…`),
            whose credentials come from that provider's usual environment variables.
    """

    def __init__(self, location: str) -> None:
        local = "://" not in location
        self.location = str(Path(location).expanduser().absolute()) if local else location

    def __repr__(self) -> str:
        return f"Store({self.location!r})"

    def __getstate__(self) -> dict[str, str]:
        return {"location": self.location}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.location = state["location"]

    @cached_property
    def root(self) -> Path | None:
        """The folder of a store on a disk, else None."""
        return None if "://" in self.location else Path(self.location)

    @cached_property
    def _objects(self) -> ObjectStore:
        if self.root is not None:
            return LocalStore(self.root, mkdir=True)
        return from_url(self.location)

    def read(self, key: str) -> bytes:
        """The object's bytes.

        Raises:
            MissingObjectError: no object has this key.
        """
        try:
            if self.root is not None:
                # Objects appear whole, and a plain read costs a third of one through obstore.
                with open(f"{self.root}/{key}", "rb") as file:  # noqa: PTH123 - half of a Path's
                    return file.read()
            return bytes(obstore.get(self._objects, key).bytes())
        except FileNotFoundError:
            raise MissingObjectError(
                f"{self.address(key)} is missing; if it was deleted, `wunderkammer refresh "
                f"<subject> --rescrape` makes it again from the source"
            ) from None

    def find(self, key: str) -> bytes | None:
        """The object's bytes, or None."""
        try:
            return self.read(key)
        except MissingObjectError:
            return None

    def sha256(self, key: str) -> str:
        """The SHA-256 (hex) of the object's bytes, few of them in memory at a time.

        Raises:
            MissingObjectError: no object has this key.
        """
        try:
            if self.root is not None:
                with (self.root / key).open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            found = hashlib.sha256()
            for chunk in obstore.get(self._objects, key).stream(min_chunk_size=CHUNK_BYTES):
                found.update(chunk)
            return found.hexdigest()
        except FileNotFoundError:
            raise MissingObjectError(f"{self.address(key)} is missing") from None

    def exists(self, key: str) -> bool:
        """Whether an object has this key."""
        return self.size(key) is not None

    def size(self, key: str) -> int | None:
        """The object's bytes, counted, or None if there is no such object."""
        if self.root is None:
            entry = self.entry(key)
            return None if entry is None else entry.num_bytes
        try:
            # Once a blob: a tenth of a look through obstore, half of one by way of a Path.
            return os.stat(f"{self.root}/{key}").st_size  # noqa: PTH116
        except FileNotFoundError:
            return None

    def entry(self, key: str) -> Entry | None:
        """The object as a listing would show it, or None if there is no such object."""
        try:
            if self.root is not None:
                status = os.stat(f"{self.root}/{key}")  # noqa: PTH116 - as above
                return Entry(key, status.st_size, status.st_mtime)
            meta = obstore.head(self._objects, key)
            return Entry(key, int(meta["size"]), meta["last_modified"].timestamp())
        except FileNotFoundError:
            return None

    def write(self, key: str, content: bytes | Path) -> None:
        """Publish `content` (or a file's content) under `key`, replacing what was there."""
        if self.root is not None and isinstance(content, bytes):
            _write_file(f"{self.root}/{key}", content)
            return
        obstore.put(self._objects, key, content)

    def create(self, key: str, content: bytes) -> bool:
        """Publish `content` unless an object has this key; of several at once one succeeds."""
        try:
            obstore.put(self._objects, key, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def freshen(self, key: str, content: bytes | Path) -> None:
        """Make an object that holds `content` count as written now."""
        if self.root is not None:
            with suppress(FileNotFoundError):
                os.utime(f"{self.root}/{key}")
                return
        self.write(key, content)

    def delete(self, key: str) -> None:
        """Remove the object, if there is one."""
        # A local store raises where a remote one says nothing.
        with suppress(FileNotFoundError):
            obstore.delete(self._objects, key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove these objects, those of them that there are; an object store takes many at once.

        On a disk each is gone or whole; folders stay.
        """
        if self.root is None:
            with suppress(FileNotFoundError):
                obstore.delete(self._objects, keys)
            return
        for key in keys:
            with suppress(FileNotFoundError):
                os.unlink(f"{self.root}/{key}")  # noqa: PTH108 - a Path costs as much again

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below `prefix/`, in no particular order."""
        for chunk in obstore.list(self._objects, prefix=prefix):
            yield from (meta["path"] for meta in chunk)

    def listed(self, prefix: str) -> dict[str, tuple[int, datetime]]:
        """The size in bytes of each object below `prefix/`, and when it was last written."""
        return {
            meta["path"]: (int(meta["size"]), meta["last_modified"])
            for chunk in obstore.list(self._objects, prefix=prefix)
            for meta in chunk
        }

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The objects below `prefix/`, in no particular order, few at a time in memory."""
        for chunk in obstore.list(self._objects, prefix=prefix):
            for meta in chunk:
                yield Entry(meta["path"], int(meta["size"]), meta["last_modified"].timestamp())

    def unfinished(self) -> Iterator[Entry]:
        """What killed writes have left on a disk, and what is being written now."""
        if self.root is None:
            return
        for folder, _, names in os.walk(self.root):
            for name in filter(UNFINISHED.search, names):
                key = os.path.relpath(f"{folder}/{name}", self.root)
                entry = self.entry(key)
                if entry is not None:
                    yield entry

    def path(self, key: str) -> Path | None:
        """Where a store on a disk keeps the object, else None."""
        return None if self.root is None else self.root / key

    def address(self, key: str) -> str:
        """The object's path or URL, for a person to open."""
        return f"{self.location.rstrip('/')}/{key}"

    def settle(self) -> None:
        """Make what was written survive a power cut (a store on a disk only)."""
        if self.root is not None:
            os.sync()


def open_store(environ: Mapping[str, str] = os.environ) -> Store:
    """The store that `WUNDERKAMMER_DATA` names, else `data/` beside the project's packages."""
    return Store(environ.get("WUNDERKAMMER_DATA") or str(DEFAULT_DATA))


def _write_file(path: str, content: bytes) -> None:
    """Put the whole of `content` at `path` in one step; a folder that is missing is made."""
    # obstore takes a name that ends in # and digits for a file in the making, and lists none.
    part = f"{path}#{randbits(62)}"
    try:
        file = _created(part)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - as below
        file = _created(part)
    try:
        with file:
            file.write(content)
        os.replace(part, path)  # noqa: PTH105 - making a Path costs as much again
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _created(path: str) -> BinaryIO:
    return open(path, "xb")  # noqa: PTH123 - as above
