"""Whatever goes wrong, in whatever order: after enough reruns all is listed as if nothing had."""

import random
from collections.abc import Callable

import pytest
from commons_stand_in import CommonsStandIn, Thing
from listings import local
from met_stand_in import ROOT as MET_ROOT
from met_stand_in import MetStandIn, art
from openverse_stand_in import CLIENT_ID, CLIENT_SECRET, OpenverseStandIn
from openverse_stand_in import photo as openverse_photo
from smithsonian_stand_in import KEY, SmithsonianStandIn, row
from smithsonian_stand_in import ROOT as SI_ROOT
from stand_in import Asked, StandIn, running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.loop import run_loop
from wunderkammer.conduct.network import Network
from wunderkammer.harvest.course import Course, after_page
from wunderkammer.sources.commons import Commons, CommonsParams
from wunderkammer.sources.listing import Listing, Record, StalePositionError
from wunderkammer.sources.met import Met, MetParams
from wunderkammer.sources.openverse import Openverse, OpenverseParams
from wunderkammer.sources.smithsonian import Smithsonian, SmithsonianParams

MAX_RUNS = 80
SINCE = "2025-06-01T00:00:00Z"
Make = Callable[[StandIn, Network], Listing]


def commons() -> tuple[StandIn, Make, tuple[str, ...]]:
    names = ("Quilts", "Amish", "Blue")
    things = [
        Thing(number, f"File:Quilt {number}.jpg", {names[number % 3]: SINCE})
        for number in range(300)
    ]
    things += [Thing(500, "Category:Amish", {"Quilts": SINCE})]
    things += [Thing(501, "Category:Blue", {"Amish": SINCE})]
    wiki = CommonsStandIn(things)
    wiki.max_infos = 30

    def make(site: StandIn, network: Network) -> Listing:
        params = CommonsParams(
            kind="commons",
            categories=("Quilts",),
            depth=2,
            base_url=f"{site.url}/w",
            requests_per_s=1000.0,
        )
        return Commons(params, network)

    return wiki, make, ("maxlag", "badcontinue", "cursor_repeats", "invalidcategory", "ratelimited")


def openverse() -> tuple[StandIn, Make, tuple[str, ...]]:
    site = OpenverseStandIn([openverse_photo(number) for number in range(110)])
    site.token_lasts = 7
    environ = {"OPENVERSE_CLIENT_ID": CLIENT_ID, "OPENVERSE_CLIENT_SECRET": CLIENT_SECRET}

    def make(site: StandIn, network: Network) -> Listing:
        params = OpenverseParams(
            kind="openverse",
            query="corgi",
            page_size=10,
            base_url=f"{site.url}/v1",
            requests_per_minute=60_000.0,
        )
        return Openverse(params, network, environ=environ)

    return site, make, ("empty_page", "401")


def met() -> tuple[StandIn, Make, tuple[str, ...]]:
    museum = MetStandIn([art(number) for number in range(70)])
    museum.gone = [200, 201]

    def make(site: StandIn, network: Network) -> Listing:
        base_url = f"{site.url}{MET_ROOT}"
        params = MetParams(kind="met", query="quilt", base_url=base_url, requests_per_s=2000.0)
        return Met(params, network)

    return museum, make, ("other_total",)


def smithsonian() -> tuple[StandIn, Make, tuple[str, ...]]:
    def make(site: StandIn, network: Network) -> Listing:
        params = SmithsonianParams(
            kind="smithsonian",
            query="quilt",
            page_size=10,
            base_url=f"{site.url}{SI_ROOT}",
            requests_per_hour=4e6,
        )
        return Smithsonian(params, network, environ={"SMITHSONIAN_API_KEY": KEY})

    return (
        SmithsonianStandIn([row(number) for number in range(110)]),
        make,
        ("inner_400", "empty_page", "over_limit"),
    )


class Runs:
    """Listings of one site, one after the other, as a harvest does them."""

    def __init__(self, site: StandIn, make: Make, scratch) -> None:
        self.site, self.make, self.scratch = site, make, scratch
        self.records: dict[str, Record] = {}
        self.ids: set[str] = set()
        self.course = Course(
            query="q", epoch=1, origin={}, position={}, started_at="2026-11-20", full_at=None
        )

    def run(self, num_pages: int | None = None) -> None:
        """One listing from where the last one ended, killed after `num_pages`."""
        run_loop(self._run(num_pages))

    async def _run(self, num_pages: int | None) -> None:
        network = Network(local(self.site.port), contact="me@here.org", scratch=self.scratch)
        listing = self.make(self.site, network)
        num_seen = 0
        try:
            pages = listing.pages(self.course.position, known=self.ids.__contains__)
            async for page in pages:
                num_seen += 1
                self.course = after_page(self.course, page)
                self.records |= {one.id: one for one in page.records}
                self.ids |= {one.id for one in page.records}
                if num_seen == num_pages:
                    break
        except FetchError:
            if num_seen == 0:
                self.course = self.course.model_copy(update={"position": self.course.origin})
        except StalePositionError:
            self.course = self.course.model_copy(update={"position": self.course.origin})
        finally:
            await network.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("source", [commons, openverse, met, smithsonian])
def test_faults_and_kills_leave_no_trace(source, seed, tmp_path, monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.005)
    chance = random.Random(seed)
    site, make, own_faults = source()
    with running(site):
        plain = Runs(site, make, tmp_path)
        plain.run()
        assert plain.course.full_at is not None

        faults = ("503_seconds", "429_seconds", *own_faults)

        def fault(asked: Asked) -> str | None:
            whole = "/search" not in asked.path and asked.path.startswith(MET_ROOT)
            usual = [one for one in faults if not (whole and one == "other_total")]
            if asked.method == "POST" or chance.random() > 0.3:
                return None
            return chance.choice(usual)

        site.fault = fault
        runs = Runs(site, make, tmp_path)
        for _ in range(MAX_RUNS):
            runs.run(num_pages=chance.choice([1, 3, None]))
            if runs.course.full_at is not None:
                break
        assert runs.course.full_at is not None, "it never came to an end without a gap"
        assert runs.records == plain.records
