import pytest
from classifier_samples import subject_in
from image_samples import encoded

from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store


class Bench:
    """A folder with networks beside a store with crops."""

    def __init__(self, root):
        self.root = root
        self.subject = subject_in(root)
        self.store = Store(str(root / "data"))
        self.blobs = Blobs(self.store)

    def crops(self, *pictures):
        return [self.blobs.put(encoded(picture)) for picture in pictures]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("WUNDERKAMMER_WEIGHTS", str(tmp_path / "weights"))
    return Bench(tmp_path)


@pytest.fixture
def looked_at(monkeypatch):
    """The hashes of pictures that are looked at, in the test's own process."""
    seen = []

    def here(fn, items, *, workers):
        seen.extend(items)
        yield [(item, fn(item)) for item in items]

    monkeypatch.setattr("wunderkammer.classify.vectors.guarded_map", here)
    return seen
