"""What the listing of Reddit relies on, asked of the site itself."""

import os

import pytest
from sources.listings import pages_of, problems_of

from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.listing import Page
from wunderkammer.sources.reddit import Reddit, RedditParams

KEYS = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")
needs_app = pytest.mark.skipif(
    not set(KEYS) <= os.environ.keys(),
    reason=f"{' and '.join(KEYS)} are not set; apps: https://www.reddit.com/prefs/apps",
)


def check_live(pages: list[Page], *, subreddit: str) -> None:
    """Assert the shape of the first pages of a full listing."""
    assert problems_of(pages) == []
    records = [record for page in pages for record in page.records]
    assert len({record.id for record in records}) == len(records)
    wanted = [record for record in records if record.refused is None]
    assert wanted, {record.refused for record in records}
    for record in wanted:
        assert record.url.startswith(("https://", "http://127.0.0.1"))
        assert f"/r/{subreddit}/comments/" in (record.landing_page or "")
        assert record.author
        assert record.title
        assert record.group == record.id.split("/")[0]
        assert record.licence is None
    assert any(record.other_urls for record in wanted)
    if not pages[-1].is_last:
        assert str(pages[-1].position["after"]).startswith("t3_")


@pytest.mark.live
@needs_app
def test_a_subreddit_is_listed_as_expected():
    params = RedditParams(kind="reddit", subreddit="corgi", accept_unlicensed=True)
    pages = pages_of(lambda network: Reddit(params, network), ConductParams(), num_pages=2)
    check_live(pages, subreddit="corgi")
    assert any("/" in record.id for page in pages for record in page.records), "no gallery"
