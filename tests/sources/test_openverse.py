import logging
from collections.abc import Collection
from dataclasses import asdict

import pytest
from exhibits import Pages, conduct, serve_pictures
from listings import local, pages_of, problems_of, records_of
from openverse_stand_in import CLIENT_ID, CLIENT_SECRET, OpenverseStandIn, photo
from pydantic import ValidationError
from stand_in import running

from tests.live.test_live_openverse import check_openverse
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import MissingKeyError
from wunderkammer.sources.listing import Page, Position, StalePositionError
from wunderkammer.sources.openverse import Openverse, OpenverseParams

CLIENT = {"OPENVERSE_CLIENT_ID": CLIENT_ID, "OPENVERSE_CLIENT_SECRET": CLIENT_SECRET}


@pytest.fixture
def site():
    with running(OpenverseStandIn([photo(number) for number in range(90)])) as site:
        yield site


def params_of(site: OpenverseStandIn, **settings: object) -> OpenverseParams:
    plain = {"kind": "openverse", "query": "corgi", "base_url": f"{site.url}/v1"}
    return OpenverseParams.model_validate({**plain, "requests_per_minute": 30_000.0, **settings})


def listed(
    site: OpenverseStandIn,
    *,
    start: Position | None = None,
    known: Collection[str] = (),
    num_pages: int | None = None,
    environ: dict[str, str] | None = None,
    **settings: object,
) -> list[Page]:
    params = params_of(site, **settings)
    return pages_of(
        lambda network: Openverse(params, network, environ=environ or {}),
        local(site.port),
        start=start,
        known=known,
        num_pages=num_pages,
    )


def test_a_record_has_everything_that_the_service_tells(site):
    site.photos = [photo(7, license="by-sa")]
    [page] = listed(site)
    assert (page.is_last, page.total, page.problem) == (True, 1, None)
    assert asdict(page.records[0]) == {
        "id": "0aff3595-8168-440b-83ff-000000000007",
        "url": "https://live.staticflickr.com/65535/7_b.jpg",
        "other_urls": (),
        "form": "image",
        "num_bytes": None,
        "md5": None,
        "sha1": None,
        "refused": None,
        "landing_page": "https://www.flickr.com/photos/ada/7",
        "author": "Ada",
        "licence": "CC BY 2.0",
        "licence_url": "https://creativecommons.org/licenses/by/2.0/",
        "title": "corgi 7",
        "tags": ("corgi",),
        "label": None,
        "group": None,
        "taken_at": None,
    }


def test_a_search_is_listed_page_by_page(site):
    pages = listed(site)
    assert [len(page.records) for page in pages] == [20, 20, 20, 20, 10]
    assert [page.is_last for page in pages] == [False] * 4 + [True]
    assert {page.total for page in pages} == {90}
    assert len(site.asked) == 5
    assert problems_of(pages) == []


def test_a_listing_goes_on_from_every_page(site):
    whole = listed(site)
    for number, page in enumerate(whole[:-1], start=1):
        rest = listed(site, start=page.position)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert rest[-1].position == whole[-1].position


def test_a_later_listing_with_nothing_new_is_one_request(site):
    first = listed(site)
    site.asked.clear()
    [page] = listed(site, start=first[-1].position, known=records_of(first))
    assert page.is_last
    assert page.position == first[-1].position
    assert len(site.asked) == 1


@pytest.mark.parametrize("where", [0, 45, 90])
def test_a_later_listing_finds_what_is_new_wherever_it_ranks(site, where):
    first = listed(site)
    site.photos.insert(where, photo(500))
    later = listed(site, start=first[-1].position, known=records_of(first))
    assert records_of(later).keys() - records_of(first).keys() == {photo(500)["id"]}


def test_one_that_took_the_place_of_another_is_found(site):
    first = listed(site)
    site.photos[3] = photo(500)
    later = listed(site, start=first[-1].position, known=records_of(first))
    assert photo(500)["id"] in records_of(later)


def test_a_killed_later_listing_still_knows_the_total(site):
    first = listed(site)
    site.photos.append(photo(500))
    [killed] = listed(site, start=first[-1].position, known=records_of(first), num_pages=1)
    assert killed.position == {"page": 2, "page_size": 20, "total": 90}


def test_a_position_among_pages_of_another_size_is_stale(site):
    [killed] = listed(site, num_pages=1)
    with pytest.raises(StalePositionError):
        listed(site, start=killed.position, environ=CLIENT)


def test_what_is_listed_twice_comes_once(site):
    site.photos[25] = site.photos[3]
    pages = listed(site)
    ids = [record.id for page in pages for record in page.records]
    assert len(ids) == len(set(ids)) == 89


def test_the_settings_narrow_the_search(site):
    site.photos[0] = photo(0, source="wikimedia", filetype="png", license="cc0")
    settings = {
        "licences": ("cc0", "public-domain", "unknown"),
        "sources": ("wikimedia", "met"),
        "extensions": ("png",),
        "aspect_ratios": ("square", "tall"),
        "sizes": ("large",),
        "categories": ("photograph",),
    }
    assert len(records_of(listed(site, **settings))) == 1
    assert site.asked[0].query == {
        "q": "corgi",
        "license": "cc0,pdm",
        "source": "wikimedia,met",
        "extension": "png",
        "aspect_ratio": "square,tall",
        "size": "large",
        "category": "photograph",
        "page_size": "20",
        "page": "1",
    }


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"license_url": "https://creativecommons.org/licenses/by-nc/2.0/"}, "licence"),
        ({"url": None}, "no_file"),
        ({"url": "ftp://a.org/b.jpg"}, "no_file"),
        ({"filetype": "svg"}, "not_a_picture"),
        ({"filetype": None, "tags": None, "creator": None, "title": "corgi"}, None),
    ],
)
def test_each_photo_is_judged_again(site, changes, refused):
    site.photos = [photo(1), photo(2, **changes)]
    record = records_of(listed(site))[photo(2)["id"]]
    assert (record.refused or (None,))[0] == refused


def test_what_is_odd_about_a_photo_leaves_the_others(site, caplog):
    odd = [photo(2, tags=[5, {"name": ["x"], "accuracy": "?"}]), photo(3, id=None), photo(4, id=44)]
    site.photos = [photo(1), *odd]
    records = records_of(listed(site))
    assert set(records) == {photo(1)["id"], photo(2)["id"], "44"}
    assert records[photo(2)["id"]].tags == ()
    assert "1 of 4 items have no 'id'" in caplog.text


def test_a_search_that_finds_too_much_is_cut_off_and_says_so(site):
    site.photos = [photo(number) for number in range(500)]
    pages = listed(site)
    assert len(pages) == 20
    assert len(records_of(pages)) == 400
    assert pages[-1].total == 400
    [problem] = problems_of(pages)
    assert "500 found, but only the first 400" in problem
    assert "narrow the query" in problem


def test_fewer_pages_are_asked_for_where_a_setting_says_so(site):
    assert len(records_of(listed(site, max_pages=2))) == 40
    assert len(site.asked) == 2


def test_a_client_gets_larger_pages(site):
    site.photos = [photo(number) for number in range(700)]
    pages = listed(site, environ=CLIENT)
    assert [len(page.records) for page in pages] == [500, 200]
    assert site.num_tokens == 1
    assert site.paths() == ["/v1/auth_tokens/token/", "/v1/images/", "/v1/images/"]


def test_an_expired_token_is_renewed(site):
    site.token_lasts = 2
    pages = listed(site, environ=CLIENT, page_size=20)
    assert len(records_of(pages)) == 90
    assert site.num_tokens == 3
    assert problems_of(pages) == []


def test_a_token_that_is_never_taken_ends_the_listing(site):
    site.token_lasts = 0
    with pytest.raises(FetchError) as raised:
        listed(site, environ=CLIENT)
    assert raised.value.status == 401
    assert site.num_tokens == 2


def test_a_refused_client_is_told_by_the_names_of_its_variables(site):
    environ = {**CLIENT, "OPENVERSE_CLIENT_SECRET": "planted-wrong-secret"}
    with pytest.raises(FetchError) as raised:
        listed(site, environ=environ)
    assert raised.value.reason == "key_refused"
    assert "OPENVERSE_CLIENT_SECRET" in raised.value.detail
    assert "https://api.openverse.org" in raised.value.detail


@pytest.mark.parametrize("missing", CLIENT)
def test_half_a_client_is_refused_before_anything_is_asked(site, missing):
    environ = {name: value for name, value in CLIENT.items() if name != missing}
    with pytest.raises(MissingKeyError, match=missing):
        listed(site, environ=environ)
    assert site.asked == []


@pytest.mark.parametrize("fault", [None, "401", "500", "other_shape"])
def test_no_secret_is_ever_seen(site, fault, caplog):
    caplog.set_level(logging.DEBUG)
    site.fault = lambda asked: fault if asked.path == "/v1/images/" else None
    seen: object
    try:
        seen = listed(site, environ=CLIENT)
    except FetchError as error:
        seen = (error, error.__cause__, error.__context__)
    assert "planted" not in repr(seen) + caplog.text
    assert any("planted" in asked.headers.get("Authorization", "") for asked in site.asked)


@pytest.mark.parametrize("fault", ["429_seconds", "503_seconds", "other_shape", "200_html"])
def test_what_may_pass_is_asked_again(site, fault):
    faults = iter([fault, None, fault])
    site.fault = lambda _: next(faults, None)
    pages = listed(site)
    assert len(records_of(pages)) == 90
    assert problems_of(pages) == []


@pytest.mark.parametrize("number", ["1", "3", "5"])
def test_a_page_that_fails_is_left_out_and_told_of(site, number):
    site.fault = lambda asked: "503_seconds" if asked.query.get("page") == number else None
    pages = listed(site)
    assert len(records_of(pages)) == (80 if number == "5" else 70)
    assert problems_of(pages) == [f"page {number} could not be had (http_503)"]
    assert pages[-1].is_last


def test_two_pages_that_fail_end_the_listing_before_them(site):
    site.fault = lambda asked: "503_seconds" if asked.query["page"] in "34" else None
    with pytest.raises(FetchError):
        listed(site)
    pages = listed(site, num_pages=2)
    site.fault = lambda _: None
    rest = listed(site, start=pages[-1].position)
    assert len(records_of(pages) | records_of(rest)) == 90


def test_a_spent_limit_ends_the_listing_where_it_was(site):
    site.fault = lambda asked: "429_seconds" if asked.query["page"] == "3" else None
    with pytest.raises(FetchError) as raised:
        listed(site)
    assert raised.value.status == 429
    assert [asked.query["page"] for asked in site.asked] == ["1", "2", "3", "3"]


def test_an_empty_page_in_the_middle_is_told_of(site):
    site.fault = lambda asked: "empty_page" if asked.query["page"] == "2" else None
    assert problems_of(listed(site)) == ["page 2 of 5 is empty"]


@pytest.mark.parametrize("position", [{"page": "two"}, {"total": []}])
def test_a_position_of_another_source_is_stale(site, position):
    with pytest.raises(StalePositionError):
        listed(site, start=position)


def test_a_search_that_finds_nothing_is_one_empty_page(site):
    [page] = listed(site, query="unicorn")
    assert (page.records, page.is_last, page.problem) == ((), True, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"licences": ("unknown",)}, "holds only"),
        ({"query": ""}, "query"),
        ({"max_pages": 21}, "max_pages"),
        ({"sources": ("a,b",)}, "sources"),
        ({"aspect_ratios": ("round",)}, "aspect_ratios"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        OpenverseParams.model_validate({"kind": "openverse", "query": "corgi", **settings})


def test_the_robots_txt_of_a_provider_is_asked(scraper):
    with running(Pages()) as host, running(OpenverseStandIn([])) as site:
        serve_pictures(host)
        site.photos = [
            photo(1, url=f"{host.url}/private/1.jpg"),
            photo(2, url=f"{host.url}/pictures/2.jpg"),
        ]
        built = scraper(
            kind="openverse",
            query="corgi",
            base_url=f"{site.url}/v1",
            requests_per_minute=30_000.0,
            conduct=conduct(site, host),
        )
        assert list(scraper.reasons(built).values()) == ["robots"]
        assert len(scraper.kept(built)) == 1
        assert "/private/1.jpg" not in host.paths()


def test_the_names_of_variables_are_no_part_of_the_query():
    params = OpenverseParams(kind="openverse", query="corgi", client_id_env="MY_ID")
    assert params.identity() == {"kind": "openverse", "query": "corgi"}


@pytest.mark.parametrize("environ", [{}, CLIENT])
def test_the_stand_in_has_the_shape_that_is_asserted_of_the_service(site, environ):
    check_openverse(params_of(site), local(site.port), environ)
