"""Whatever goes wrong in whatever order, enough reruns give what an undisturbed scrape gives."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from exhibits import EXHIBITS, serve_pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from scraping import Scraper, picture, stream_here
from stand_in import FAULTS, Asked, Reply, StandIn
from test_containers import map_here

from wunderkammer.sources.item import SourceError
from wunderkammer.storage.versions import Versions

# What each source can say wrongly of its own accord, where it lists.
OWN_FAULTS = {
    "commons": ("/w/api.php", ["maxlag", "badcontinue", "cursor_repeats", "no_json"]),
    "gbif": ("/v1/occurrence/search", ["no_json", "no_results"]),
    "inaturalist": ("/v1/observations", ["error_in_200", "no_json", "no_results"]),
    "internet_archive": ("/services/search/v1/scrape", ["error_in_200", "no_items"]),
    "met": ("/public/collection/v1/search", ["other_total", "other_shape"]),
    "openverse": ("/v1/images/", ["empty_page", "other_shape"]),
}
OWN, PLACEHOLDER = "own", "placeholder"
PLACEHOLDER_SIDE_PX = 9
ANY_FAULT = [None, *FAULTS, PLACEHOLDER, *[OWN] * 4]
MAX_RUNS = 40
# Failures are due again after a wait that grows from a millisecond on.
RETRY_DAYS = 1e-8


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
        patch.setattr("wunderkammer.ledger_map.guarded_map", map_here)
        patch.setattr("wunderkammer.sources.inaturalist.PER_PAGE", 2)
        patch.setattr("wunderkammer.sources.commons.BATCH", 2)
        patch.setattr("wunderkammer.sources.scrape.growth_plot", lambda *_, **__: b"")
        patch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)
        sorry = Reply(200, picture(1, side=PLACEHOLDER_SIDE_PX), {"ETag": '"sorry"'})
        patch.setitem(FAULTS, PLACEHOLDER, lambda _: sorry)
        yield


Faults = list[tuple[str | None, int]]
some_faults = st.lists(st.tuples(st.sampled_from(ANY_FAULT), st.integers(0, 9)), max_size=10)


class Spoilt:
    """What goes wrong with a site: with its lists, and with all else that is asked of it."""

    def __init__(self, site: StandIn, kind: str, *, lists: Faults, files: Faults) -> None:
        self.lists, self.files = [*lists], [*files]
        self._lock = site.lock
        self._where, self._own = OWN_FAULTS[kind]

    def fault(self, asked: Asked) -> str | None:
        left = self.lists if asked.path == self._where else self.files
        with self._lock:
            wanted, number = left.pop(0) if left else (None, 0)
        if wanted == OWN:
            return self._own[number % len(self._own)] if left is self.lists else "500"
        return wanted


def content(scraper: Scraper) -> list[dict[str, object]]:
    """The manifest less what depends on the way by which a file came."""
    record = Versions(scraper.store).current("spoons", "raw_scrape")
    assert record is not None
    rows = Versions(scraper.store).manifest(record).to_pylist()
    return [{k: v for k, v in row.items() if k not in ("fetched_at", "headers")} for row in rows]


def scraped(root: Path, section: dict[str, Any]) -> list[dict[str, object]] | None:
    """The manifest after one more scrape; None if the source gave nothing at all."""
    scraper = Scraper(root)
    try:
        scraper(**section)
    except SourceError:
        return None
    return content(scraper)


@pytest.mark.slow
@settings(max_examples=16)
@given(kind=st.sampled_from(sorted(OWN_FAULTS)), lists=some_faults, files=some_faults)
def test_enough_reruns_heal_every_fault(quick, kind, lists, files):
    with tempfile.TemporaryDirectory() as folder:
        (healthy := Path(folder) / "healthy").mkdir()
        (faulty := Path(folder) / "faulty").mkdir()
        with EXHIBITS[kind](Path(folder)) as exhibit:
            site = exhibit.site
            if kind == "inaturalist":
                serve_pictures(site)
            quickly = {"timeout_s": 0.15, "retry_days": RETRY_DAYS}
            section = {
                **exhibit.section,
                "max_file_mb": 0.2,
                "placeholder_sizes": [[PLACEHOLDER_SIDE_PX] * 2],
                "conduct": {**exhibit.section["conduct"], **quickly},
            }
            wanted = scraped(healthy, section)
            assert wanted is not None
            assert sum(row["decision"] == "kept" for row in wanted) == exhibit.num_kept
            spoilt = Spoilt(site, kind, lists=lists, files=files)
            site.fault = spoilt.fault
            for _ in range(MAX_RUNS):
                found = scraped(faulty, section)
                if found == wanted:
                    break
            assert found == wanted, f"left over: {spoilt.lists}, {spoilt.files}"
