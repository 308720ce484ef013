"""Whatever goes wrong, in whatever order: after enough reruns all is listed as if nothing had."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from flickr_stand_in import KEY, SPIDERS, FlickrStandIn, Photo
from instagram_stand_in import TOKEN, USER, InstagramStandIn, media
from listings import local
from reddit_stand_in import CLIENT_ID, SECRET, RedditStandIn, gallery, post
from stand_in import Asked, StandIn, running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.loop import run_loop
from wunderkammer.conduct.network import Network
from wunderkammer.sources.flickr import Flickr, FlickrParams
from wunderkammer.sources.instagram import Instagram, InstagramParams
from wunderkammer.sources.listing import Listing, Position, Record, StalePositionError
from wunderkammer.sources.reddit import Reddit, RedditParams

NUM_RUNS = 60
Make = Callable[[StandIn, Network], Listing]
Source = Callable[[], tuple[StandIn, Make, tuple[str, ...]]]


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    secrets = {"FLICKR_API_KEY": KEY, "REDDIT_CLIENT_ID": CLIENT_ID}
    secrets |= {"REDDIT_CLIENT_SECRET": SECRET, "INSTAGRAM_ACCESS_TOKEN": TOKEN}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.005)
    monkeypatch.setattr("wunderkammer.sources.flickr.PER_PAGE", 20)
    monkeypatch.setattr("wunderkammer.sources.flickr.MAX_DEPTH", 60)
    monkeypatch.setattr("wunderkammer.sources.reddit.PER_PAGE", 20)
    monkeypatch.setattr("wunderkammer.sources.instagram.PER_PAGE", 20)


def pool() -> tuple[StandIn, Make, tuple[str, ...]]:
    return _flickr(group=SPIDERS)


def search() -> tuple[StandIn, Make, tuple[str, ...]]:
    return _flickr(text="Argiope")


def _flickr(**asked: str) -> tuple[StandIn, Make, tuple[str, ...]]:
    start = 1_500_000_000
    photos = [Photo(n, added=start + n, uploaded=start + 5 * n) for n in range(150)]
    photos[70].listed_sizes = False

    def make(site: StandIn, network: Network) -> Listing:
        base_url = f"{site.url}/services"
        params = FlickrParams(
            kind="flickr", base_url=base_url, requests_per_hour=4e6, max_unseen=0.0, **asked
        )
        return Flickr(params, network)

    return FlickrStandIn(photos), make, ("105", "999", "no_json")


def reddit() -> tuple[StandIn, Make, tuple[str, ...]]:
    site = RedditStandIn([post(n) for n in range(90)] + [gallery(n, "m1") for n in range(90, 110)])
    site.token_holds = 4

    def make(site: StandIn, network: Network) -> Listing:
        params = RedditParams(
            kind="reddit",
            subreddit="spiders",
            accept_unlicensed=True,
            base_url=site.url,
            oauth_url=site.url,
            image_url=f"{site.url}/i",
            requests_per_minute=60_000.0,
        )
        return Reddit(params, network)

    return site, make, ("401", "no_json", "other_shape")


def instagram() -> tuple[StandIn, Make, tuple[str, ...]]:
    def make(site: StandIn, network: Network) -> Listing:
        params = InstagramParams(
            kind="instagram",
            hashtags=("corgi", "dog"),
            user_id=USER,
            accept_unlicensed=True,
            base_url=f"{site.url}/v24.0",
            requests_per_minute=60_000.0,
        )
        return Instagram(params, network)

    tags = {"corgi": [media(n) for n in range(70)], "dog": [media(n) for n in range(60, 110)]}
    return InstagramStandIn(tags), make, ("17", "100", "24", "190", "empty", "repeats")


class Runs:
    """Listings of one site, one after the other, killed or not."""

    def __init__(self, site: StandIn, make: Make, scratch: Path) -> None:
        self.site, self.make, self.scratch = site, make, scratch
        self.records: dict[str, Record] = {}
        self.position: Position = {}
        self.has_gaps = False
        self.is_whole = False

    def run(self, num_pages: int | None = None) -> None:
        """One listing from where the last one was left, killed after `num_pages`."""
        run_loop(self._run(num_pages))

    async def _run(self, num_pages: int | None) -> None:
        network = Network(local(self.site.port), contact="me@here.org", scratch=self.scratch)
        num_seen = 0
        try:
            pages = self.make(self.site, network).pages(self.position, known=lambda _: False)
            async for page in pages:
                num_seen += 1
                self.records |= {one.id: one for one in page.records}
                self.position = page.position
                self.has_gaps |= page.problem is not None
                if page.is_last:
                    # After a listing with gaps all is listed again.
                    self.is_whole = self.is_whole or not self.has_gaps
                    self.position, self.has_gaps = {}, False
                if num_seen == num_pages:
                    break
        except FetchError:
            pass
        except StalePositionError:
            self.position, self.has_gaps = {}, False
        finally:
            await network.close()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("source", [pool, search, reddit, instagram])
def test_faults_and_kills_leave_no_trace(source: Source, seed: int, tmp_path: Path):
    chance = random.Random(seed)
    site, make, own_faults = source()
    with running(site):
        plain = Runs(site, make, tmp_path)
        plain.run()
        assert plain.is_whole
        assert len(plain.records) >= 110

        faults = ("503_seconds", "429_seconds", "truncated", "hang_up", *own_faults)

        def fault(asked: Asked) -> str | None:
            is_own = asked.method == "GET" or chance.random() > 0.5
            if chance.random() > 0.25:
                return None
            return chance.choice(faults if is_own else faults[:4])

        site.fault = fault
        runs = Runs(site, make, tmp_path)
        for _ in range(NUM_RUNS):
            runs.run(num_pages=chance.choice([1, 3, None]))
            if runs.is_whole:
                break
        assert runs.is_whole, "it never came to an end without a gap"
        assert runs.records == plain.records
