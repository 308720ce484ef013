"""The members of a tar stream, brought into the store in one pass.

A compressed tar can't be read at random, so one pass in the parent process puts its members into
the store as blobs. What the pass found is remembered by the archive's identity: an archive that
has not changed is not opened again.
"""

import bz2
import gzip
import io
import logging
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from wunderkammer.params import digest
from wunderkammer.progress import track
from wunderkammer.sources.item import BlobItem, RefusedItem, SourceError, SourceItem, printable
from wunderkammer.sources.limits import GB
from wunderkammer.sources.member_names import Fault, MemberNames
from wunderkammer.sources.params import ArchiveParams
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import now

log = logging.getLogger(__name__)

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
TAR_MAGIC = (GZIP, BZIP2, XZ)
# More than any honest run of headers between two members; tarfile reads a long name whole.
MAX_HEADER_BYTES = 4 << 20
# Small bites of the packed file keep the count of what a member has used of it exact.
BITE_BYTES = 16 << 10
TAR_ERRORS = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)

MEMBERS = pa.schema(
    [
        ("key", pa.string()),
        ("id", pa.string()),
        ("sha256", pa.string()),
        ("fetched_at", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def unpacked_members(
    params: ArchiveParams, *, path: Path, store: Store, ledger: str
) -> list[SourceItem]:
    """The members of the tar at `path`, their bytes in `store`.

    Raises:
        SourceError: the archive is damaged.
    """
    status = path.stat()
    identity = digest(
        {
            "path": printable(str(path)),
            "status": [status.st_size, status.st_mtime_ns, status.st_ctime_ns],
            "caps": [params.max_bytes, params.max_total_gb, params.max_ratio],
        }
    )
    known = Ledger(store, f"{ledger}/{identity}", MEMBERS)
    table = known.rows()
    unpacked = table.filter(pc.is_null(table["reason"]))["sha256"].to_pylist()
    if table.num_rows == 0 or Blobs(store).lost(unpacked):
        log.info("unpacking %s", path)
        rows = list(_members(params, path, Blobs(store)))
        # One append, so that a killed pass leaves no half of a list.
        known.append(pa.Table.from_pylist(rows, schema=MEMBERS))
        table = known.rows()
    names = MemberNames(label_from_folder=params.label_from_folder)
    rows = table.take(pc.sort_indices(table["key"])).to_pylist()
    return [_item(row, names=names, store=store) for row in rows]


def _item(row: dict[str, Any], *, names: MemberNames, store: Store) -> SourceItem:
    if row["reason"] is not None:
        return RefusedItem(id=row["id"], reason=row["reason"], detail=row["detail"])
    return BlobItem(
        id=row["id"],
        key=f"blob:{row['sha256']}",
        label=names.label(row["id"]),
        store=store,
        sha256=row["sha256"],
        fetched_at=row["fetched_at"],
    )


def _members(params: ArchiveParams, path: Path, blobs: Blobs) -> Iterator[dict[str, Any]]:
    names = MemberNames(label_from_folder=False)
    fetched_at = now()
    with path.open("rb") as file:
        walk = _Walk(_Packed(file, max_total=params.max_total_gb * GB), params)
        try:
            found = track(
                walk,
                total=path.stat().st_size,
                what=f"unpacking {path.name} (bytes)",
                log=log,
                size=lambda member: member.packed_size,
            )
            for number, member in enumerate(found):
                id_, fault = names.check(member.name)
                fault = fault or member.fault
                row: dict[str, Any] = {"key": f"{number:09d}", "id": id_, "fetched_at": fetched_at}
                if fault is None:
                    yield {**row, "sha256": blobs.put(member.content)}
                else:
                    yield {**row, "reason": fault[0], "detail": fault[1]}
        except TAR_ERRORS as error:
            raise SourceError(
                f"the archive {params.path!r} of the scrape section: the tar file {str(path)!r} is "
                f"damaged after member {walk.last_name!r} ({error}); fetch it again"
            ) from error


@dataclass(frozen=True)
class _Member:
    """A member that is no folder: its bytes, or why they were not taken."""

    name: str
    packed_size: int
    content: bytes = b""
    fault: Fault | None = None


class _Walk:
    """The members of a tar stream in order, within the caps."""

    def __init__(self, packed: "_Packed", params: ArchiveParams) -> None:
        self.last_name = ""
        self._packed = packed
        self._params = params

    def __iter__(self) -> Iterator[_Member]:
        try:
            # A stream archive asks nothing but `read` of its file.
            with tarfile.open(fileobj=cast(IO[bytes], self._packed), mode="r|") as archive:
                yield from self._walk(archive)
        except _BeyondTotalError:
            detail = f"{self._params.max_total_gb} GB are unpacked; what follows was not read"
            yield _Member(self.last_name, 0, fault=("beyond_total", detail))

    def _walk(self, archive: tarfile.TarFile) -> Iterator[_Member]:
        packed = self._packed
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else it keeps them all
            self.last_name = info.name
            used, given = packed.used, packed.given
            fault = _tar_fault(info, self._params)
            is_wanted = fault is None and not info.isdir()
            content = self._read(archive, info) if is_wanted else b""
            self._skip(archive)
            used, given = packed.used - used, packed.given - given
            # One bite may have been read ahead for the member before.
            if given > self._params.max_ratio * (used + BITE_BYTES):
                fault = "bomb", f"{given} bytes unpacked from {used}"
            if fault is not None or not info.isdir():
                yield _Member(info.name, used, content, fault)

    def _read(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
        self._packed.allow(info.size)
        file = archive.extractfile(info)
        assert file is not None
        return file.read()

    def _skip(self, archive: tarfile.TarFile) -> None:
        """Go to the next header, so that what a member unpacks to counts as its own."""
        stream = archive.fileobj
        assert stream is not None
        self._packed.allow(archive.offset - stream.tell())
        stream.seek(archive.offset)
        self._packed.allow(0)


class _BeyondTotalError(Exception):
    """The archive unpacks to more than it may."""


class _Packed:
    """The unpacked bytes of a tar, counted; gives only as many as were allowed."""

    def __init__(self, file: IO[bytes], *, max_total: float) -> None:
        self.given = 0
        self._max_total = max_total
        self._ceiling = MAX_HEADER_BYTES
        self._bites = _Bites(file)
        head = file.read(6)
        file.seek(0)
        self._stream = _unpacker(head, cast(IO[bytes], self._bites))

    @property
    def used(self) -> int:
        """Bytes of the packed file that were read."""
        return self._bites.used

    def allow(self, num_bytes: int) -> None:
        """Let `num_bytes` and one run of headers be read from here."""
        self._ceiling = self.given + num_bytes + MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        if self.given + size > self._ceiling:
            raise tarfile.ReadError(f"a header of more than {MAX_HEADER_BYTES} bytes")
        if self.given + size > self._max_total:
            raise _BeyondTotalError
        content = self._stream.read(size)
        self.given += len(content)
        return content


class _Bites(io.RawIOBase):
    """A file that is read in small pieces, counted."""

    def __init__(self, file: IO[bytes]) -> None:
        self.used = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most one bite."""
        content = self._file.read(min(size, BITE_BYTES) if size >= 0 else BITE_BYTES)
        self.used += len(content)
        return content


def _unpacker(head: bytes, file: IO[bytes]) -> IO[bytes] | io.BufferedIOBase:
    if head.startswith(GZIP):
        return gzip.GzipFile(fileobj=file)
    if head.startswith(BZIP2):
        return bz2.BZ2File(file)
    if head.startswith(XZ):
        return lzma.LZMAFile(file)
    return file


def _tar_fault(info: tarfile.TarInfo, params: ArchiveParams) -> Fault | None:
    if info.isdir():
        return None
    if info.issym() or info.islnk():
        return "link", "links are not followed"
    if not info.isreg() or info.issparse():
        return "not_a_regular_file", f"tar member type {info.type!r}"
    if info.size == 0:
        return "empty", ""
    if info.size > params.max_bytes:
        return "too_large", f"{info.size} bytes, allowed: {params.max_bytes}"
    return None
