import logging
from collections.abc import Collection
from dataclasses import asdict

import pytest
from listings import local, pages_of, problems_of, records_of
from pydantic import ValidationError
from smithsonian_stand_in import IDS, KEY, ROOT, SmithsonianStandIn, picture, row
from stand_in import running

from tests.live.test_live_smithsonian import check_smithsonian
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import MissingKeyError
from wunderkammer.sources.listing import Page, Position, StalePositionError
from wunderkammer.sources.smithsonian import Smithsonian, SmithsonianParams

ENVIRON = {"SMITHSONIAN_API_KEY": KEY}


@pytest.fixture
def site():
    with running(SmithsonianStandIn([row(number) for number in range(45)])) as site:
        yield site


def params_of(site: SmithsonianStandIn, **settings: object) -> SmithsonianParams:
    plain = {"kind": "smithsonian", "query": "quilt", "base_url": f"{site.url}{ROOT}"}
    return SmithsonianParams.model_validate(
        {**plain, "requests_per_hour": 2e6, "page_size": 10, **settings}
    )


def listed(
    site: SmithsonianStandIn,
    *,
    start: Position | None = None,
    known: Collection[str] = (),
    num_pages: int | None = None,
    environ: dict[str, str] | None = None,
    **settings: object,
) -> list[Page]:
    params = params_of(site, **settings)
    return pages_of(
        lambda network: Smithsonian(params, network, environ=environ or ENVIRON),
        local(site.port),
        start=start,
        known=known,
        num_pages=num_pages,
    )


def test_a_record_has_everything_that_the_site_tells(site):
    site.rows = [row(7)]
    [page] = listed(site)
    assert (page.is_last, page.total, page.problem) == (True, 1, None)
    assert [record.id for record in page.records] == ["nmah_7/NMAH-7-1", "nmah_7/NMAH-7-2"]
    assert asdict(page.records[0]) == {
        "id": "nmah_7/NMAH-7-1",
        "url": f"{IDS}/download?id=NMAH-7-1.jpg",
        "other_urls": (f"{IDS}/deliveryService?id=NMAH-7-1",),
        "form": "image",
        "num_bytes": None,
        "md5": None,
        "sha1": None,
        "refused": None,
        "landing_page": "https://americanhistory.si.edu/collections/nmah_7",
        "author": "Ada Lovelace",
        "licence": "CC0 1.0",
        "licence_url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "title": "Star quilt 7",
        "tags": ("Textiles", "Stars"),
        "label": None,
        "group": "nmah_7",
        "taken_at": None,
    }


def test_the_picture_server_may_scale_down(site):
    site.rows = [row(7, picture("a"), picture("b", content="https://other.si.edu/b.jpg"))]
    records = records_of(listed(site, max_side_px=1024))
    assert records["nmah_7/a"].url == f"{IDS}/deliveryService?id=a&max=1024"
    assert records["nmah_7/a"].other_urls == ()
    assert records["nmah_7/b"].url == f"{IDS}/download?id=b.jpg", "another server can't"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"usage": {"access": "Usage conditions apply"}}, "licence"),
        ({"usage": {}}, "licence"),
        ({"type": "3d_voyager"}, "not_a_picture"),
        ({"content": None, "resources": []}, "no_file"),
        ({"resources": None}, None),
        ({"content": None}, None),
        ({"guid": 5, "thumbnail": None}, None),
    ],
)
def test_each_picture_is_judged(site, changes, reason):
    site.rows = [row(7, picture("a"), picture("b", **changes))]
    records = records_of(listed(site))
    assert records["nmah_7/a"].refused is None
    assert (records["nmah_7/b"].refused or (None,))[0] == reason


def test_other_licences_pass_where_a_setting_says_so(site):
    site.rows = [row(7, picture("a", usage={"access": "Usage conditions apply"}))]
    [record] = records_of(listed(site, licences=("cc0", "other"))).values()
    assert (record.refused, record.licence) == (None, "Usage conditions apply")


@pytest.mark.parametrize(
    "content",
    [
        {"descriptiveNonRepeating": {"record_ID": "nmah_7"}},
        {"descriptiveNonRepeating": {"record_ID": "nmah_7", "online_media": []}},
        {"descriptiveNonRepeating": {"record_ID": "nmah_7", "online_media": {"media": None}}},
    ],
)
def test_an_object_without_pictures_is_a_refused_record(site, content):
    site.rows = [row(7, content=content), row(8)]
    record = records_of(listed(site))["nmah_7"]
    assert record.refused == ("no_file", "the record names no picture")


def test_what_is_odd_about_an_object_leaves_the_others(site):
    site.rows = [row(1), row(2, content=["x"]), row(3, id=None), row(4, {"resources": "x"})]
    site.rows[0]["content"]["descriptiveNonRepeating"]["online_media"]["media"] += ["x", None]
    records = records_of(listed(site))
    assert set(records) == {"nmah_1/NMAH-1-1", "nmah_1/NMAH-1-2", row(2)["id"], "nmah_4/1"}
    assert {record.refused is None for record in list(records.values())[2:]} == {False}


def test_who_made_it_is_the_author_and_else_the_museum(site):
    site.rows = [row(7), row(8)]
    site.rows[0]["content"]["freetext"] = {"name": [{"label": "Used by", "content": "Bob"}]}
    site.rows[1]["content"]["freetext"] = []
    records = records_of(listed(site))
    assert records["nmah_7/NMAH-7-1"].author == "National Museum of American History"
    assert records["nmah_8/NMAH-8-1"].author == "National Museum of American History"


@pytest.mark.parametrize(("label", "expected"), [("unit", "NMAH"), ("object_type", "Quilts")])
def test_a_label_is_what_the_settings_name(site, label, expected):
    assert {record.label for record in records_of(listed(site, label=label)).values()} == {expected}


def test_a_search_is_listed_page_by_page(site):
    pages = listed(site)
    assert [len(page.records) for page in pages] == [20, 20, 20, 20, 10]
    assert {page.total for page in pages} == {45}
    assert [page.is_last for page in pages] == [False] * 4 + [True]
    assert pages[-1].position == {"total": 45}


def test_a_listing_goes_on_from_every_page(site):
    whole = listed(site)
    for number, page in enumerate(whole[:-1], start=1):
        rest = listed(site, start=page.position)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert rest[-1].position == whole[-1].position


def test_the_settings_narrow_the_search(site):
    site.rows[3] |= {"unitCode": "CHNDM"}
    records = records_of(listed(site, units=("CHNDM", "FSG"), category="art_design"))
    assert {record.group for record in records.values()} == {"nmah_3"}
    assert site.asked[0].path == f"{ROOT}/category/art_design/search"


def test_a_later_listing_with_nothing_new_is_one_request(site):
    first = listed(site)
    site.asked.clear()
    [page] = listed(site, start=first[-1].position, known=records_of(first))
    assert page.is_last
    assert page.position == {"total": 45}
    assert len(site.asked) == 1


def test_a_later_listing_goes_on_until_nothing_is_new(site):
    first = listed(site)
    site.rows = [row(number) for number in range(100, 112)] + site.rows
    site.asked.clear()
    later = listed(site, start=first[-1].position, known=records_of(first))
    assert records_of(later).keys() >= {f"nmah_{n}/NMAH-{n}-1" for n in range(100, 112)}
    assert len(site.asked) == 3
    assert later[-1].position == {"total": 57}


def test_what_has_grown_elsewhere_than_at_the_top_is_found(site):
    first = listed(site)
    site.rows.insert(32, row(500))
    later = listed(site, start=first[-1].position, known=records_of(first))
    assert "nmah_500/NMAH-500-1" in records_of(later)


def test_after_a_loss_the_whole_is_listed(site):
    first = listed(site)
    del site.rows[44]
    site.asked.clear()
    later = listed(site, start=first[-1].position, known=records_of(first))
    assert len(site.asked) == 5
    assert later[-1].position == {"total": 44}


def test_a_killed_later_listing_knows_what_was_new_before(site):
    first = listed(site)
    site.rows = [row(number) for number in range(100, 110)] + site.rows
    [killed] = listed(site, start=first[-1].position, known=records_of(first), num_pages=1)
    assert killed.position == {"offset": 10, "total": 45, "num_new": 10}
    site.asked.clear()
    known = records_of(first) | records_of([killed])
    [page] = listed(site, start=killed.position, known=known)
    assert page.is_last
    assert len(site.asked) == 1


def test_objects_that_move_while_they_are_listed_come_once(site):
    moved = iter([row(900)])

    def moves(asked):
        if asked.query["start"] == "20":
            site.rows = [*moved, *site.rows]

    site.fault = moves
    pages = listed(site)
    ids = [record.id for page in pages for record in page.records]
    assert len(ids) == len(set(ids)) == 90


def test_a_missing_key_is_refused_before_anything_is_asked(site):
    with pytest.raises(MissingKeyError, match=r"MY_KEY.*https://api\.data\.gov/signup/"):
        listed(site, key_env="MY_KEY")
    assert site.asked == []


def test_a_refused_key_is_told_by_the_name_of_its_variable(site):
    with pytest.raises(FetchError) as raised:
        listed(site, environ={"SMITHSONIAN_API_KEY": "planted-wrong-key"})
    assert (raised.value.reason, raised.value.may_pass) == ("key_refused", False)
    assert "SMITHSONIAN_API_KEY" in raised.value.detail
    assert "https://api.data.gov/signup/" in raised.value.detail
    assert len(site.asked) == 1


@pytest.mark.parametrize("fault", [None, "401", "500", "other_shape", "inner_500", "to_metadata"])
def test_the_key_is_never_seen(site, fault, caplog):
    caplog.set_level(logging.DEBUG)
    site.fault = lambda _: fault
    seen: object
    try:
        seen = listed(site)
    except FetchError as error:
        seen = (error, error.__cause__, error.__context__)
    assert "planted" not in repr(seen) + caplog.text
    assert site.asked[0].query["api_key"] == KEY


@pytest.mark.parametrize(
    "fault", ["403_html", "429_seconds", "503_seconds", "inner_500", "other_shape"]
)
def test_what_may_pass_is_asked_again(site, fault):
    faults = iter([fault, None, fault])
    site.fault = lambda _: next(faults, None)
    pages = listed(site)
    assert len(records_of(pages)) == 90
    assert problems_of(pages) == []


@pytest.mark.parametrize("start", ["0", "20", "40"])
def test_a_page_that_fails_is_left_out_and_told_of(site, start):
    site.fault = lambda asked: "inner_400" if asked.query["start"] == start else None
    pages = listed(site)
    assert problems_of(pages) == [f"the page at {start} could not be had (api_error)"]
    assert len(records_of(pages)) == (80 if start == "40" else 70)
    assert [page.is_last for page in pages][-1]


def test_two_pages_that_fail_end_the_listing_before_them(site):
    site.fault = lambda asked: "inner_400" if int(asked.query["start"]) >= 20 else None
    pages = listed(site, num_pages=2)
    with pytest.raises(FetchError):
        listed(site)
    site.fault = lambda _: None
    rest = listed(site, start=pages[-1].position)
    assert len(records_of(pages) | records_of(rest)) == 90


def test_a_spent_limit_ends_the_listing(site):
    site.fault = lambda asked: "over_limit" if asked.query["start"] == "20" else None
    with pytest.raises(FetchError) as raised:
        listed(site)
    assert raised.value.status == 429


def test_an_empty_page_before_the_end_is_told_of(site):
    site.fault = lambda asked: "empty_page" if asked.query["start"] == "20" else None
    pages = listed(site)
    assert problems_of(pages) == ["45 objects found, but none at 20"]
    assert pages[-1].is_last


@pytest.mark.parametrize("position", [{"offset": "x"}, {"total": []}])
def test_a_position_of_another_source_is_stale(site, position):
    with pytest.raises(StalePositionError):
        listed(site, start=position)


def test_a_search_that_finds_nothing_is_one_empty_page(site):
    [page] = listed(site, query="unicorn")
    assert (page.records, page.is_last, page.problem) == ((), True, None)


@pytest.mark.parametrize(
    "settings",
    [
        {"query": ""},
        {"units": ('NMAH" OR "',)},
        {"category": "zoo"},
        {"page_size": 1001},
        {"max_side_px": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValidationError, match=next(iter(settings))):
        SmithsonianParams.model_validate({"kind": "smithsonian", "query": "quilt", **settings})


def test_rates_and_names_of_variables_are_no_part_of_the_query():
    params = SmithsonianParams(kind="smithsonian", query="quilt", key_env="MY", page_size=50)
    assert params.identity() == {"kind": "smithsonian", "query": "quilt"}


@pytest.mark.parametrize("max_side_px", [None, 1024])
def test_the_stand_in_has_the_shape_that_is_asserted_of_the_site(site, max_side_px):
    params = params_of(site, max_side_px=max_side_px, label="unit")
    check_smithsonian(params, local(site.port), ENVIRON)
