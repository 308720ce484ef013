"""What the listing of Instagram relies on, asked of the Graph API itself."""

import os

import pytest
from sources.listings import pages_of

from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.instagram import Instagram, InstagramParams
from wunderkammer.sources.listing import Page

KEYS = ("INSTAGRAM_ACCESS_TOKEN", "INSTAGRAM_USER_ID")
needs_token = pytest.mark.skipif(
    not set(KEYS) <= os.environ.keys(),
    reason=f"{' and '.join(KEYS)} are not set; tokens: https://developers.facebook.com/tools/explorer",
)


def check_live(pages: list[Page], *, hashtag: str) -> None:
    """Assert the shape of the first pages of a hashtag."""
    records = [record for page in pages for record in page.records]
    wanted = [record for record in records if record.refused is None]
    assert wanted, {record.refused for record in records}
    for record in wanted:
        assert record.id.isdigit()
        assert record.url.startswith(("https://", "http://127.0.0.1"))
        assert "access_token" not in record.url
        assert (record.landing_page or "").startswith("https://www.instagram.com/")
        assert (record.group or "").isdigit()
        assert record.licence is None
        assert (record.taken_at or "").endswith("Z")
    assert any(hashtag in record.tags for record in wanted)
    for page in pages:
        assert "access_token" not in repr(page)


@pytest.mark.live
@needs_token
@pytest.mark.parametrize("edge", ["recent_media", "top_media"])
def test_a_hashtag_is_listed_as_expected(edge):
    params = InstagramParams(
        kind="instagram",
        hashtags=("corgi",),
        user_id=os.environ["INSTAGRAM_USER_ID"],
        edge=edge,
        accept_unlicensed=True,
    )
    pages = pages_of(lambda network: Instagram(params, network), ConductParams(), num_pages=2)
    check_live(pages, hashtag="corgi")
    assert len(pages) == 2, "there is no second page"
