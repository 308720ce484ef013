"""Content-addressed bytes: the name of a blob is its SHA-256."""

import hashlib

from wunderkammer.storage.store import Store


class Blobs:
    """Blobs below `blobs/` of a store. Writing one twice is harmless and costs one look."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @staticmethod
    def key(sha256: str) -> str:
        """Where the blob with this hash lies."""
        return f"blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def put(self, content: bytes) -> str:
        """Keep `content`; returns its SHA-256 (64 hex digits)."""
        sha256 = hashlib.sha256(content).hexdigest()
        key = self.key(sha256)
        # A power cut may leave a file of the right name without its bytes.
        if self.store.size(key) != len(content):
            self.store.write(key, content)
        return sha256

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
