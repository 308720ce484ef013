"""Fixtures of the tests of the conduct on the network."""

import pytest
from museum import Museum
from stand_in import running


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch, tmp_path_factory):
    """Short waits, and a pace that no other test has a part in."""
    file = tmp_path_factory.mktemp("pace") / "pace"
    monkeypatch.setattr("wunderkammer.conduct.exchange.shared_file", lambda: file)
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr("wunderkammer.conduct.replies.MAX_RETRY_AFTER_S", 0.3)


@pytest.fixture
def museum():
    with running(Museum()) as museum:
        yield museum


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "scratch"
