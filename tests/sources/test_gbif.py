import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from gbif_stand_in import BACKBONE, BY_NC, CITIZENS, COL, MUSEUM, GbifStandIn
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from listings import local, pages_of, problems_of, records_of
from pydantic import ValidationError
from stand_in import Asked, running

from tests.live.test_live_gbif import check_live
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources import gbif
from wunderkammer.sources.gbif import Gbif, GbifParams
from wunderkammer.sources.listing import Page, Record

CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"


@pytest.fixture
def site() -> Iterator[GbifStandIn]:
    with running(GbifStandIn()) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)


@pytest.fixture
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(gbif, "PER_PAGE", 2)


def listed(site: GbifStandIn, start=None, num_pages=None, **settings) -> list[Page]:
    chosen = {"taxon_key": "F6", "requests_per_minute": 60_000.0, **settings}
    params = GbifParams(kind="gbif", base_url=site.url, **chosen)
    return pages_of(
        lambda network: Gbif(params, network), local(site.port), start=start, num_pages=num_pages
    )


def only(pages: list[Page]) -> Record:
    (record,) = records_of(pages).values()
    return record


def keys(pages: list[Page]) -> list[int]:
    """The occurrences in the order in which they came."""
    return [int(record.group) for page in pages for record in page.records]


def searches(site: GbifStandIn) -> list[dict[str, str]]:
    return [asked.query for asked in site.asked if asked.path == "/v1/occurrence/search"]


def facets(site: GbifStandIn) -> list[str]:
    return [query["facet"] for query in searches(site) if "facet" in query]


def test_a_picture_comes_with_all_that_the_site_tells_of_it(site):
    site.record(77, CC0)
    url = f"{site.url}/media/77/0.jpg"
    assert only(listed(site)) == Record(
        id=f"77/{hashlib.sha256(url.encode()).hexdigest()[:12]}",
        url=url,
        landing_page="https://museum.example/pictures/77-0",
        author="Ada Lovelace",
        licence="CC0 1.0",
        licence_url=CC0,
        title="Globigerina bulloides d'Orbigny, 1826",
        label="Globigerina bulloides",
        group="77",
        taken_at="2012-03-04T00:00:00.000+00:00",
    )


def test_the_shape_that_is_asked_of_the_real_site_holds_here(site, small_pages):
    for key in range(1, 6):
        site.record(key, CC0, BY_NC, "CC BY 4.0")
    check_live(listed(site, num_pages=2))


def test_what_a_picture_does_not_tell_its_occurrence_does(site):
    one = site.record(1, None)
    one["media"] = [{"type": "StillImage", "identifier": f"{site.url}/1.jpg"}]
    record = only(listed(site))
    assert (record.licence, record.author) == ("CC BY 4.0", "The Museum")
    assert record.landing_page == "https://museum.example/specimens/1"
    assert record.taken_at == "1998-07-01/1998-07-31"
    one.update(references=None, rightsHolder=None)
    record = only(listed(site))
    assert record.author == "C. Darwin"
    assert record.landing_page == "https://www.gbif.org/occurrence/1"


def test_each_picture_is_judged_by_its_own_licence(site):
    licences = [BY_NC, "CC_BY_4_0", "Anonymous, CC by The Museum", "© The Museum", None, "cc0"]
    site.record(1, *licences)
    site.record(2, None, license="http://creativecommons.org/licenses/by-nc/4.0/legalcode")
    site.record(3, None, license=None)
    records = list(records_of(listed(site)).values())
    allowed = "; allowed: cc0, public-domain, cc-by, cc-by-sa"
    assert [(record.licence, record.refused) for record in records] == [
        ("CC BY-NC 4.0", ("licence", f"CC BY-NC 4.0{allowed}")),
        ("CC BY 4.0", None),
        ("Anonymous, CC by The Museum", ("licence", f"Anonymous, CC by The Museum{allowed}")),
        ("© The Museum", ("licence", f"© The Museum{allowed}")),
        ("CC BY 4.0", None),
        ("CC0 1.0", None),
        ("CC BY-NC 4.0", ("licence", f"CC BY-NC 4.0{allowed}")),
        ("unknown", ("licence", f"unknown{allowed}")),
    ]


def test_only_pictures_come_and_each_once(site):
    one = site.record(1, CC0)
    one["media"] += [
        {"type": "Sound", "identifier": "https://museum.example/1.mp3"},
        {"format": "image/png", "identifier": "https://museum.example/1.png", "license": CC0},
        {"format": "text/html", "identifier": "https://museum.example/1"},
        dict(one["media"][0]),
        {"type": "StillImage", "license": CC0},
        {"type": "StillImage", "license": CC0, "identifier": "file:///etc/passwd"},
    ]
    found = [(record.url, record.refused) for record in records_of(listed(site)).values()]
    missing = ("no_photo", "its publisher gives no address of it")
    assert found == [
        (f"{site.url}/media/1/0.jpg", None),
        ("https://museum.example/1.png", None),
        ("", missing),
        ("", missing),
    ]


def test_a_picture_keeps_its_id_where_others_come_and_go(site):
    one = site.record(1, CC0, CC0)
    before = records_of(listed(site))
    one["media"].insert(0, site.picture(1, 9, CC0))
    del one["media"][2]
    after = records_of(listed(site))
    assert set(before) & set(after) == {before_id for before_id in before if before_id in after}
    assert [record.url for id_, record in after.items() if id_ in before] == [
        f"{site.url}/media/1/0.jpg"
    ]


@pytest.mark.parametrize(
    ("of", "label"),
    [
        ("none", None),
        ("taxon", "Globigerina bulloides d'Orbigny, 1826"),
        ("species", None),
        ("genus", "Globigerina"),
        ("family", "Globigerinidae"),
        ("order", "Rotaliida"),
        ("class", "Globothalamea"),
        ("phylum", "Foraminifera"),
        ("kingdom", "Chromista"),
    ],
)
def test_a_picture_is_labelled_at_the_wanted_rank(site, of, label):
    site.record(1, CC0, species=None)
    assert only(listed(site, label=of)).label == label


def test_the_section_chooses_what_is_asked_for(site):
    site.record(1, CC0)
    site.record(2, CC0, countryCode="FR")
    site.record(3, CC0, basisOfRecord="HUMAN_OBSERVATION")
    site.record(4, CC0, lineages={COL: ["2A"], BACKBONE: ["7614"]})
    assert keys(listed(site, country="GB", basis_of_record="FOSSIL_SPECIMEN")) == [1]
    assert site.asked[1].query == {
        "mediaType": "StillImage",
        "checklistKey": COL,
        "taxonKey": "F6",
        "country": "GB",
        "basisOfRecord": "FOSSIL_SPECIMEN",
        "limit": "300",
        "offset": "0",
    }
    assert keys(listed(site, taxon_key=7614)) == [1, 2, 3, 4]
    assert site.asked[-1].query["checklistKey"] == BACKBONE


def test_a_listing_goes_on_from_each_of_its_pages(site, small_pages):
    for key in range(1, 6):
        site.record(key, CC0, BY_NC)
    pages = listed(site)
    assert [len(page.records) for page in pages] == [4, 4, 2, 0]
    assert [page.is_last for page in pages] == [False, False, False, True]
    assert {page.total for page in pages[:-1]} == {5}
    assert problems_of(pages) == []
    for done in range(1, 4):
        rest = listed(site, start=pages[done - 1].position)
        assert keys(rest) == keys(pages[done:])
        assert rest[-1].position == pages[-1].position
        assert problems_of(rest) == []


def test_a_later_listing_asks_for_what_was_interpreted_anew(site):
    today = datetime.now(UTC).date()
    site.record(1, CC0, last_interpreted=f"{today - timedelta(days=4)}T00:00:00.000+00:00")
    site.record(2, CC0, last_interpreted=f"{today - timedelta(days=3)}T00:00:00.000+00:00")
    first = listed(site, overlap_days=3)
    assert first[-1].position == {"interpreted_since": str(today - timedelta(days=3))}
    site.asked.clear()
    assert keys(listed(site, start=first[-1].position)) == [2]
    assert [query["lastInterpreted"] for query in searches(site)] == [
        f"{today - timedelta(days=3)},*"
    ] * 2
    nothing_new = listed(site, overlap_days=0)[-1].position
    site.asked.clear()
    again = listed(site, start=nothing_new)
    assert [(page.records, page.is_last) for page in again] == [((), True)]
    assert len(site.asked) == 1


def test_a_listing_killed_on_the_way_keeps_its_watermark(site, small_pages):
    for key in range(1, 6):
        site.record(key, CC0)
    start = {"interpreted_since": "2026-03-03"}
    killed = listed(site, start=start, num_pages=1)
    killed[0].position["started_at"] = "2026-04-05T23:00:00Z"
    rest = listed(site, start=killed[0].position, overlap_days=2)
    assert rest[-1].position == {"interpreted_since": "2026-04-03"}
    assert {query["lastInterpreted"] for query in searches(site)} == {"2026-03-03,*"}
    assert keys(killed + rest) == [1, 2, 3, 4, 5]


def test_a_taxon_is_looked_up_once_by_its_name(site, small_pages):
    for key in range(1, 6):
        site.record(key, CC0)
    pages = listed(site, taxon="Globigerina bulloides", taxon_key=None)
    assert len(keys(pages)) == 5
    listed(site, start=pages[0].position, taxon="Globigerina bulloides", taxon_key=None)
    listed(site, start=pages[-1].position, taxon="Globigerina bulloides", taxon_key=None)
    assert site.paths().count("/v2/species/match") == 1
    assert {(query["taxonKey"], query["checklistKey"]) for query in searches(site)} == {
        ("3GQZ", COL)
    }


def test_a_synonym_stands_for_its_accepted_taxon(site):
    site.record(1, CC0)
    assert keys(listed(site, taxon="Rhizopoda foraminifera", taxon_key=None)) == [1]
    assert searches(site)[0]["taxonKey"] == "F6"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Oenanthe", "2A = GENUS Oenanthe L. (); 2B = GENUS Oenanthe Vieillot, 1816 ()"),
        ("Foraminiferida", "F6 = PHYLUM Foraminifera (); F6 = PHYLUM Foraminifera ()"),
        ("Globigerinella", "4KPB = GENUS Globigerina d'Orbigny, 1826 (Foraminifera); 3GQZ"),
        ("Nonesuch", "nothing"),
    ],
)
def test_a_name_that_is_not_one_taxon_s_is_refused_with_the_alternatives(site, name, near):
    with pytest.raises(FetchError) as error:
        listed(site, taxon=name, taxon_key=None)
    assert error.value.reason == "unknown_taxon"
    assert f"is called {name!r} at GBIF (near it: {near}" in error.value.detail
    assert "set taxon_key" in error.value.detail
    assert searches(site) == []


def test_a_large_search_is_listed_by_data_set_first(site, small_pages):
    for key in range(1, 5):
        site.record(key, CC0, dataset=MUSEUM)
        site.record(10 + key, CC0, dataset=CITIZENS, year=None)
    pages = listed(site, max_offset=4)
    assert keys(pages) == [1, 2, 3, 4, 11, 12, 13, 14]
    assert facets(site) == ["datasetKey"]
    assert problems_of(pages) == []
    assert {page.total for page in pages[:-1]} == {8}
    assert max(int(query.get("offset", 0)) for query in searches(site)) == 2


def test_a_large_data_set_is_split_on_by_what_loses_nothing(site, small_pages):
    for key in range(1, 13):
        site.record(key, CC0, countryCode=None if key == 1 else "GB", year=1990 + key % 4)
    pages = listed(site, max_offset=3)
    assert sorted(keys(pages)) == list(range(1, 13))
    assert facets(site) == ["datasetKey", "country", "year"]
    assert problems_of(pages) == []
    parts = [page.position["part"] for page in pages[:-1]]
    assert parts == [{"year": str(year)} for year in range(1990, 1994) for _ in range(2)]


def test_a_search_that_no_split_keeps_whole_is_listed_by_offset_as_deep_as_it_goes(
    site, small_pages
):
    for key in range(1, 7):
        site.record(key, CC0, year=None if key == 1 else 1990, countryCode=None)
    pages = listed(site, max_offset=2)
    assert sorted(keys(pages)) == list(range(1, 7))
    assert problems_of(pages) == []


def test_what_is_deeper_than_a_search_goes_is_split_at_the_least_loss_and_told(
    site, small_pages, monkeypatch
):
    monkeypatch.setattr(gbif, "MAX_OFFSET", 4)
    site.max_offset = 4
    for key in range(1, 7):
        country = None if key < 4 else ("GB", "FR")[key % 2]
        site.record(key, CC0, year=None if key == 1 else 1980 + key, countryCode=country)
    pages = listed(site, max_offset=4)
    assert problems_of(pages) == ["1 of 6 occurrences have no year to ask for"]
    assert sorted(keys(pages)) == [2, 3, 4, 5, 6]
    assert pages[-1].is_last


def test_what_can_not_be_split_is_listed_as_deep_as_it_goes_and_told(
    site, small_pages, monkeypatch
):
    monkeypatch.setattr(gbif, "MAX_OFFSET", 3)
    site.max_offset = 3
    for key in range(1, 7):
        site.record(key, CC0)
    pages = listed(site, max_offset=3)
    (problem,) = problems_of(pages)
    assert problem.startswith("3 of 6 occurrences are beyond what a search gives; narrow")
    assert keys(pages) == [1, 2, 3]
    assert pages[-1].is_last


@hypothesis_settings(max_examples=40)
@given(
    occurrences=st.lists(
        st.tuples(
            st.sampled_from([MUSEUM, CITIZENS]),
            st.sampled_from(["GB", "FR", "PE"]),
            st.integers(1998, 2000),
            st.integers(1, 12),
        ),
        max_size=25,
    ),
    per_page=st.integers(1, 4),
    max_offset=st.integers(1, 12),
    kill_after=st.lists(st.integers(1, 4), max_size=4),
)
def test_a_listing_killed_anywhere_gives_each_occurrence_once(
    occurrences, per_page, max_offset, kill_after
):
    with pytest.MonkeyPatch.context() as patch, running(GbifStandIn()) as site:
        patch.setattr(gbif, "PER_PAGE", per_page)
        for key, (dataset, country, year, month) in enumerate(occurrences):
            where = {"dataset": dataset, "countryCode": country, "year": year, "month": month}
            site.record(key, CC0, **where)
        start, seen = {}, []
        for num_pages in [*kill_after, None]:
            pages = listed(site, start=start, num_pages=num_pages, max_offset=max_offset)
            seen += keys(pages)
            assert problems_of(pages) == []
            start = pages[-1].position
            if pages[-1].is_last:
                break
        assert sorted(seen) == list(range(len(occurrences)))


def test_a_page_that_repeats_ends_its_part_with_a_problem(site, small_pages):
    for key in range(1, 6):
        site.record(key, CC0)
    site.ignores_offset = True
    pages = listed(site)
    assert keys(pages) == [1, 2]
    assert problems_of(pages) == [
        "the cursor repeats: the occurrences before 4 are those before them"
    ]
    assert pages[-1].is_last


def test_a_total_that_differs_from_what_comes_is_a_problem(site, small_pages):
    for key in range(1, 4):
        site.record(key, CC0)
    site.num_announced_more = 2
    pages = listed(site)
    assert keys(pages) == [1, 2, 3]
    assert problems_of(pages) == ["5 occurrences were announced, and 3 came"]


def test_one_bad_page_is_left_out_and_told(site, small_pages):
    for key in range(1, 8):
        site.record(key, CC0)
    site.fault = lambda asked: "500" if asked.query.get("offset") == "2" else None
    pages = listed(site)
    assert keys(pages) == [1, 2, 5, 6, 7]
    assert problems_of(pages) == ["occurrences 2 to 4 could not be had (http_500)"]
    site.fault = lambda asked: "no_json" if asked.query.get("offset") == "6" else None
    pages = listed(site)
    assert keys(pages) == [1, 2, 3, 4, 5, 6]
    assert problems_of(pages) == ["occurrences 6 to 8 could not be had (bad_json)"]
    assert pages[-1].is_last


def test_a_bad_page_does_not_stop_the_listing_that_goes_on_from_it(site, small_pages):
    for key in range(1, 8):
        site.record(key, CC0)
    (first,) = listed(site, num_pages=1)
    site.fault = lambda asked: "500" if asked.query.get("offset") == "2" else None
    rest = listed(site, start=first.position)
    assert keys(rest) == [5, 6, 7]
    assert len(problems_of(rest)) == 1


@pytest.mark.parametrize("fault", ["500", "403_html", "no_results"])
def test_a_site_that_gives_nothing_more_ends_the_listing(site, small_pages, fault):
    for key in range(1, 8):
        site.record(key, CC0)

    def later(asked: Asked) -> str | None:
        return fault if int(asked.query["offset"]) >= 2 else None

    (first,) = listed(site, num_pages=1)
    site.fault = later
    with pytest.raises(FetchError):
        listed(site, start=first.position)
    site.fault = lambda _: fault
    with pytest.raises(FetchError):
        listed(site)


@pytest.mark.parametrize("fault", ["no_json", "no_results", "429_seconds", "500"])
def test_a_fault_that_passes_is_asked_again(site, fault):
    site.record(1, CC0)
    site.fault = lambda _: fault if len(site.asked) == 2 else None
    pages = listed(site)
    assert keys(pages) == [1]
    assert problems_of(pages) == []
    assert len(site.asked) == 3


def test_an_occurrence_that_can_not_be_read_is_counted_and_the_others_come(site):
    site.record(1, CC0)
    site.record(2, CC0, media=[{"type": "StillImage"}, 7])
    pages = listed(site)
    assert keys(pages) == [1]
    assert problems_of(pages) == ["1 of 2 occurrences can't be read"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "set either taxon or taxon_key"),
        ({"taxon": "Foraminifera", "taxon_key": 7614}, "set either taxon or taxon_key"),
        ({"taxon_key": 0}, "greater than or equal to 1"),
        ({"taxon_key": "a b"}, "pattern"),
        ({"taxon_key": 1, "country": "gb"}, "pattern"),
        ({"taxon_key": 1, "max_offset": 100_001}, "less than or equal to 100000"),
    ],
)
def test_a_section_that_can_not_be_meant_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        GbifParams(kind="gbif", **settings)


def test_pages_of_publishers_are_asked_for_their_robots_txt():
    assert Gbif.obeys_robots
