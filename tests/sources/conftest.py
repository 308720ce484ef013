"""Fixtures of the tests of sources."""

import pytest
from scraping import Scraper, stream_here

from wunderkammer.sources.folder import FileItem


@pytest.fixture
def scraper(tmp_path, monkeypatch) -> Scraper:
    """Works in this process: starting workers for every tiny scrape would take seconds each."""
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
    return Scraper(tmp_path)


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The ids of the files that were read so far."""
    seen: list[str] = []
    read = FileItem.read

    def noting(item: FileItem) -> bytes:
        seen.append(item.id)
        return read(item)

    monkeypatch.setattr(FileItem, "read", noting)
    return seen
