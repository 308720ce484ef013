from collections.abc import Collection
from dataclasses import asdict

import pytest
from listings import local, pages_of, problems_of, records_of
from met_stand_in import IMAGES, ROOT, MetStandIn, art
from pydantic import ValidationError
from stand_in import running

from tests.live.test_live_met import check_met
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources.listing import Page, Position, StalePositionError
from wunderkammer.sources.met import Met, MetParams


@pytest.fixture
def museum():
    with running(MetStandIn([art(number) for number in range(1000, 1045)])) as museum:
        yield museum


def params_of(museum: MetStandIn, **settings: object) -> MetParams:
    plain = {"kind": "met", "query": "quilt", "base_url": f"{museum.url}{ROOT}"}
    return MetParams.model_validate({**plain, "requests_per_s": 1000.0, **settings})


def listed(
    museum: MetStandIn,
    *,
    start: Position | None = None,
    known: Collection[str] = (),
    num_pages: int | None = None,
    **settings: object,
) -> list[Page]:
    params = params_of(museum, **settings)
    return pages_of(
        lambda network: Met(params, network),
        local(museum.port),
        start=start,
        known=known,
        num_pages=num_pages,
    )


def test_a_record_has_everything_that_the_museum_tells(museum):
    museum.objects = {7: art(7)}
    [page] = listed(museum)
    assert (page.is_last, page.total, page.problem) == (True, 1, None)
    assert asdict(page.records[0]) == {
        "id": "7",
        "url": f"{IMAGES}/ad/original/DP7.jpg",
        "other_urls": (),
        "form": "image",
        "num_bytes": None,
        "md5": None,
        "sha1": None,
        "refused": None,
        "landing_page": "https://www.metmuseum.org/art/collection/search/7",
        "author": "Ada Lovelace",
        "licence": "CC0 1.0",
        "licence_url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "title": "Star quilt 7",
        "tags": ("Stars",),
        "label": None,
        "group": "7",
        "taken_at": None,
    }


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("classification", "Textiles"),
        ("department", "The American Wing"),
        ("culture", "American"),
        ("none", None),
    ],
)
def test_a_label_is_what_the_settings_name(museum, label, expected):
    museum.objects = {7: art(7), 8: art(8, culture="", classification="", department="")}
    records = records_of(listed(museum, label=label))
    assert (records["7"].label, records["8"].label) == (expected, None)


def test_all_pictures_of_an_object_are_one_group(museum):
    museum.objects = {7: art(7)}
    records = records_of(listed(museum, all_pictures=True))
    assert {id_: record.url.rpartition("/")[2] for id_, record in records.items()} == {
        "7": "DP7.jpg",
        "7/DP7_b.jpg": "DP7_b.jpg",
        "7/DP7_c.jpg": "DP7_c.jpg",
    }
    assert {record.group for record in records.values()} == {"7"}


@pytest.mark.parametrize("more", [None, [], ["", 5, f"{IMAGES}/ad/original/DP7.jpg"]])
def test_an_object_without_more_pictures_has_one(museum, more):
    museum.objects = {7: art(7, additionalImages=more)}
    assert set(records_of(listed(museum, all_pictures=True))) == {"7"}


def test_a_search_is_listed_in_the_order_of_numbers(museum):
    pages = listed(museum)
    assert [len(page.records) for page in pages] == [20, 20, 5]
    assert [record.id for page in pages for record in page.records] == [
        str(number) for number in range(1000, 1045)
    ]
    assert len(museum.asked) == 46
    assert museum.most_open == 1


def test_a_listing_goes_on_from_every_page(museum):
    whole = listed(museum)
    for number, page in enumerate(whole[:-1], start=1):
        museum.asked.clear()
        rest = listed(museum, start=page.position)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert len(museum.asked) == 1 + len(records_of(rest)), "nothing is asked for twice"
        assert rest[-1].position == whole[-1].position


def test_a_later_listing_with_nothing_new_is_one_request(museum):
    first = listed(museum)
    museum.asked.clear()
    [page] = listed(museum, start=first[-1].position, known=records_of(first))
    assert (page.records, page.is_last) == ((), True)
    assert len(museum.asked) == 1


def test_a_later_listing_asks_for_new_objects_only(museum):
    first = listed(museum)
    museum.objects |= {5: art(5), 2000: art(2000)}
    museum.asked.clear()
    later = listed(museum, start=first[-1].position, known=records_of(first))
    assert set(records_of(later)) == {"5", "2000"}
    assert len(museum.asked) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"isPublicDomain": False}, "licence"),
        ({"primaryImage": ""}, "no_file"),
        ({"isPublicDomain": None}, "licence"),
        ({"tags": None, "artistDisplayName": "", "objectURL": 5}, None),
    ],
)
def test_an_object_is_refused_for_a_reason(museum, changes, reason):
    museum.objects = {7: art(7), 8: art(8, **changes)}
    records = records_of(listed(museum))
    assert records["7"].refused is None
    assert (records["8"].refused or (None,))[0] == reason


def test_a_number_without_an_object_is_refused_and_then_known(museum):
    museum.gone = [7, 9]
    first = listed(museum)
    assert records_of(first)["7"].refused == ("gone", "the museum gives no object of this number")
    assert records_of(first)["9"].refused is not None
    assert problems_of(first) == []
    museum.asked.clear()
    listed(museum, start=first[-1].position, known=records_of(first))
    assert len(museum.asked) == 1


def test_the_settings_narrow_the_search(museum):
    museum.objects[1000] |= {"_department": 11, "medium": "Silk"}
    assert set(records_of(listed(museum, department=11, medium="Silk"))) == {"1000"}
    assert list(museum.asked[0].query)[-1] == "q"


@pytest.mark.parametrize("fault", ["403_html", "429_seconds", "503_seconds", "other_shape"])
def test_what_may_pass_is_asked_again(museum, fault):
    museum.objects = {number: art(number) for number in range(5)}
    faults = iter([fault, None, fault])
    museum.fault = lambda _: next(faults, None)
    pages = listed(museum)
    assert len(records_of(pages)) == 5
    assert problems_of(pages) == []


def test_an_object_that_fails_is_left_out_told_of_and_asked_for_again(museum):
    museum.fault = lambda asked: "503_seconds" if asked.path.endswith("/1003") else None
    pages = listed(museum)
    assert problems_of(pages) == ["object 1003 could not be had (http_503)"]
    assert len(records_of(pages)) == 44
    museum.fault = lambda _: None
    museum.asked.clear()
    again = listed(museum, known=records_of(pages))
    assert set(records_of(again)) == {"1003"}
    assert len(museum.asked) == 2


def test_a_closed_door_ends_the_listing_where_it_was(museum):
    [first] = listed(museum, num_pages=1)
    museum.fault = lambda asked: "403_html" if "/objects/" in asked.path else None
    with pytest.raises(FetchError) as raised:
        listed(museum, start=first.position)
    assert (raised.value.reason, raised.value.status) == ("throttled", 403)
    museum.fault = lambda _: None
    rest = listed(museum, start=first.position)
    assert len(records_of([first, *rest])) == 45


def test_a_total_that_differs_is_told_of(museum):
    museum.fault = lambda asked: "other_total" if asked.path.endswith("/search") else None
    pages = listed(museum)
    assert problems_of(pages) == ["48 objects found, but 45 are listed"]
    assert len(records_of(pages)) == 45


def test_a_search_that_finds_nothing_is_one_empty_page(museum):
    [page] = listed(museum, query="unicorn")
    assert (page.records, page.is_last, page.problem, page.total) == ((), True, None, 0)


@pytest.mark.parametrize("position", [{"after": "x"}, {"after": None}])
def test_a_position_of_another_source_is_stale(museum, position):
    with pytest.raises(StalePositionError):
        listed(museum, start=position)


@pytest.mark.parametrize(
    "settings",
    [
        {"licences": ("cc-by",)},
        {"query": ""},
        {"department": 0},
        {"label": "artist"},
        {"requests_per_s": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        MetParams.model_validate({"kind": "met", "query": "quilt", **settings})


def test_the_stand_in_has_the_shape_that_is_asserted_of_the_museum(museum):
    check_met(params_of(museum, label="department"), local(museum.port))
