"""Several sources for one subject: their shares, and what one of them can't give."""

import shutil
from collections import Counter, deque
from collections.abc import Generator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inaturalist_stand_in import INaturalistStandIn
from pydantic import ValidationError
from scraping import Scraper, picture
from stand_in import Asked, running

from wunderkammer.manifests import KEPT, RAW, REJECTED
from wunderkammer.sources.combine import Combine, Member, shares
from wunderkammer.sources.item import RefusedItem, SourceError, SourceItem, SourceReport
from wunderkammer.sources.params import CombineParams
from wunderkammer.sources.places import Places


class Scripted:
    """A source of items, some of which are bad; it ends with an error if `fault` says so."""

    def __init__(
        self, num_items: int = 0, *, bad: Sequence[int] = (), fault: str = "", lazy: int = 0
    ) -> None:
        self.num_items = num_items
        self.bad = frozenset(map(str, bad))
        self.fault = fault
        self.lazy = lazy
        self.decisions: list[str] = []

    def batches(
        self, places: Places, *, taken: frozenset[str]
    ) -> Generator[Sequence[SourceItem] | None, None, None]:
        for _ in range(self.lazy):
            yield None
        items = [RefusedItem(id=str(i), reason="") for i in range(self.num_items)]
        items.sort(key=lambda item: item.id not in taken)
        while items and not places.are_full:
            num = places.take(min(2, len(items)))
            yield items[:num] or None
            items = items[num:]
        if self.fault:
            raise SourceError(self.fault)

    def decided(self, rows: pa.Table) -> None:
        self.decisions += rows["id"].to_pylist()

    def report(self) -> SourceReport:
        return SourceReport(num_listed=self.num_items, is_gone=lambda id_: id_ == "gone")


def run(
    sources: dict[str, Scripted],
    *,
    cap: int | None = None,
    weights: Sequence[float] = (),
    caps: Sequence[int | None] = (),
    taken: Sequence[str] = (),
    lag: int = 0,
) -> tuple[list[str], Combine]:
    """The ids that are kept; what is given is decided some batches later, as by workers."""
    weights = weights or [1.0] * len(sources)
    caps = caps or [None] * len(sources)
    combine = Combine(
        {
            name: Member(source, weight, own)
            for (name, source), weight, own in zip(sources.items(), weights, caps, strict=True)
        }
    )
    places = Places(cap)
    waiting: deque[pa.Table] = deque()
    kept = []
    num_idle = 0
    for batch in combine.batches(places, taken=frozenset(taken)):
        num_idle = 0 if batch else num_idle + 1
        assert num_idle < 100, "it waits for nothing"
        waiting.append(decisions(batch or (), sources))
        while len(waiting) > lag:
            rows = waiting.popleft()
            places.settle(rows)
            combine.decided(rows)
            kept += [row["id"] for row in rows.to_pylist() if row["decision"] == KEPT]
    for rows in waiting:
        combine.decided(rows)
        kept += [row["id"] for row in rows.to_pylist() if row["decision"] == KEPT]
    return kept, combine


def decisions(batch: Sequence[SourceItem], sources: dict[str, Scripted]) -> pa.Table:
    rows = []
    for item in batch:
        name, id_ = item.id.split("/")
        assert item.source == name
        is_bad = id_ in sources[name].bad
        rows.append(
            {
                "id": item.id,
                "source": name,
                "decision": REJECTED if is_bad else KEPT,
                "reason": "truncated" if is_bad else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=RAW)


def by_source(ids: Sequence[str]) -> dict[str, int]:
    return dict(Counter(id_.split("/")[0] for id_ in ids))


@st.composite
def dealings(draw):
    num = draw(st.integers(1, 5))
    each = lambda one: draw(st.lists(one, min_size=num, max_size=num))  # noqa: E731
    weights = each(st.floats(0.1, 100))
    caps = each(st.none() | st.integers(1, 20))
    return weights, caps, each(st.integers(0, 20)), draw(st.integers(0, 60))


@given(dealings())
def test_shares_are_as_fair_as_the_caps_and_what_was_taken_allow(dealing):
    weights, caps, taken, total = dealing
    members = [Member(Scripted(), weight, cap) for weight, cap in zip(weights, caps, strict=True)]
    given_ = shares(total, members, taken=taken)
    most = [total if cap is None else cap for cap in caps]
    assert sum(given_) == min(total, sum(min(total, one) for one in most))
    assert all(num <= one for num, one in zip(given_, most, strict=True))
    stays = [min(num, one) for num, one in zip(taken, most, strict=True)]
    if sum(stays) <= total:
        assert all(num >= one for num, one in zip(given_, stays, strict=True))
    # Whoever has got something beyond what stays had less for its weight than any other.
    for i, num in enumerate(given_):
        for j, other in enumerate(given_):
            if num > stays[i] and other < most[j]:
                assert num / weights[i] <= (other + 1) / weights[j] * (1 + 1e-9)


def test_shares_follow_the_weights():
    members = [Member(Scripted(), weight, None) for weight in (5.0, 3.0, 2.0)]
    assert shares(1000, members, taken=[0, 0, 0]) == [500, 300, 200]
    assert shares(1000, members, taken=[0, 700, 0]) == [215, 700, 85]


def test_shares_of_very_many_pictures_take_no_time():
    members = [Member(Scripted(), float(i), None) for i in range(1, 9)]
    assert sum(shares(350_000, members, taken=[0] * 8)) == 350_000


def test_without_a_total_each_has_its_own_cap():
    members = [Member(Scripted(), 1.0, 7), Member(Scripted(), 9.0, None)]
    assert shares(None, members, taken=[99, 99]) == [7, None]
    kept, _ = run({"a": Scripted(9), "b": Scripted(5)}, caps=(7, None))
    assert by_source(kept) == {"a": 7, "b": 5}


def test_all_come_where_there_is_no_cap_and_ids_are_led_by_the_source():
    kept, combine = run({"a": Scripted(3), "b": Scripted(2, lazy=3)})
    assert sorted(kept) == ["a/0", "a/1", "a/2", "b/0", "b/1"]
    assert combine.report().num_listed == 5


@pytest.mark.parametrize("lag", [0, 1, 5])
def test_what_one_can_not_fill_the_others_get_by_weight(lag):
    sources = {"a": Scripted(2), "b": Scripted(99), "c": Scripted(99, lazy=2)}
    kept, _ = run(sources, cap=14, weights=(1, 2, 1), lag=lag)
    assert by_source(kept) == {"a": 2, "b": 8, "c": 4}


def test_what_turns_out_to_be_bad_leaves_its_place_to_the_others():
    sources = {"a": Scripted(4, bad=range(4)), "b": Scripted(99)}
    kept, _ = run(sources, cap=8, lag=6)
    assert by_source(kept) == {"b": 8}


def test_an_own_cap_holds_whatever_the_others_leave_over():
    kept, _ = run({"a": Scripted(1), "b": Scripted(99)}, cap=50, caps=(None, 5))
    assert by_source(kept) == {"a": 1, "b": 5}


def test_a_source_without_a_share_waits_and_ends_when_the_others_have_filled_theirs():
    kept, _ = run({"a": Scripted(9), "b": Scripted(9)}, cap=1, weights=(5, 1), lag=2)
    assert kept == ["a/0"]


def test_each_learns_what_became_of_its_own_items():
    sources = {"a": Scripted(3, bad=[1]), "b": Scripted(2)}
    run(sources)
    assert sources["a"].decisions == ["0", "1", "2"]
    assert sources["b"].decisions == ["0", "1"]


def test_what_was_taken_before_is_taken_again_whatever_the_shares_are_now():
    before = [f"a/{i}" for i in range(20, 27)]
    kept, _ = run({"a": Scripted(40), "b": Scripted(40)}, cap=10, taken=before)
    assert by_source(kept) == {"a": 7, "b": 3}
    assert set(kept) >= set(before)


def test_a_dead_source_is_told_of_and_its_places_go_to_the_others():
    sources = {"a": Scripted(fault="no such disk"), "b": Scripted(99)}
    kept, combine = run(sources, cap=6)
    assert by_source(kept) == {"b": 6}
    assert combine.report().problems == ("a: no such disk",)


def test_nothing_of_a_dead_source_is_taken_for_gone_and_its_pictures_keep_their_places():
    before = ["a/0", "a/1", "b/0", "b/1"]
    sources = {"a": Scripted(fault="no such disk"), "b": Scripted(99)}
    kept, combine = run(sources, cap=4, taken=before)
    assert sorted(kept) == ["b/0", "b/1"]
    is_gone = combine.report().is_gone
    assert [is_gone(id_) for id_ in ("a/gone", "b/gone", "b/0", "c/0")] == [
        False,
        True,
        False,
        True,
    ]


def test_a_source_that_dies_on_the_way_has_given_what_it_gave():
    kept, combine = run({"a": Scripted(3, fault="cut"), "b": Scripted(1)})
    assert sorted(kept) == ["a/0", "a/1", "a/2", "b/0"]
    assert combine.report().problems == ("a: cut",)


@settings(max_examples=60)
@given(
    sources=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sets(st.integers(0, 11)),
            st.sampled_from(["", "", "", "cut"]),
            st.integers(0, 3),
            st.none() | st.integers(1, 12),
            st.floats(0.1, 10),
        ),
        min_size=1,
        max_size=4,
    ),
    cap=st.none() | st.integers(1, 30),
    lag=st.integers(0, 6),
)
def test_the_cap_is_filled_as_far_as_there_are_good_items(sources, cap, lag):
    made = {
        f"s{number}": Scripted(num, bad=sorted(bad), fault=fault, lazy=lazy)
        for number, (num, bad, fault, lazy, _, _) in enumerate(sources)
    }
    caps = [own for *_, own, _ in sources]
    weights = [weight for *_, weight in sources]
    kept, _ = run(made, cap=cap, weights=weights, caps=caps, lag=lag)
    good = [num - sum(i < num for i in bad) for num, bad, *_ in sources]
    reach = sum(num if own is None else min(num, own) for num, own in zip(good, caps, strict=True))
    assert len(kept) == (reach if cap is None else min(cap, reach))
    assert len(set(kept)) == len(kept)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr("wunderkammer.sources.inaturalist.PER_PAGE", 4)
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)
    with running(INaturalistStandIn()) as site:
        for number in range(1, 7):
            site.observe(number, "cc-by")
        yield site


def drawer(root: Path, name: str, numbers: Sequence[int]) -> dict[str, object]:
    """A folder of pictures as a source."""
    (root / name).mkdir(exist_ok=True)
    for number in numbers:
        (root / name / f"{number}.png").write_bytes(picture(5000 + number))
    return {"kind": "folder", "path": name}


def spiders(site: INaturalistStandIn, **settings: object) -> dict[str, object]:
    return {
        "kind": "inaturalist",
        "taxon_id": 47118,
        "base_url": f"{site.url}/v1",
        "requests_per_minute": 60_000.0,
        **settings,
    }


def scrape(scraper: Scraper, site: INaturalistStandIn, *sources: object, **settings: object):
    conduct = {
        "contact": "curator@museum.example",
        "allow_loopback_ports": [site.port],
        "files_per_s": None,
        "num_tries": 2,
    }
    return scraper(kind="combine", sources=sources, conduct=conduct, **settings)


def photos(site: INaturalistStandIn) -> list[str]:
    return [path for path in site.paths() if path.startswith("/photos/")]


def test_how_much_is_left_is_told_once_every_source_knows(scraper, site, monkeypatch, caplog):
    monkeypatch.setattr("wunderkammer.progress.LOG_INTERVAL_S", 0.0)
    own = drawer(scraper.root, "drawer", range(3))
    other = drawer(scraper.root, "chest", range(8, 10))
    with caplog.at_level("INFO", logger="wunderkammer.sources.scrape"):
        scrape(scraper, site, own, other)
    told = [message for message in caplog.messages if message.startswith("pictures: ")]
    assert "pictures: 5 of 5 (" in told[-1]


def test_pictures_of_all_sources_stand_in_one_manifest_each_with_its_source(scraper, site):
    own = drawer(scraper.root, "drawer", range(3))
    other = drawer(scraper.root, "chest", [9])
    built = scrape(scraper, site, own, spiders(site), other)
    rows = scraper.rows(built)
    assert by_source(list(rows)) == {"folder": 3, "inaturalist": 6, "folder-2": 1}
    assert all(row["source"] == id_.split("/")[0] for id_, row in rows.items())
    assert rows["folder-2/9.png"]["decision"] == "kept"
    one = rows["inaturalist/1/10"]
    assert (one["licence"], one["author"]) == ("CC BY 4.0", "Ada Lovelace")
    assert built.record.summary.num_in == 10


def test_a_rescrape_of_several_sources_asks_each_for_what_is_new(scraper, site):
    sources = [spiders(site), spiders(site, taxon_id=52628, max_photos_per_observation=1)]
    before = scrape(scraper, site, *sources)
    assert set(photos(site)) == {f"/photos/{n}0/original.jpg" for n in range(1, 7)}
    site.asked.clear()
    after = scrape(scraper, site, *sources)
    assert site.paths() == ["/v1/observations"] * 2
    assert after.record.data_version == before.record.data_version
    assert scraper.rows(after) == scraper.rows(before)


def test_a_source_more_asks_the_others_only_for_what_is_new(scraper, site):
    scrape(scraper, site, spiders(site))
    assert site.paths().count("/v1/observations") == 2
    site.asked.clear()
    built = scrape(scraper, site, spiders(site), drawer(scraper.root, "drawer", range(3)))
    assert by_source(list(scraper.kept(built))) == {"inaturalist": 6, "folder": 3}
    assert site.paths() == ["/v1/observations"]


def test_sources_in_another_order_fetch_nothing_again(scraper, site):
    one, other = spiders(site, taxon_id=52628), spiders(site)
    scrape(scraper, site, one, other, spiders(site))
    site.asked.clear()
    built = scrape(scraper, site, other, one)
    assert by_source(list(scraper.kept(built))) == {"inaturalist": 6, "inaturalist-2": 6}
    assert photos(site) == []


def test_each_source_has_tombstones_of_its_own(scraper, site):
    sources = [drawer(scraper.root, "drawer", range(3)), spiders(site, relist_days=0)]
    scrape(scraper, site, *sources)
    (scraper.root / "drawer/1.png").unlink()
    del site.observations[3]
    built = scrape(scraper, site, *sources)
    gone = {"folder/1.png": "gone_from_source", "inaturalist/3/30": "gone_from_source"}
    assert scraper.reasons(built) == gone
    assert scraper.rows(built)["folder/1.png"]["sha256"]


def test_a_cap_is_shared_by_weight_and_filled_up(scraper, site):
    chest = drawer(scraper.root, "chest", range(20))
    built = scrape(scraper, site, chest, spiders(site), max_images=8, weights=[3, 1])
    assert by_source(list(scraper.kept(built))) == {"folder": 6, "inaturalist": 2}
    assert len(photos(site)) == 2
    built = scrape(scraper, site, chest, spiders(site), max_images=20, weights=[1, 9])
    assert by_source(list(scraper.kept(built))) == {"folder": 14, "inaturalist": 6}


def test_what_a_capped_version_holds_stays_when_others_have_more_to_give(scraper, site):
    few = drawer(scraper.root, "drawer", [0])
    before = scrape(scraper, site, few, spiders(site), max_images=5)
    assert by_source(list(scraper.kept(before))) == {"folder": 1, "inaturalist": 4}
    drawer(scraper.root, "drawer", range(9))
    after = scrape(scraper, site, few, spiders(site), max_images=5)
    assert scraper.kept(after) == scraper.kept(before)
    more = scrape(scraper, site, few, spiders(site), max_images=8)
    assert by_source(list(scraper.kept(more))) == {"folder": 4, "inaturalist": 4}


def test_a_source_on_the_network_that_is_down_leaves_its_share_to_the_others(scraper, site):
    own = drawer(scraper.root, "drawer", range(9))
    site.fault = lambda _: "500"
    built = scrape(scraper, site, own, spiders(site), max_images=6)
    assert by_source(list(scraper.kept(built))) == {"folder": 6}
    (problem,) = built.record.summary.measures["problems"]
    assert problem.startswith("inaturalist: the listing broke off (http_500")


def test_a_disk_that_is_not_mounted_loses_nothing_and_ends_nothing(scraper, site):
    sources = [drawer(scraper.root, "drawer", range(3)), spiders(site)]
    before = scrape(scraper, site, *sources, max_images=6)
    shutil.move(scraper.root / "drawer", scraper.root / "elsewhere")
    site.observe(7, "cc-by")
    after = scrape(scraper, site, *sources, max_images=6)
    assert scraper.kept(after) == scraper.kept(before)
    (problem,) = after.record.summary.measures["problems"]
    assert problem.startswith("folder: scrape.path='drawer'")
    shutil.move(scraper.root / "elsewhere", scraper.root / "drawer")
    assert scraper.kept(scrape(scraper, site, *sources, max_images=6)) == scraper.kept(before)


def test_if_no_source_gives_anything_that_is_an_error_that_names_each(scraper, site):
    site.fault = lambda _: "500"
    with pytest.raises(SourceError, match=r"broke off.*folder: scrape.path='nowhere'"):
        scrape(scraper, site, {"kind": "folder", "path": "nowhere"}, spiders(site))


def test_a_bad_picture_of_one_source_is_replaced_by_one_of_any(scraper, site):
    def fault(asked: Asked) -> str | None:
        return "401" if asked.path.startswith("/photos/") else None

    site.fault = fault
    own = drawer(scraper.root, "drawer", range(9))
    built = scrape(scraper, site, spiders(site), own, max_images=6)
    assert by_source(list(scraper.kept(built))) == {"folder": 6}
    assert set(scraper.reasons(built).values()) == {"http_401", "beyond_max_images"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": (1.0,)}, "1 weights for 2 sources"),
        ({"weights": (1.0, 0.0)}, "greater than 0"),
        ({"sources": ()}, "at least 1 item"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    folder = {"kind": "folder", "path": "x"}
    with pytest.raises(ValidationError, match=message):
        CombineParams.model_validate({"kind": "combine", "sources": (folder, folder)} | changes)


def test_conduct_stands_beside_the_sources():
    source = {"kind": "met", "query": "quilt", "conduct": {"num_tries": 9}}
    with pytest.raises(ValidationError, match="put it beside `sources`"):
        CombineParams.model_validate({"kind": "combine", "sources": (source,)})
