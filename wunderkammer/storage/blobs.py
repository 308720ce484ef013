"""Content-addressed bytes: the name of a blob is its SHA-256."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from time import time

from wunderkammer.storage.lease import wait_for_removal
from wunderkammer.storage.store import Store

# A blob that was written no longer ago than this is too young to be removed as garbage.
FRESH_S = 3600.0


class Blobs:
    """Blobs below `blobs/` of a store. Writing one twice is harmless and costs one look."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @staticmethod
    def key(sha256: str) -> str:
        """Where the blob with this hash lies."""
        return f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def put(self, content: bytes | Path, *, sha256: str | None = None) -> str:
        """Keep `content`, or a file's; returns its SHA-256 (64 hex digits), `sha256` if given."""
        if isinstance(content, Path):
            num_bytes = content.stat().st_size
            if sha256 is None:
                with content.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            num_bytes = len(content)
            sha256 = sha256 or hashlib.sha256(content).hexdigest()
        key = self.key(sha256)
        entry = self.store.entry(key)
        if entry is None:
            self.store.write(key, content)
        elif entry.num_bytes != num_bytes or time() - entry.modified >= FRESH_S:
            self._renew(key, content, num_bytes)
        return sha256

    def _renew(self, key: str, content: bytes | Path, num_bytes: int) -> None:
        """See that an old blob stays, though it may be about to go as garbage."""
        # A power cut may leave a file of the right name without its bytes.
        if self.store.size(key) == num_bytes:
            self.store.freshen(key, content)
        else:
            self.store.write(key, content)
        wait_for_removal(self.store)
        if self.store.size(key) != num_bytes:
            self.store.write(key, content)

    def get(self, sha256: str) -> bytes:
        """The bytes with this hash.

        Raises:
            MissingObjectError: there is no such blob.
            ValueError: the stored bytes no longer have this hash.
        """
        content = self.store.read(self.key(sha256))
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ValueError(f"blob {sha256} is damaged (its bytes hash to {found}); delete it")
        return content

    def lost(self, sha256s: Iterable[str]) -> list[str]:
        """Those of the hashes whose blob is missing or empty.

        Looks at a store on a disk only, where it costs microseconds a blob: an object store neither
        loses objects in a power cut nor answers a million questions in time.
        """
        if self.store.root is None:
            return []
        return [sha256 for sha256 in sha256s if not self.store.size(self.key(sha256))]
