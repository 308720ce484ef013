"""The members of a zip file: which are taken, and their bytes without a look at the others."""

import bz2
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wunderkammer.sources.item import RefusedItem, SourceItem, UnreadableItemError, printable
from wunderkammer.sources.limits import GB
from wunderkammer.sources.member_names import Fault, MemberNames

# APPNOTE.TXT 4.4.4: the member, or the central directory, is encrypted.
ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
LOCAL_HEADER_BYTES = 30
# What compression may add to data that can't be compressed: far more than any method does.
MAX_PACKING_BYTES = 1 << 16
# What the reader of a damaged central directory raises.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, kw_only=True)
class ZipLimits:
    """What a zip may hold.

    Attributes:
        max_bytes: the largest member, unpacked.
        max_total_gb: all members together, unpacked.
        max_ratio: unpacked to packed bytes of a member.
        max_directory_bytes: the list of members, which the reader holds in memory about ten times
            as large; None for a file that the user has put there.
    """

    max_bytes: int
    max_total_gb: float
    max_ratio: float
    max_directory_bytes: int | None = None


def zip_members(
    path: Path,
    *,
    limits: ZipLimits,
    names: MemberNames,
    wanted: Callable[[str], bool] = lambda _: True,
) -> Iterator["ZipMember | RefusedItem"]:
    """Every member whose id is `wanted` and that is no folder, in the order of the archive.

    The id is the member's name, written as `printable` does.

    Raises:
        zipfile.BadZipFile, or another of ZIP_ERRORS: the list of members can't be read.
    """
    directory = _Directory(path, max_bytes=limits.max_directory_bytes)
    with directory as file, zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    ends = _ends_of_data(infos)
    num_bytes = path.stat().st_size
    total = 0
    for info in infos:
        if info.filename.endswith("/") or not wanted(info.filename):
            continue
        id_, fault = names.check(info.filename)
        fault = fault or _fault(info, limits) or _misplaced(info, ends, num_bytes)
        if fault is None and total + info.file_size > limits.max_total_gb * GB:
            fault = "beyond_total", f"the members before it reach {limits.max_total_gb} GB"
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


class _Directory(io.FileIO):
    """A zip file of which no piece of more than `max_bytes` is read: its directory is one piece."""

    def __init__(self, path: Path, *, max_bytes: int | None) -> None:
        super().__init__(path)
        self._max_bytes = max_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes.

        Raises:
            zipfile.BadZipFile: it is more than allowed.
        """
        if self._max_bytes is not None and size is not None and size > self._max_bytes:
            raise zipfile.BadZipFile(
                f"its list of members has {size} bytes, allowed: {self._max_bytes}"
            )
        return super().read(size) or b""


def _fault(info: zipfile.ZipInfo, limits: ZipLimits) -> Fault | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link", "links are not followed"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not_a_regular_file", stat.filemode(mode)
    if info.flag_bits & ENCRYPTED_FLAGS:
        return "encrypted", "pack it without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        return "unsupported_compression", f"method {info.compress_type}; allowed: deflate, bzip2"
    if info.header_offset < 0:
        return "damaged_member", "its data would begin before the file"
    if info.file_size == 0:
        return "empty", ""
    if info.file_size > limits.max_bytes:
        return "too_large", f"{info.file_size} bytes, allowed: {limits.max_bytes}"
    if info.compress_size > 2 * info.file_size + MAX_PACKING_BYTES:
        return "bomb", f"{info.compress_size} bytes that unpack to {info.file_size}"
    if info.file_size > limits.max_ratio * info.compress_size:
        return "bomb", f"{info.file_size} bytes packed into {info.compress_size}"
    return None


def _ends_of_data(infos: list[zipfile.ZipInfo]) -> dict[int, int]:
    """For each member's offset, that of the next one: its data must end before."""
    offsets = sorted({info.header_offset for info in infos})
    return dict(zip(offsets, [*offsets, 1 << 64][1:], strict=True))


def _misplaced(info: zipfile.ZipInfo, ends: dict[int, int], num_bytes: int) -> Fault | None:
    end = info.header_offset + LOCAL_HEADER_BYTES + info.compress_size
    # Overlapping members are how a zip bomb beats the limit of deflate's own ratio
    # (D. Fifield, A better zip bomb, WOOT 2019).
    if end > ends[info.header_offset]:
        return "bomb", "its data overlaps the next member"
    if end > num_bytes:
        return "damaged_member", f"its data would end at byte {end} of {num_bytes}"
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
        packed = self._packed()
        try:
            content = _unpack(packed, method=self.method, max_bytes=self.size + 1)
        except (zlib.error, OSError) as error:
            raise UnreadableItemError("damaged_member", str(error)) from error
        if len(content) > self.size:
            raise UnreadableItemError("bomb", f"more data than the {self.size} bytes announced")
        if len(content) < self.size or zlib.crc32(content) != self.crc:
            raise UnreadableItemError("damaged_member", "its checksum is wrong")
        return content

    def _packed(self) -> bytes:
        with Path(self.path).open("rb") as file:
            file.seek(self.header_offset)
            header = file.read(LOCAL_HEADER_BYTES)
            if len(header) < LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
                raise UnreadableItemError(
                    "damaged_member", "its local header is not where it should be"
                )
            # APPNOTE.TXT 4.3.7: the lengths of the name and of the extra field end the header.
            file.seek(sum(struct.unpack_from("<HH", header, 26)), io.SEEK_CUR)
            return file.read(self.packed_size)


def _unpack(packed: bytes, *, method: int, max_bytes: int) -> bytes:
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max_bytes)
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(packed, max_bytes)
    return packed
