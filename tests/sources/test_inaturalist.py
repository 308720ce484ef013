from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from inaturalist_stand_in import INaturalistStandIn
from listings import local, pages_of, problems_of, records_of
from pydantic import ValidationError
from stand_in import Asked, running

from tests.live.test_live_inaturalist import check_live
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources import inaturalist
from wunderkammer.sources.inaturalist import INaturalist, INaturalistParams
from wunderkammer.sources.listing import Page, Record


@pytest.fixture
def site() -> Iterator[INaturalistStandIn]:
    with running(INaturalistStandIn()) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)


@pytest.fixture
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(inaturalist, "PER_PAGE", 2)


def listed(site: INaturalistStandIn, start=None, num_pages=None, **settings) -> list[Page]:
    chosen = {"taxon_id": 47118, "requests_per_minute": 60_000.0, **settings}
    params = INaturalistParams(kind="inaturalist", base_url=f"{site.url}/v1", **chosen)
    return pages_of(
        lambda network: INaturalist(params, network),
        local(site.port),
        start=start,
        num_pages=num_pages,
    )


def only(pages: list[Page]) -> Record:
    (record,) = records_of(pages).values()
    return record


def refusals(pages: list[Page]) -> dict[str, str | None]:
    return {id_: r.refused and r.refused[0] for id_, r in records_of(pages).items()}


def asked_queries(site: INaturalistStandIn) -> list[dict[str, str]]:
    return [asked.query for asked in site.asked if asked.path == "/v1/observations"]


def test_a_photo_comes_with_all_that_the_site_tells_of_it(site):
    site.observe(31, "cc-by")
    assert only(listed(site)) == Record(
        id="31/310",
        url=f"{site.url}/photos/310/original.jpg",
        landing_page="https://www.inaturalist.org/observations/31",
        author="Ada Lovelace",
        licence="CC BY 4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        title="Araneus diadematus",
        tags=("web", "garden"),
        label="Araneus diadematus",
        group="31",
        taken_at="2025-08-27T08:57:22+02:00",
    )


def test_the_shape_that_is_asked_of_the_real_site_holds_here(site, small_pages):
    for number in range(1, 6):
        site.observe(number, "cc0", "cc-by-nc", "cc-by-sa")
    check_live(listed(site, num_pages=2), allowed=("CC0 1.0", "CC BY-SA 4.0"))


def test_each_photo_is_judged_by_its_own_licence(site):
    site.observe(1, "cc0", None, "cc-by-nc", "cc-by-nd", "cc-by-sa", "gfdl", "pd")
    site.observe(2, None)
    pages = listed(site)
    assert refusals(pages) == {
        "1/10": None,
        "1/11": "licence",
        "1/12": "licence",
        "1/13": "licence",
        "1/14": None,
        "1/15": "licence",
        "1/16": None,
    }
    refused = records_of(pages)
    assert refused["1/11"].licence == "all rights reserved"
    assert refused["1/12"].refused == (
        "licence",
        "CC BY-NC 4.0; allowed: cc0, public-domain, cc-by, cc-by-sa",
    )
    assert site.asked[0].query["photo_license"] == "cc0,cc-by,cc-by-sa"


def test_what_has_no_licence_is_found_if_the_section_allows_it(site):
    site.observe(1, None)
    site.observe(2)
    pages = listed(site, licences=("other", "cc0"))
    assert refusals(pages) == {"1/10": None}
    assert "photo_license" not in site.asked[0].query
    assert refusals(listed(site, licences=("public-domain",))) == {"1/10": "licence"}


def test_the_section_chooses_what_is_asked_for(site):
    site.observe(1, "cc0", quality_grade="needs_id", project_ids=["webs"], place_ids=[97])
    site.observe(2, "cc0", quality_grade="research", project_ids=["webs"], place_ids=[97])
    site.observe(3, "cc0", quality_grade="needs_id", taxon_id=1)
    site.observe(4, "cc0", quality_grade="needs_id")
    chosen = {"quality_grade": "needs_id", "project_id": "webs", "place_id": 97, "user": "ada_l"}
    assert set(records_of(listed(site, **chosen))) == {"1/10"}
    assert set(records_of(listed(site, quality_grade="any"))) == {"1/10", "2/20", "4/40"}
    asked = site.asked[0].query
    assert asked == {
        "taxon_id": "47118",
        "project_id": "webs",
        "place_id": "97",
        "user_id": "ada_l",
        "quality_grade": "needs_id",
        "photo_license": "cc0,cc-by,cc-by-sa",
        "per_page": "200",
        "order_by": "id",
        "order": "asc",
        "id_above": "0",
        "locale": "en",
    }


def test_pages_go_up_by_id_and_a_listing_goes_on_from_each(site, small_pages):
    for number in (3, 5, 8, 13, 21):
        site.observe(number, "cc0", "cc-by")
    pages = listed(site)
    assert [len(page.records) for page in pages] == [4, 4, 2]
    assert [page.is_last for page in pages] == [False, False, True]
    assert [page.total for page in pages] == [5, None, None]
    assert [query["id_above"] for query in asked_queries(site)] == ["0", "5", "13"]
    for done in range(1, 3):
        rest = listed(site, start=pages[done - 1].position)
        assert [page.records for page in rest] == [page.records for page in pages[done:]]
        assert rest[-1].position == pages[-1].position


def test_a_later_listing_asks_for_what_was_changed_since_the_last_one_began(site, small_pages):
    for number in range(1, 8):
        site.observe(number, "cc0")
    before = datetime.now(UTC)
    first = listed(site, overlap_hours=2.0)
    since = datetime.fromisoformat(first[-1].position["updated_since"])
    assert timedelta() <= before - timedelta(hours=2) - since < timedelta(seconds=10)
    site.asked.clear()
    again = listed(site, start=first[-1].position, overlap_hours=2.0)
    assert [(page.records, page.is_last) for page in again] == [((), True)]
    assert len(site.asked) == 1
    site.observe(4, "cc0", "cc-by", updated_at=datetime.now(UTC).isoformat())
    site.observe(9, "cc0", updated_at=datetime.now(UTC).isoformat())
    changed = listed(site, start=again[-1].position)
    assert set(records_of(changed)) == {"4/40", "4/41", "9/90"}


def test_a_listing_killed_on_the_way_keeps_its_watermark(site, small_pages):
    for number in range(1, 6):
        site.observe(number, "cc0", updated_at="2026-05-05T00:00:00+00:00")
    start = {"updated_since": "2026-03-03T00:00:00Z"}
    killed = listed(site, start=start, num_pages=1)
    position = {**killed[0].position, "started_at": "2026-04-05T06:00:00Z"}
    rest = listed(site, start=position, overlap_hours=8.0)
    assert rest[-1].position == {"updated_since": "2026-04-04T22:00:00Z"}
    assert {query["updated_since"] for query in asked_queries(site)} == {
        "2026-03-03T00:00:00+00:00"
    }
    assert set(records_of(killed + rest)) == {f"{number}/{number}0" for number in range(1, 6)}


def test_a_taxon_is_looked_up_once_by_its_scientific_name(site, small_pages):
    for number in range(1, 6):
        site.observe(number, "cc0")
    pages = listed(site, taxon="araneus", taxon_id=None)
    assert len(records_of(pages)) == 5
    listed(site, start=pages[0].position, taxon="araneus", taxon_id=None)
    listed(site, start=pages[-1].position, taxon="araneus", taxon_id=None)
    assert site.paths().count("/v1/taxa") == 1
    assert {query["taxon_id"] for query in asked_queries(site)} == {"52628"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Dysdera", "2 taxa are called 'Dysdera' at iNaturalist (found: 60001 = genus Dysdera, "),
        ("Spiders", "no taxon is called 'Spiders' at iNaturalist (found: 47118 = order Araneae, "),
        ("Nonesuch", "no taxon is called 'Nonesuch' at iNaturalist (found: nothing); "),
    ],
)
def test_a_name_that_is_not_one_taxon_s_is_refused_with_what_there_is(site, name, told):
    with pytest.raises(FetchError) as error:
        listed(site, taxon=name, taxon_id=None)
    assert error.value.reason == "unknown_taxon"
    assert error.value.detail.startswith(told)
    assert "set taxon_id" in error.value.detail
    assert asked_queries(site) == []


@pytest.mark.parametrize(
    ("taxon_id", "labels"),
    [
        (52629, ("Araneus diadematus", "Araneus diadematus", "Araneus")),
        (52630, ("Araneus diadematus islandicus", "Araneus diadematus", "Araneus")),
        (52628, ("Araneus", None, "Araneus")),
        (47118, ("Araneae", None, None)),
    ],
)
def test_a_label_is_as_fine_as_the_identification(site, taxon_id, labels):
    site.observe(1, "cc0", taxon_id=taxon_id)
    found = [only(listed(site, label=of)).label for of in ("taxon", "species", "genus")]
    assert tuple(found) == labels
    assert only(listed(site, label="none")).label is None


def test_a_hybrid_keeps_both_its_parents(site):
    hybrid = {"id": 9, "name": "Quercus × rosacea", "rank": "hybrid"}  # noqa: RUF001
    form = {"id": 9, "name": "Quercus × rosacea alba", "rank": "infrahybrid"}  # noqa: RUF001
    for taxon in (hybrid, form):
        site.observe(1, "cc0", user={"id": 7, "login": "ada_l"})["taxon"] = taxon
        pages = listed(site, taxon_id=None, user="ada_l")
        assert only(pages).label == hybrid["name"]


def test_an_observation_without_a_taxon_has_no_label(site):
    site.observe(1, "cc0", taxon_id=None, time_observed_at=None)
    record = only(listed(site, taxon_id=None, user=7))
    assert (record.label, record.title) == (None, None)
    assert record.taken_at == "2025-08-27"


def test_only_so_many_photos_of_an_observation_are_taken(site):
    site.observe(1, None, "cc0", "cc0", "cc0")
    site.observe(2, "cc0")
    pages = listed(site, max_photos_per_observation=2)
    assert refusals(pages) == {
        "1/10": "licence",
        "1/11": None,
        "1/12": None,
        "1/13": "too_many_of_one",
        "2/20": None,
    }


@pytest.mark.parametrize(
    ("attribution", "author"),
    [
        ("(c) Bob, some rights reserved (CC BY), uploaded by Ada", "Bob"),
        ("(c) Bob, Jr., all rights reserved", "Bob, Jr."),
        ("Bob, no rights reserved (CC0)", "Bob"),
        ("no rights reserved, uploaded by Ada", "Ada Lovelace"),
        ("Sem direitos reservados", "Ada Lovelace"),
        (None, "Ada Lovelace"),
    ],
)
def test_the_author_is_whom_the_attribution_names_else_the_observer(site, attribution, author):
    site.observe(1, "cc0")["photos"][0]["attribution"] = attribution
    assert only(listed(site)).author == author
    site.observations[1]["user"] = {"login": "ada_l", "name": ""}
    assert only(listed(site)).author == author.replace("Ada Lovelace", "ada_l")


def test_sizes_and_a_mirror_of_the_open_data_are_settings(site):
    photo = site.observe(1, "cc0")["photos"][0]
    photo["url"] = "https://static.inaturalist.org/photos/10/square.jpeg?1545715684"
    url = "https://static.inaturalist.org/photos/10/large.jpeg?1545715684"
    assert only(listed(site, size="large")).url == url
    mirror = only(listed(site, photos_url="https://mirror.example/photos/"))
    assert mirror.url == "https://mirror.example/photos/10/original.jpeg?1545715684"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://www.inaturalist.org/assets/copyright-infringement-square.png",
        "https://live.staticflickr.com/1/2_3_s.jpg",
        "file:///etc/passwd",
    ],
)
def test_a_photo_without_an_address_of_its_larger_sizes_is_refused(site, url):
    site.observe(1, "cc0")["photos"][0]["url"] = url
    assert refusals(listed(site)) == {"1/10": "no_photo"}


def test_a_cursor_that_repeats_ends_the_listing_with_a_problem(site, small_pages):
    for number in range(1, 6):
        site.observe(number, "cc0")
    site.ignores_cursor = True
    pages = listed(site)
    assert len(pages) == 2
    assert pages[-1].is_last
    assert problems_of(pages) == ["the cursor repeats: observation 2 after 2"]
    assert set(records_of(pages)) == {"1/10", "2/20"}
    assert len([record for page in pages for record in page.records]) == 2


def test_a_page_of_the_same_single_observation_again_is_a_cursor_that_repeats(site, monkeypatch):
    monkeypatch.setattr(inaturalist, "PER_PAGE", 1)
    for number in range(1, 4):
        site.observe(number, "cc0")
    site.ignores_cursor = True
    assert problems_of(listed(site)) == ["the cursor repeats: observation 1 after 1"]


def test_a_total_that_differs_from_what_comes_is_a_problem(site, small_pages):
    for number in range(1, 4):
        site.observe(number, "cc0")
    site.num_announced_more = 2
    pages = listed(site)
    assert [page.is_last for page in pages] == [False, False, True]
    assert problems_of(pages) == ["2 more observations were announced, and none came"]
    assert len(records_of(pages)) == 3


def test_an_observation_that_can_not_be_read_is_counted_and_the_others_come(site):
    site.observe(1, "cc0")
    site.observe(2, "cc0")["photos"] = [{"license_code": "cc0"}]
    site.observe(3, "cc0", photos=None, taxon_id=None, user=None, tags="x", uri=4)
    site.observations[3]["taxon"] = site.observations[1]["taxon"]
    site.observations[2]["photos"].append({"license_code": "cc0"})
    pages = listed(site, licences=("other",))
    assert problems_of(pages) == ["1 of 2 observations can't be read"]
    assert set(records_of(pages)) == {"1/10"}
    assert pages[-1].is_last


@pytest.mark.parametrize("fault", ["error_in_200", "no_json", "no_results", "429_seconds", "500"])
def test_a_fault_that_passes_is_asked_again(site, fault):
    site.observe(1, "cc0")
    site.fault = lambda _: fault if len(site.asked) == 1 else None
    assert set(records_of(listed(site))) == {"1/10"}
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error_in_200", "api_error"),
        ("no_json", "bad_json"),
        ("no_results", "bad_reply"),
        ("403_html", "throttled"),
        ("401", "http_401"),
    ],
)
def test_a_fault_that_stays_ends_the_listing_where_it_was(site, small_pages, fault, reason):
    for number in range(1, 6):
        site.observe(number, "cc0")
    (first,) = listed(site, num_pages=1)

    def later(asked: Asked) -> str | None:
        return fault if asked.query["id_above"] == "2" else None

    site.fault = later
    with pytest.raises(FetchError) as error:
        listed(site)
    assert error.value.reason == reason
    site.fault = lambda _: None
    rest = listed(site, start=first.position)
    assert set(records_of([first, *rest])) == {f"{number}/{number}0" for number in range(1, 6)}


@hypothesis_settings(max_examples=40)
@given(
    numbers=st.sets(st.integers(1, 60), max_size=12),
    per_page=st.integers(1, 5),
    kill_after=st.lists(st.integers(1, 3), max_size=4),
)
def test_a_listing_killed_anywhere_gives_each_record_once(numbers, per_page, kill_after):
    with pytest.MonkeyPatch.context() as patch, running(INaturalistStandIn()) as site:
        patch.setattr(inaturalist, "PER_PAGE", per_page)
        for number in numbers:
            site.observe(number, "cc0")
        start, seen = {}, []
        for num_pages in [*kill_after, None]:
            pages = listed(site, start=start, num_pages=num_pages)
            seen += [record.id for page in pages for record in page.records]
            start = pages[-1].position
            if pages[-1].is_last:
                break
        assert seen == [f"{number}/{number * 10}" for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "set taxon_id, taxon, project_id, place_id or user"),
        ({"taxon": "Araneae", "taxon_id": 47118}, "keep one of them"),
        ({"taxon_id": 0}, "greater than or equal to 1"),
        ({"taxon_id": 1, "licences": ("by",)}, "licences"),
    ],
)
def test_a_section_that_can_not_be_meant_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        INaturalistParams(kind="inaturalist", **settings)


def test_how_fast_and_from_when_is_no_part_of_what_is_asked_for():
    plain = INaturalistParams(kind="inaturalist", taxon_id=1)
    other = plain.model_copy(update={"requests_per_minute": 30.0, "overlap_hours": 1.0})
    assert other.identity() == plain.identity() == {"kind": "inaturalist", "taxon_id": 1}
