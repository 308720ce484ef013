"""Does the Internet Archive still answer as expected?"""

import re

import pytest

from tests.sources.listings import check_records, pages_of, problems_of
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.internet_archive import InternetArchive, InternetArchiveParams
from wunderkammer.sources.listing import Page


def check_live(pages: list[Page], *, base_url: str) -> None:
    """Assert the shape of a listing of scanned books, their page images or their PDFs."""
    wanted = check_records(pages)
    assert problems_of(pages) == []
    assert (pages[0].total or 0) > 0
    newest = [str(page.position["newest"]) for page in pages]
    assert newest == sorted(newest)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date) for date in newest)
    for record in wanted:
        assert record.id == record.group or record.id.startswith(f"{record.group}/")
        assert record.landing_page == f"{base_url}/details/{record.group}"
        assert record.url.startswith(f"{base_url}/download/{record.group}/")
        assert record.form in ("pdf", "zip")
        assert record.num_bytes
        assert record.sha1
        assert record.md5
    assert any(record.author for record in wanted)
    assert any(record.tags for record in wanted)
    assert any(record.taken_at for record in wanted)


@pytest.mark.live
@pytest.mark.parametrize("format_", ["zip", "pdf"])
def test_the_books_of_a_library_are_listed(format_):
    params = InternetArchiveParams(
        kind="internet_archive", collection="MBLWHOI", formats=(format_,), max_items=48
    )
    pages = pages_of(lambda network: InternetArchive(params, network), ConductParams())
    check_live(pages, base_url=params.base_url)
