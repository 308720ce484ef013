"""Whatever goes wrong in whatever order, enough reruns give what an undisturbed scrape gives."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inaturalist_stand_in import INaturalistStandIn
from scraping import Scraper, stream_here
from stand_in import Asked, running

from wunderkammer.sources.item import SourceError
from wunderkammer.storage.versions import Versions

FAULTS = [
    None,
    "429",
    "429_seconds",
    "500",
    "503_seconds",
    "403_html",
    "401",
    "200_html",
    "truncated",
    "wrong_length",
    "hang_up",
    "drip",
    "endless",
    "to_metadata",
    "to_file",
    "gzip_bomb",
    "error_in_200",
    "no_json",
    "no_results",
]
MAX_RUNS = 30


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
        patch.setattr("wunderkammer.sources.inaturalist.PER_PAGE", 2)
        patch.setattr("wunderkammer.sources.scrape.growth_plot", lambda *_, **__: b"")
        patch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)
        yield


def section(site: INaturalistStandIn) -> dict[str, object]:
    return {
        "kind": "inaturalist",
        "taxon_id": 47118,
        "base_url": f"{site.url}/v1",
        "requests_per_minute": 6000.0,
        "max_file_mb": 0.2,
        "conduct": {
            "contact": "curator@museum.example",
            "allow_loopback_ports": [site.port],
            "files_per_s": None,
            "num_tries": 2,
            "timeout_s": 0.15,
            "retry_days": 0.0,
        },
    }


def content(scraper: Scraper) -> list[dict[str, object]]:
    record = Versions(scraper.store).current("spoons", "raw_scrape")
    assert record is not None
    rows = Versions(scraper.store).manifest(record).to_pylist()
    return [{k: v for k, v in row.items() if k != "fetched_at"} for row in rows]


def scraped_to_the_end(site: INaturalistStandIn, root: Path, faults: list[str | None]):
    """Scrape again and again until the faults are used up and a run went well after them."""
    scraper = Scraper(root)
    left = [*faults]

    def fault(asked: Asked) -> str | None:
        with site.lock:
            wanted = left.pop(0) if left else None
        own = ("error_in_200", "no_json", "no_results")
        return "500" if wanted in own and asked.path.startswith("/photos/") else wanted

    site.fault = fault
    for _ in range(MAX_RUNS):
        were_left = len(left)
        try:
            scraper(**section(site))
        except SourceError:
            continue
        if not were_left:
            return content(scraper)
    raise AssertionError(f"{len(left)} faults left")


@pytest.mark.slow
@settings(max_examples=20)
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=24))
def test_enough_reruns_heal_every_fault(quick, faults):
    with running(INaturalistStandIn()) as site, tempfile.TemporaryDirectory() as folder:
        for number in range(1, 6):
            site.observe(number, "cc-by")
        (healthy := Path(folder) / "healthy").mkdir()
        (faulty := Path(folder) / "faulty").mkdir()
        wanted = scraped_to_the_end(site, healthy, [])
        assert sum(row["decision"] == "kept" for row in wanted) == 5
        assert scraped_to_the_end(site, faulty, faults) == wanted
