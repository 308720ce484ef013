from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from commons_stand_in import BY_SA, NOW, CommonsStandIn, Thing
from listings import local, pages_of, problems_of, records_of
from pydantic import ValidationError
from stand_in import running

from tests.live.test_live_commons import check_commons
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources.commons import Commons, CommonsParams
from wunderkammer.sources.listing import Page, Position, StalePositionError
from wunderkammer.sources.mediawiki import raise_error

LAST_YEAR = "2025-06-01T00:00:00Z"


def photo(number: int, *categories: str, **changes: object) -> Thing:
    since = str(changes.pop("since", LAST_YEAR))
    thing = Thing(number, f"File:Quilt {number}.jpg", dict.fromkeys(categories, since))
    for name, value in changes.items():
        setattr(thing, name, value)
    return thing


def category(number: int, name: str, *parents: str, since: str = LAST_YEAR) -> Thing:
    return Thing(number, f"Category:{name}", dict.fromkeys(parents, since))


@pytest.fixture
def wiki():
    """120 files in a category, and two subcategories in a circle."""
    things = [photo(number, "Quilts") for number in range(1, 121)]
    things += [category(500, "Amish quilts", "Quilts", "Blue quilts")]
    things += [category(501, "Blue quilts", "Amish quilts"), category(502, "Quilts", "Blue quilts")]
    things += [photo(number, "Amish quilts", "Quilts") for number in range(200, 210)]
    things += [photo(number, "Blue quilts") for number in range(300, 303)]
    things += [Thing(900, "Quilting", {"Quilts": LAST_YEAR})]
    with running(CommonsStandIn(things)) as wiki:
        yield wiki


def params_of(wiki: CommonsStandIn, **settings: object) -> CommonsParams:
    if "search" not in settings:
        settings = {"categories": ("Quilts",), **settings}
    base_url = f"{wiki.url}/w"
    return CommonsParams.model_validate(
        {"kind": "commons", "base_url": base_url, "requests_per_s": 500.0, **settings}
    )


def listed(
    wiki: CommonsStandIn,
    *,
    start: Position | None = None,
    known: Collection[str] = (),
    num_pages: int | None = None,
    **settings: object,
) -> list[Page]:
    params = params_of(wiki, **settings)
    return pages_of(
        lambda network: Commons(params, network),
        local(wiki.port),
        start=start,
        known=known,
        num_pages=num_pages,
    )


def test_a_record_has_everything_that_the_site_tells(wiki):
    wiki.things = [
        photo(
            7,
            "Quilts",
            meta={
                **BY_SA,
                "Artist": '<a href="//commons.wikimedia.org/wiki/User:Ada">Ada<br>Lovelace</a>'
                '<span style="display: none;">hidden</span>',
                "ObjectName": "A <i>blue</i> quilt",
                "Categories": "Quilts|Blue textiles",
                "DateTimeOriginal": "2019-05-04 10:11:12",
                "Credit": "Own work",
            },
        )
    ]
    [page] = listed(wiki)
    assert page.is_last
    assert asdict(page.records[0]) == {
        "id": "7",
        "url": "https://upload.wikimedia.org/wikipedia/commons/a/ab/Quilt_7.jpg",
        "other_urls": (),
        "form": "image",
        "num_bytes": 12345,
        "md5": None,
        "sha1": f"{7:040x}",
        "refused": None,
        "landing_page": "https://commons.wikimedia.org/wiki/File:Quilt_7.jpg",
        "author": "Ada Lovelace",
        "licence": "CC BY-SA 4.0",
        "licence_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "title": "A blue quilt",
        "tags": ("Quilts", "Blue textiles"),
        "label": None,
        "group": None,
        "taken_at": "2019-05-04T10:11:12",
    }


@pytest.mark.parametrize(
    ("meta", "author"),
    [
        ({"Attribution": "<b>Photo: Ada</b>", "Artist": "Ada"}, "Photo: Ada"),
        ({"Artist": "", "Credit": "Own work"}, "Own work"),
        ({}, "Uploader"),
        ({"Artist": 5}, "5"),
        ({"Artist": ["a", "list"]}, "Uploader"),
    ],
)
def test_the_author_is_who_wants_to_be_named(wiki, meta, author):
    wiki.things = [photo(7, "Quilts", meta={**BY_SA, **meta})]
    assert records_of(listed(wiki))["7"].author == author


def test_a_file_without_a_description_has_its_name_as_title(wiki):
    wiki.things = [photo(7, "Quilts", meta={})]
    record = records_of(listed(wiki, licences=("unknown",)))["7"]
    assert (record.title, record.licence, record.taken_at) == ("Quilt 7", "unknown", None)


@pytest.mark.parametrize(
    ("date", "taken_at"),
    [
        ("2019-05-04", "2019-05-04"),
        ("2019-05-04T10:11", "2019-05-04T10:11"),
        ('<time class="dtstart" datetime="2019-05-04">2019-05-04</time>', "2019-05-04"),
        ("4 May 2019", None),
        ("circa 1880", None),
    ],
)
def test_a_date_is_taken_only_if_it_is_plain(wiki, date, taken_at):
    wiki.things = [photo(7, "Quilts", meta={**BY_SA, "DateTimeOriginal": date})]
    assert records_of(listed(wiki))["7"].taken_at == taken_at


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, {*range(1, 121), *range(200, 210)}),
        (1, {*range(1, 121), *range(200, 210)}),
        (2, {*range(1, 121), *range(200, 210), *range(300, 303)}),
        (20, {*range(1, 121), *range(200, 210), *range(300, 303)}),
    ],
)
def test_subcategories_are_walked_to_a_depth_and_circles_end(wiki, depth, expected):
    pages = listed(wiki, depth=depth)
    ids = [int(record.id) for page in pages for record in page.records]
    assert len(ids) == len(set(ids)), "a file in two categories is listed once"
    assert set(ids) == expected
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert problems_of(pages) == []
    assert wiki.most_open == 1


def test_a_category_may_be_written_in_many_ways(wiki):
    for name in ("Quilts", "Category:Quilts", "category: quilts", " quilts "):
        assert len(records_of(listed(wiki, categories=(name,)))) == 130
    amish = records_of(listed(wiki, categories=("Category:amish_quilts",)))
    assert set(amish) == {str(number) for number in range(200, 210)}


def test_no_more_categories_are_walked_than_allowed(wiki, caplog):
    pages = listed(wiki, depth=5, max_categories=2)
    assert not {"300", "301"} & records_of(pages).keys()
    assert "max_categories=2" in caplog.text
    assert "raise it" in caplog.text


def test_a_category_without_members_is_told_of(wiki, caplog):
    pages = listed(wiki, categories=("Qiults", "Quilts"))
    assert len(records_of(pages)) == 130
    assert "Category:Qiults holds nothing" in caplog.text
    assert "Category:Quilts" not in caplog.text


@pytest.mark.parametrize("max_infos", [1000, 20])
def test_a_listing_goes_on_from_every_page(wiki, max_infos):
    wiki.max_infos = max_infos
    settings = {"depth": 2, "categories": ("Quilts",), "search": "quilt"}
    whole = listed(wiki, **settings)
    assert len(whole) == 5
    for number, page in enumerate(whole[:-1], start=1):
        rest = listed(wiki, start=page.position, **settings)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert rest[-1].position == whole[-1].position


def test_infos_that_come_in_parts_are_put_together(wiki):
    wiki.max_infos = 7
    records = records_of(listed(wiki))
    assert len(records) == 130
    assert all(record.refused is None for record in records.values())


def test_a_later_listing_asks_for_what_is_new(wiki):
    first = listed(wiki, depth=2)
    num_asked = len(wiki.asked)
    again = listed(wiki, depth=2, start=first[-1].position)
    assert records_of(again) == {}
    assert len(wiki.asked) - num_asked == 2, "how they are, and the one whose size was not known"
    assert again[-1].is_last

    wiki.things += [photo(400, "Blue quilts", since=NOW), category(503, "New", "Quilts", since=NOW)]
    # A new category is listed from its beginning.
    wiki.things += [photo(401, "New")]
    later = listed(wiki, depth=2, start=again[-1].position)
    assert set(records_of(later)) == {"400", "401"}
    final = listed(wiki, depth=2, start=later[-1].position)
    assert set(records_of(final)) == {"400"}, "it joined within the overlap"


def test_a_later_listing_asks_for_the_categories_that_have_changed_alone(wiki):
    wiki.things = [category(500, "Quilts"), photo(1, "Quilts")]
    wiki.things += [category(1000 + i, f"Sub {i}", "Quilts") for i in range(120)]
    wiki.things += [photo(2000 + i, f"Sub {i}") for i in range(0, 120, 7)]
    pages = listed(wiki, depth=1)
    for num_expected in (4, 3, 3):
        wiki.asked.clear()
        pages = listed(wiki, depth=1, start=pages[-1].position)
        assert records_of(pages) == {}
        assert [page.is_last for page in pages] == [True]
        assert len(wiki.asked) == num_expected, "121 categories, 50 at a time"
    wiki.things += [photo(3000, "Sub 5", since=NOW)]
    # One has left, another has come in its place.
    wiki.things = [one for one in wiki.things if one.pageid != 2007]
    wiki.things += [photo(3001, "Sub 7", since=NOW)]
    wiki.asked.clear()
    assert set(records_of(listed(wiki, depth=1, start=pages[-1].position))) == {"3000", "3001"}
    assert len(wiki.asked) == 3 + 2


def test_names_that_are_long_are_asked_for_in_several_addresses(wiki):
    names = [f"Лоскутное шитьё {'ю' * 90} {i}" for i in range(30)]
    wiki.things = [category(500, "Quilts"), photo(1, *names)]
    wiki.things += [category(1000 + i, name, "Quilts") for i, name in enumerate(names)]
    first = listed(wiki, depth=1)
    wiki.asked.clear()
    assert records_of(listed(wiki, depth=1, start=first[-1].position)) == {}
    assert 3 < len(wiki.asked) < 8


def test_an_error_of_the_question_how_categories_are_makes_all_be_asked_for(wiki):
    first = listed(wiki)
    wiki.things += [photo(400, "Quilts", since=NOW)]
    wiki.fault = lambda asked: "invalidcategory" if "titles" in asked.query else None
    assert set(records_of(listed(wiki, start=first[-1].position))) == {"400"}


@pytest.mark.parametrize("odd", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_site_whose_clock_is_odd_goes_by_the_one_of_this_machine(wiki, monkeypatch, odd):
    monkeypatch.setattr("commons_stand_in.NOW", odd)
    started_at = datetime.now(UTC)
    [*_, last] = listed(wiki)
    since = datetime.fromisoformat(str(last.position["since"]))
    assert started_at <= since + timedelta(hours=24) <= datetime.now(UTC)


def test_a_lag_beyond_all_measure_may_pass(wiki):
    told = {"code": "maxlag", "info": "Waiting", "lag": 10**400}
    with pytest.raises(FetchError, match="api_maxlag") as raised:
        raise_error({"error": told})
    assert (raised.value.may_pass, raised.value.retry_after_s) == (True, 60.0)
    with pytest.raises(FetchError) as raised:
        raise_error({"error": {**told, "lag": float("nan")}})
    assert raised.value.retry_after_s is None


def test_a_category_that_the_listing_has_found_may_be_empty(wiki, caplog):
    wiki.things = [category(500, "Quilts"), category(501, "Empty", "Quilts"), photo(1, "Quilts")]
    assert set(records_of(listed(wiki, depth=1))) == {"1"}
    assert "holds nothing" not in caplog.text


def test_a_later_listing_overlaps(wiki):
    first = listed(wiki, overlap_hours=48.0)
    assert first[-1].position["since"] == "2025-11-18T12:00:00Z"
    wiki.things += [
        photo(400, "Quilts", since="2025-11-18T12:00:00Z"),
        photo(401, "Quilts", since="2025-11-18T11:59:59Z"),
    ]
    assert set(records_of(listed(wiki, start=first[-1].position))) == {"400"}


def test_a_search_lists_the_newest_first_and_later_ends_early(wiki):
    wiki.things = [
        photo(number, uploaded=f"2025-{number // 28 + 1:02}-{number % 28 + 1:02}T00:00:00Z")
        for number in range(300)
    ]
    first = listed(wiki, search="quilt")
    assert len(records_of(first)) == 300
    wiki.things += [photo(400, uploaded=NOW), Thing(401, "File:Spoon.jpg", {}, uploaded=NOW)]
    wiki.asked.clear()
    later = listed(wiki, search="quilt", start=first[-1].position)
    assert "400" in records_of(later)
    assert len(wiki.asked) == 2, "the second page is older than the watermark as a whole"


@pytest.mark.parametrize(
    "fault",
    ["maxlag", "ratelimited", "no_json", "other_shape", "429_seconds", "503_seconds"],
)
def test_what_may_pass_is_asked_again(wiki, fault):
    faults = iter([fault, None, fault])
    wiki.fault = lambda _: next(faults, None)
    pages = listed(wiki)
    assert len(records_of(pages)) == 130
    assert problems_of(pages) == []


@pytest.mark.parametrize("fault", ["maxlag", "ratelimited", "503_seconds"])
def test_what_does_not_pass_ends_the_listing_where_it_was(wiki, fault):
    wiki.fault = lambda asked: fault if "gcmcontinue" in asked.query else None
    [first] = listed(wiki, num_pages=1)
    with pytest.raises(FetchError):
        listed(wiki)
    wiki.fault = lambda _: None
    rest = listed(wiki, start=first.position)
    assert len(records_of([first, *rest])) == 130


def test_an_error_of_one_category_leaves_the_others(wiki):
    wiki.fault = lambda asked: (
        "invalidcategory" if asked.query.get("gcmtitle") == "Category:Amish quilts" else None
    )
    pages = listed(wiki, depth=1, categories=("Amish quilts", "Quilts"))
    assert len(records_of(pages)) == 130
    assert problems_of(pages) == [
        "Category:Amish quilts: The name is not valid. (api_invalidcategory)"
    ]


def test_an_expired_cursor_makes_the_position_stale(wiki):
    [first] = listed(wiki, num_pages=1)
    wiki.fault = lambda asked: "badcontinue" if "gcmcontinue" in asked.query else None
    with pytest.raises(StalePositionError):
        listed(wiki, start=first.position)


@pytest.mark.parametrize("position", [{"todo": 5}, {"found": []}, {"since": "yesterday"}])
def test_a_position_of_another_source_is_stale(wiki, position):
    with pytest.raises(StalePositionError):
        listed(wiki, start=position)


def test_a_cursor_that_repeats_ends_the_category_with_a_problem(wiki):
    wiki.fault = lambda asked: (
        "cursor_repeats" if asked.query["gcmtitle"] == "Category:Quilts" else None
    )
    pages = listed(wiki, categories=("Quilts", "Blue quilts"))
    assert problems_of(pages) == ["Category:Quilts: the cursor repeats"]
    assert {"300", "301", "302"} <= records_of(pages).keys()
    assert len(wiki.asked) < 6


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"mime": "image/svg+xml"}, ("not_a_picture", "image/svg+xml")),
        ({"mime": "application/pdf"}, ("not_a_picture", "application/pdf")),
        ({"mime": "image/vnd.djvu"}, ("not_a_picture", "image/vnd.djvu")),
        ({"mime": "video/webm"}, ("not_a_picture", "video/webm")),
        ({"hidden": True}, ("no_file", "deleted or hidden")),
        ({"meta": {}}, ("licence", "unknown; allowed: cc0, public-domain, cc-by, cc-by-sa")),
        (
            {"meta": {"LicenseShortName": "GFDL"}},
            ("licence", "GFDL; allowed: cc0, public-domain, cc-by, cc-by-sa"),
        ),
        ({"mime": "image/tiff"}, None),
        ({"mime": "image/gif"}, None),
        ({"mime": "image/webp"}, None),
        ({"meta": {"LicenseShortName": "Public domain", "License": "pd"}}, None),
        (
            {
                "meta": {
                    "LicenseShortName": "CC0",
                    "LicenseUrl": "//creativecommons.org/publicdomain/zero/1.0/",
                }
            },
            None,
        ),
    ],
)
def test_what_is_no_picture_or_not_allowed_is_refused_unseen(wiki, changes, refused):
    wiki.things = [photo(7, "Quilts", **changes), photo(8, "Quilts")]
    records = records_of(listed(wiki))
    assert records["7"].refused == refused
    assert records["8"].refused is None


def test_what_is_odd_about_a_file_leaves_the_others(wiki):
    odd = [photo(7, "Quilts", meta=["no", "fields"]), photo(8, "Quilts", size="big", uploaded="?")]
    wiki.things = [*odd, photo(9, "Quilts"), photo(10, "Quilts", size=10**30)]
    records = records_of(listed(wiki))
    assert set(records) == {"7", "8", "9", "10"}
    assert records["10"].num_bytes is None, "no column of a table holds it"
    assert records["7"].refused is not None
    assert (records["8"].refused, records["8"].num_bytes) == (None, None)


def test_only_allowed_licences_pass(wiki):
    wiki.things = [photo(7, "Quilts"), photo(8, "Quilts", meta={"LicenseShortName": "CC0"})]
    records = records_of(listed(wiki, licences=("cc0",)))
    assert records["7"].refused == ("licence", "CC BY-SA 4.0; allowed: cc0")
    assert records["8"].refused is None


def test_a_scaled_picture_has_no_published_digest(wiki):
    wiki.things = [photo(7, "Quilts", width=4000), photo(8, "Quilts", width=900)]
    records = records_of(listed(wiki, width_px=960))
    assert records["7"].url.startswith("https://thumb.wikimedia.org/")
    assert (records["7"].sha1, records["7"].num_bytes) == (None, None)
    assert records["8"].url == "https://upload.wikimedia.org/wikipedia/commons/a/ab/Quilt_8.jpg"
    assert records["8"].sha1 is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"categories": ()}, "name a category or a search"),
        ({"categories": ("Category: ",)}, "empty name"),
        ({"categories": ("A", "B"), "max_categories": 1}, "max_categories=1"),
        ({"width_px": 1000}, "960"),
        ({"depth": -1}, "depth"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        CommonsParams.model_validate({"kind": "commons", "categories": ("Quilts",), **settings})


def test_conduct_and_rates_are_no_part_of_the_query():
    plain = CommonsParams(kind="commons", search="quilt")
    other = CommonsParams(
        kind="commons",
        search="quilt",
        overlap_hours=1.0,
        requests_per_s=0.5,
        conduct=ConductParams(contact="me@here"),
    )
    assert plain.identity() == other.identity() == {"kind": "commons", "search": "quilt"}


@pytest.mark.parametrize("settings", [{}, {"width_px": 960}, {"search": "quilt"}])
def test_the_stand_in_has_the_shape_that_is_asserted_of_the_site(wiki, settings):
    check_commons(params_of(wiki, **settings), local(wiki.port))
