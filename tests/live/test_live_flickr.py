"""What the listing of Flickr relies on, asked of the site itself."""

import os

import pytest
from sources.listings import check_records, pages_of, problems_of

from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.flickr import Flickr, FlickrParams
from wunderkammer.sources.listing import Page

needs_key = pytest.mark.skipif(
    "FLICKR_API_KEY" not in os.environ,
    reason="FLICKR_API_KEY is not set; keys: https://www.flickr.com/services/api/keys",
)


def check_live(pages: list[Page], *, allowed: tuple[str, ...]) -> None:
    """Assert the shape of the first pages of a full listing."""
    wanted = check_records(pages)
    assert problems_of(pages) == []
    assert (pages[0].total or 0) >= len(pages[0].records)
    for record in wanted:
        assert record.id.isdigit()
        assert (record.landing_page or "").endswith(f"/{record.id}/")
        assert record.author
        assert (record.licence or "").startswith(allowed)
        assert record.licence_url
        assert record.group
        assert f"{record.id}_" in record.url
        assert "api_key" not in record.url
    assert any(record.taken_at for record in wanted)
    assert any(record.tags for record in wanted)
    assert any(record.other_urls for record in wanted)


@pytest.mark.live
@needs_key
def test_a_pool_is_listed_as_expected():
    params = FlickrParams(kind="flickr", group="https://www.flickr.com/groups/spiders/")
    pages = pages_of(lambda network: Flickr(params, network), ConductParams(), num_pages=1)
    assert "@N" in str(pages[0].position["group"])
    check_live(pages, allowed=("CC0", "CC BY 2.0", "CC BY-SA 2.0", "CC BY", "Public"))


@pytest.mark.live
@needs_key
def test_a_search_is_listed_as_expected():
    params = FlickrParams(kind="flickr", tags=("corgi",), licences=("cc-by",), max_size="l")
    pages = pages_of(lambda network: Flickr(params, network), ConductParams(), num_pages=1)
    check_live(pages, allowed=("CC BY",))
