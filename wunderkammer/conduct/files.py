"""The body of a download: small in memory, large in a part file, hashed as it comes."""

import asyncio
import hashlib
from pathlib import Path

from wunderkammer.conduct.bodies import Body
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.parts import OpenPart, Part, Parts
from wunderkammer.conduct.replies import (
    HTML,
    HTML_TYPES,
    OPT_OUT,
    SNIFFED_BYTES,
    Head,
    content_range,
    is_other_version,
    strong_validator,
)
from wunderkammer.conduct.requests import Download, Downloaded

# What is no longer than this is held in memory: most pictures.
MEMORY_BYTES = 1 << 20
CHUNK_BYTES = 1 << 20
# What a download leaves free on the disk, for all else that is written meanwhile.
SPARE_BYTES = 200_000_000


class Digests:
    """The hashes of a content that comes in pieces: SHA-256, and those that were published."""

    def __init__(self, job: Download) -> None:
        self.num_bytes = 0
        self._job = job
        self._sha256 = hashlib.sha256()
        self._others = []
        for name, published in (("md5", job.md5), ("sha1", job.sha1)):
            if published is not None:
                machine = hashlib.new(name, usedforsecurity=False)
                self._others.append((machine, published.lower()))

    def update(self, chunk: bytes) -> None:
        """Take the next piece."""
        self.num_bytes += len(chunk)
        self._sha256.update(chunk)
        for other, _ in self._others:
            other.update(chunk)

    def update_from(self, file: Path) -> None:
        """Take the content of a file."""
        with file.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                self.update(chunk)

    def verified(self) -> str:
        """The SHA-256, if the rest is as published.

        Raises:
            FetchError: "wrong_digest" (may pass) otherwise.
        """
        expected, found = self._job.num_bytes, self.num_bytes
        if expected is not None and expected != found:
            detail = f"{found} bytes, published: {expected}"
            raise FetchError("wrong_digest", detail, may_pass=True)
        for other, published in self._others:
            if other.hexdigest() != published:
                detail = f"{other.name} {other.hexdigest()}, published: {published}"
                raise FetchError("wrong_digest", detail, may_pass=True)
        return self._sha256.hexdigest()


class FileBody(Body):
    """Gathers a download; `part` is what an earlier transfer has left, already in `digests`."""

    def __init__(
        self, job: Download, *, url: str, parts: Parts, part: Part | None, digests: Digests
    ) -> None:
        super().__init__(max_bytes=job.max_bytes)
        self._job = job
        self._url = url
        self._parts = parts
        self._part = part
        # Of the whole file, where a part of it comes.
        self._size: int | None = None
        self.digests = digests
        self._file: OpenPart | None = None

    def begin(self, head: Head) -> None:
        """Judge the head.

        Raises:
            FetchError: "opted_out", "not_an_image", "too_large", "disk_full" (may pass), or it is
                not what was asked for.
        """
        if OPT_OUT.search(head.headers.get("x-robots-tag", "")):
            raise FetchError("opted_out", "X-Robots-Tag: noai")
        content_type = head.content_type
        if content_type in HTML_TYPES:
            raise FetchError("not_an_image", f"the answer is {content_type}")
        if head.status == 206:
            self._go_on(head)
        elif self._part is not None:
            # Another version, or a server that sends nothing but whole files.
            self._parts.drop(self._part)
            self.digests = Digests(self._job)
        super().begin(head)
        if (head.content_length or 0) > MEMORY_BYTES:
            self._ask_for_room(head)

    def keep(self, chunk: bytes) -> None:
        """Store the next piece, in memory as long as it fits there."""
        if self._file is not None:
            self.digests.update(chunk)
            self._file.write(chunk)
            return
        self.chunks.append(chunk)
        if self.num_bytes > MEMORY_BYTES:
            self._spill()

    def adopt_part(self, head: Head) -> None:
        """There is nothing beyond the part (416): it is the whole file, or none of this version.

        Raises:
            FetchError: "bad_range" (may pass): it is not the whole file.
        """
        part = self._part
        assert part is not None, "a range was asked for"
        _, _, size = content_range(head)
        if size != part.num_bytes or is_other_version(head, part.validator):
            raise self._unfit(f"{size} bytes, {part.num_bytes} came before")
        self.head = head
        self._file = self._reopened()

    def end(self) -> None:
        """Judge the whole.

        Raises:
            FetchError: "truncated" or "bad_range" (both may pass): it is not what was announced.
        """
        super().end()
        if self._size is None or self.num_bytes == self._size:
            return
        detail = f"{self.num_bytes} bytes came, the whole has {self._size}"
        if self.num_bytes < self._size:
            raise FetchError("truncated", detail, may_pass=True)
        self.drop()
        raise FetchError("bad_range", detail, may_pass=True)

    async def finish(self) -> tuple[bytes | Path, str]:
        """The verified content and its SHA-256.

        Raises:
            FetchError: "wrong_digest" (may pass) or "not_an_image".
        """
        content = b""
        try:
            if self._file is None:
                content = b"".join(self.chunks)
                _refuse_html(content)
                self.digests.update(content)
            sha256 = self.digests.verified()
        except FetchError:
            self.drop()
            raise
        if self._file is None and not self._job.to_file:
            return content, sha256
        if self._file is None:
            self._file = self._parts.create(self._url, validator=None)
            self._file.write(content)
        # Waiting for a disk must not stop the other transfers.
        path = await asyncio.to_thread(self._file.finish)
        return path, sha256

    def rescue(self) -> None:
        """Leave what has come to the next transfer, if that can go on from there."""
        if self._validator() is None:
            self.drop()
        elif self.chunks and not HTML.match(self.chunks[0][:SNIFFED_BYTES]):
            self._spill()
        if self._file is not None:
            self._file.close()

    def drop(self) -> None:
        """Delete what has come."""
        self.chunks.clear()
        if self._file is not None:
            self._file.drop()

    def _go_on(self, head: Head) -> None:
        first, last, size = content_range(head)
        part, size = self._part, self._job.num_bytes if size is None else size
        if part is None or first != part.num_bytes or last is None:
            raise self._unfit(f"the answer begins at byte {first}")
        if size is None or last >= size:
            raise self._unfit(f"the answer ends with byte {last} of {size}")
        if is_other_version(head, part.validator):
            raise self._unfit("the answer is of another version")
        if size > self.max_bytes:
            raise FetchError("too_large", f"{size} bytes, allowed: {self.max_bytes}")
        self._file = self._reopened()
        self.num_bytes, self._size = part.num_bytes, size

    def _ask_for_room(self, head: Head) -> None:
        announced, free = head.content_length or 0, self._parts.num_bytes_free()
        if announced > free - SPARE_BYTES:
            detail = f"{announced} bytes, free for scratch: {free}, of which {SPARE_BYTES} are kept"
            raise FetchError("disk_full", f"{detail}; make room and run it again", may_pass=True)

    def _unfit(self, detail: str) -> FetchError:
        """What the server sends does not go with the part, which is dropped."""
        if self._part is not None:
            self._parts.drop(self._part)
        return FetchError("bad_range", detail, may_pass=True)

    def _reopened(self) -> OpenPart:
        opened = None if self._part is None else self._parts.reopen(self._part)
        if opened is None:
            raise FetchError("bad_range", "another download has the part", may_pass=True)
        return opened

    def _validator(self) -> str | None:
        if self.head is None or self.unpacker is not None:
            return None
        if self._part is not None and self.head.status == 206:
            return self._part.validator
        return strong_validator(self.head)

    def _spill(self) -> None:
        gathered = b"".join(self.chunks)
        _refuse_html(gathered)
        self.chunks.clear()
        self._file = self._parts.create(self._url, validator=self._validator())
        self.digests.update(gathered)
        self._file.write(gathered)


def _refuse_html(content: bytes) -> None:
    if HTML.match(content[:SNIFFED_BYTES]):
        raise FetchError("not_an_image", "the answer is an HTML page")


def take_if_verified(file: Path, job: Download, *, url: str) -> Downloaded | None:
    """A whole file of a run that was killed, if a published digest shows that it is the right one.

    Without such a digest it is deleted: nobody knows whether it is still the present version.
    """
    digests = Digests(job)
    digests.update_from(file)
    try:
        if job.md5 is None and job.sha1 is None:
            raise FetchError("wrong_digest", "none is published")
        sha256 = digests.verified()
    except FetchError:
        file.unlink()
        return None
    return Downloaded(
        url=url,
        content=file,
        sha256=sha256,
        num_bytes=digests.num_bytes,
        etag=None,
        last_modified=None,
        content_type=None,
    )
