"""The body of an answer as it comes: bounded, and unpacked here, where that can be bounded too."""

import zlib

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.replies import Head

PACKED = ("gzip", "x-gzip", "deflate")


class Unpacker:
    """Unpacks gzip and zlib; several members in a row are one content (RFC 1952)."""

    def __init__(self, encoding: str) -> None:
        if encoding not in PACKED:
            raise FetchError("unsupported_encoding", encoding[:40])
        self._machine = _machine()

    def feed(self, chunk: bytes, *, max_bytes: int) -> bytes:
        """The content of `chunk`; one byte more than `max_bytes` if there is more than that.

        Raises:
            FetchError: "truncated" (may pass): it is damaged.
        """
        found = b""
        try:
            while chunk and len(found) <= max_bytes:
                if self._machine.eof:
                    self._machine = _machine()
                found += self._machine.decompress(chunk, max_bytes + 1 - len(found))
                chunk = self._machine.unused_data
        except zlib.error:
            raise FetchError("truncated", "damaged packing", may_pass=True) from None
        return found

    @property
    def is_whole(self) -> bool:
        """Whether the content has come to its end."""
        return self._machine.eof


def _machine() -> "zlib._Decompress":
    # 32: the header tells gzip from zlib.
    return zlib.decompressobj(32 + zlib.MAX_WBITS)


class Body:
    """Gathers a body in memory; one request, one body."""

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self.head: Head | None = None
        self.chunks: list[bytes] = []
        self.unpacker: Unpacker | None = None
        self._num_packed = 0

    def begin(self, head: Head) -> None:
        """Judge the head of an answer that has content.

        Raises:
            FetchError: the content is not wanted.
        """
        self.head = head
        encoding = head.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", ""):
            self.unpacker = Unpacker(encoding)
        length = head.content_length
        if length is not None and self.num_bytes + length > self.max_bytes:
            raise FetchError("too_large", f"{length} bytes, allowed: {self.max_bytes}")

    def write(self, chunk: bytes) -> None:
        """Take the next piece.

        Raises:
            FetchError: it is more than allowed, or damaged.
            OSError: it can't be written.
        """
        if self.unpacker is not None:
            # What unpacks to nothing may go on forever.
            self._num_packed += len(chunk)
            chunk = self.unpacker.feed(chunk, max_bytes=self.max_bytes - self.num_bytes)
        self.num_bytes += len(chunk)
        if max(self.num_bytes, self._num_packed) > self.max_bytes:
            raise FetchError("too_large", f"more than {self.max_bytes} bytes")
        self.keep(chunk)

    def keep(self, chunk: bytes) -> None:
        """Store the next piece of content."""
        self.chunks.append(chunk)

    def end(self) -> None:
        """Judge the whole.

        Raises:
            FetchError: "truncated" (may pass): it stops in the middle of its packing.
        """
        if self.unpacker is not None and not self.unpacker.is_whole:
            raise FetchError("truncated", "the packed content has no end", may_pass=True)
