"""The members of a zip or tar file. Nothing is ever written under a name from inside it."""

import bz2
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wunderkammer.sources.item import (
    RefusedItem,
    SourceError,
    SourceItem,
    UnreadableItemError,
    printable,
)
from wunderkammer.sources.member_names import Fault, MemberNames
from wunderkammer.sources.params import GB, ArchiveParams
from wunderkammer.sources.tar import TAR_MAGIC, unpacked_members
from wunderkammer.storage.store import Store

# APPNOTE.TXT 4.4.4: the member, or the central directory, is encrypted.
ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
LOCAL_HEADER_BYTES = 30
# What the reader of a damaged central directory raises.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
)


class Archive:
    """The members of one zip or tar (plain, gzip, bzip2 or xz), in the order of the archive.

    The kind is told by the first bytes, not by the name. The id is the member's name, written as
    `printable` does. Workers read a zip's members straight from the file; a tar is a stream, so
    its members go into the store in one pass, which a `store` remembers below `ledger`.
    """

    def __init__(self, params: ArchiveParams, *, path: Path, store: Store, ledger: str) -> None:
        self.params = params
        self.path = path
        self.store = store
        self.ledger = ledger

    def items(self) -> list[SourceItem]:
        """Every member that is no folder.

        Raises:
            SourceError: there is no such file, it is damaged, no archive, or holds no file.
        """
        where = f"scrape.path={self.params.path!r}: {str(self.path)!r}"
        if not self.path.is_file():
            raise SourceError(f"{where} is not a file; correct the path, or mount the disk")
        with self.path.open("rb") as file:
            head = file.read(512)
        if head.startswith(TAR_MAGIC) or head[257:262] == b"ustar":
            items = unpacked_members(
                self.params, path=self.path, store=self.store, ledger=self.ledger
            )
        elif zipfile.is_zipfile(self.path):
            items = list(_zip_members(self.params, self.path))
        else:
            raise SourceError(
                f"{where} is no zip and no tar (plain, .gz, .bz2, .xz) file, or a truncated one; "
                f"it begins with {head[:16]!r}; fetch it again, or repack it"
            )
        if not items:
            raise SourceError(f"{where} holds no file; was the right archive given?")
        return items

    def bring(self, items: Sequence[SourceItem]) -> Sequence[SourceItem]:
        """The same items: a worker can read them."""
        return items


def _zip_members(params: ArchiveParams, path: Path) -> Iterator[SourceItem]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except ZIP_ERRORS as error:
        raise SourceError(
            f"scrape.path={params.path!r}: the zip file {str(path)!r} is damaged ({error}); "
            f"fetch it again, or repair it with: zip -FF"
        ) from error
    names = MemberNames(label_from_folder=params.label_from_folder)
    ends = _ends_of_data(infos)
    total = 0
    for info in infos:
        if info.is_dir():
            continue
        id_, fault = names.check(info.filename)
        fault = fault or _zip_fault(info, params) or _overlap(info, ends)
        if fault is None and total + info.file_size > params.max_total_gb * GB:
            fault = "beyond_total", f"the members before it reach {params.max_total_gb} GB"
        if fault is not None:
            yield RefusedItem(id=id_, reason=fault[0], detail=fault[1])
            continue
        total += info.file_size
        yield ZipMember(
            id=id_,
            key=f"{printable(str(path))}|{id_}|{info.CRC:08x}|{info.file_size}|{info.date_time}",
            label=names.label(id_),
            path=str(path),
            header_offset=info.header_offset,
            packed_size=info.compress_size,
            size=info.file_size,
            crc=info.CRC,
            method=info.compress_type,
        )


def _zip_fault(info: zipfile.ZipInfo, params: ArchiveParams) -> Fault | None:
    mode = info.external_attr >> 16
    max_bytes = params.max_bytes
    if stat.S_ISLNK(mode):
        return "link", "links are not followed"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not_a_regular_file", stat.filemode(mode)
    if info.flag_bits & ENCRYPTED_FLAGS:
        return "encrypted", "pack it without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        return "unsupported_compression", f"method {info.compress_type}; allowed: deflate, bzip2"
    if info.file_size == 0:
        return "empty", ""
    if info.file_size > max_bytes:
        return "too_large", f"{info.file_size} bytes, allowed: {max_bytes}"
    if info.file_size > params.max_ratio * info.compress_size:
        return "bomb", f"{info.file_size} bytes packed into {info.compress_size}"
    return None


def _ends_of_data(infos: list[zipfile.ZipInfo]) -> dict[int, int]:
    """For each member's offset, that of the next one: its data must end before."""
    offsets = sorted({info.header_offset for info in infos})
    return dict(zip(offsets, [*offsets, 1 << 64][1:], strict=True))


def _overlap(info: zipfile.ZipInfo, ends: dict[int, int]) -> Fault | None:
    # Overlapping members are how a zip bomb beats the limit of deflate's own ratio
    # (D. Fifield, A better zip bomb, WOOT 2019).
    if info.header_offset + LOCAL_HEADER_BYTES + info.compress_size > ends[info.header_offset]:
        return "bomb", "its data overlaps the next member"
    return None


@dataclass(frozen=True, kw_only=True)
class ZipMember(SourceItem):
    """Where a member's data lies, so that a worker needs no look at the central directory."""

    path: str
    header_offset: int
    packed_size: int
    size: int
    crc: int
    method: int

    def read(self) -> bytes:
        """The member's bytes, never more than its header announced.

        Raises:
            UnreadableItemError: "damaged_member", or "bomb" (more data than announced).
        """
        with Path(self.path).open("rb") as file:
            file.seek(self.header_offset)
            header = file.read(LOCAL_HEADER_BYTES)
            if len(header) < LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
                raise UnreadableItemError(
                    "damaged_member", "its local header is not where it should be"
                )
            # APPNOTE.TXT 4.3.7: the lengths of the name and of the extra field end the header.
            file.seek(sum(struct.unpack_from("<HH", header, 26)), io.SEEK_CUR)
            packed = file.read(self.packed_size)
        try:
            content = _unpack(packed, method=self.method, max_bytes=self.size + 1)
        except (zlib.error, OSError) as error:
            raise UnreadableItemError("damaged_member", str(error)) from error
        if len(content) > self.size:
            raise UnreadableItemError("bomb", f"more data than the {self.size} bytes announced")
        if len(content) < self.size or zlib.crc32(content) != self.crc:
            raise UnreadableItemError("damaged_member", "its checksum is wrong")
        return content


def _unpack(packed: bytes, *, method: int, max_bytes: int) -> bytes:
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max_bytes)
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(packed, max_bytes)
    return packed
