"""Listings run to their end, or killed on the way, and what every one of them must keep to."""

import tempfile
from collections.abc import Callable, Collection
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

from wunderkammer.conduct.loop import run_loop
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.params import ConductParams, contact_of
from wunderkammer.sources.listing import Listing, Page, Position, Record

TESTER = "tests@example.org"


def pages_of(
    make: Callable[[Network], Listing],
    conduct: ConductParams,
    *,
    start: Position | None = None,
    known: Collection[str] = (),
    num_pages: int | None = None,
) -> list[Page]:
    """The pages from `start` on; as if the listing were killed after `num_pages`."""

    async def run() -> list[Page]:
        pages: list[Page] = []
        with tempfile.TemporaryDirectory() as scratch:
            network = Network(conduct, contact=contact_of(conduct), scratch=Path(scratch))
            try:
                async for page in make(network).pages(start or {}, known=lambda id_: id_ in known):
                    pages.append(page)
                    if len(pages) == num_pages:
                        break
            finally:
                await network.close()
        return pages

    is_local = bool(conduct.allow_loopback_ports)
    with (
        patch("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.005) if is_local else nullcontext()
    ):
        return run_loop(run())


def local(port: int, **settings: object) -> ConductParams:
    """The conduct towards a stand-in."""
    return ConductParams.model_validate(
        {"contact": TESTER, "allow_loopback_ports": (port,), "num_tries": 2, **settings}
    )


def records_of(pages: list[Page]) -> dict[str, Record]:
    """The records of all pages by id; the last one of an id counts."""
    return {record.id: record for page in pages for record in page.records}


def problems_of(pages: list[Page]) -> list[str]:
    return [page.problem for page in pages if page.problem is not None]


def check_records(pages: list[Page]) -> list[Record]:
    """Assert what every source owes; returns the records that may be downloaded."""
    records = [record for page in pages for record in page.records]
    assert records, "nothing is listed"
    assert len({record.id for record in records}) == len(records), "an id comes twice"
    wanted = [record for record in records if record.refused is None]
    assert wanted, {record.refused for record in records}
    for record in wanted:
        for url in (record.url, record.landing_page or "", *record.other_urls):
            assert urlsplit(url).scheme in ("http", "https"), record
            assert urlsplit(url).hostname, record
        assert record.licence, record
        assert record.licence_url is None or "//" in record.licence_url, record
        assert record.sha1 is None or len(record.sha1) == 40, record
        assert record.md5 is None or len(record.md5) == 32, record
    assert any(record.title for record in wanted)
    return wanted
