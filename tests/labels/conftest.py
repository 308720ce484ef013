"""A store, and pictures decoded in this process (test_workers has the guarded ones)."""

import pytest

from wunderkammer import ledger_map
from wunderkammer.storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "data"))


@pytest.fixture
def decoded(monkeypatch):
    """Lists the keys that were worked on."""
    done = []

    def here(fn, items, *, workers):
        for item in items:
            done.append(item[0])
            yield [(item, fn(item))]

    monkeypatch.setattr(ledger_map, "guarded_map", here)
    return done
