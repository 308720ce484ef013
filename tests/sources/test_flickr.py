import logging
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from flickr_kit import NEWEST, listed, pool_of
from flickr_stand_in import KEY, SPIDERS, FlickrStandIn, Photo
from hypothesis import given, settings
from hypothesis import strategies as st
from listings import problems_of, records_of
from live.test_live_flickr import check_live
from odd_json import odd_json
from pydantic import ValidationError
from stand_in import running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import MissingKeyError
from wunderkammer.sources.flickr import OVERLAP_S, FlickrParams
from wunderkammer.sources.listing import StalePositionError


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLICKR_API_KEY", KEY)
        yield


@pytest.fixture
def flickr() -> Iterator[FlickrStandIn]:
    with running(FlickrStandIn(pool_of(1300))) as stand_in:
        yield stand_in


def test_a_record_has_everything_that_the_site_tells(flickr):
    flickr.photos = [Photo(2645, machine_tags="taxonomy:genus=argiope", place=(57.5, -3))]
    [page] = listed(flickr)
    assert page.is_last
    assert asdict(page.records[0]) == {
        "id": "2645",
        "url": f"{flickr.url}/65535/2645_o.jpg",
        "other_urls": (f"{flickr.url}/65535/2645_k.jpg", f"{flickr.url}/65535/2645_l.jpg"),
        "form": "image",
        "num_bytes": None,
        "md5": None,
        "sha1": None,
        "refused": None,
        "landing_page": "https://www.flickr.com/photos/12037949754@N01/2645/",
        "author": "Bees / ?",
        "licence": "CC BY 2.0",
        "licence_url": "https://creativecommons.org/licenses/by/2.0/",
        "title": "Argiope",
        "tags": ("spider", "macro", "taxonomy:genus=argiope", "geo:lat=57.5", "geo:lon=-3"),
        "label": None,
        "group": "12037949754@N01 2020-05-16",
        "taken_at": "2020-05-16T05:48:19",
    }


def test_a_pool_is_listed_whole_and_newest_first(flickr):
    pages = listed(flickr)
    assert [len(page.records) for page in pages] == [500, 500, 300]
    assert [record.id for page in pages for record in page.records] == [
        str(id_) for id_ in range(1300, 0, -1)
    ]
    assert problems_of(pages) == []
    assert {page.total for page in pages} == {1300}
    assert flickr.methods() == ["groups.pools.getPhotos"] * 3
    check_live(pages, allowed=("CC BY 2.0",))


@pytest.mark.parametrize(
    "group",
    [
        "spiders",
        "https://www.flickr.com/groups/spiders",
        "https://www.flickr.com/groups/spiders/",
        "https://www.flickr.com/groups/spiders/pool/",
    ],
)
def test_a_group_is_found_by_its_name_or_address(flickr, group):
    [first] = listed(flickr, group=group, num_pages=1)
    assert first.position["group"] == SPIDERS
    assert flickr.methods() == ["urls.lookupGroup", "groups.pools.getPhotos"]
    listed(flickr, group=group, start=first.position)
    assert flickr.methods().count("urls.lookupGroup") == 1


def test_a_search_is_listed_whole_and_oldest_first(flickr):
    flickr.photos += [Photo(5000, title="Web"), Photo(5001, license=0), Photo(5002, media="video")]
    pages = listed(flickr, text="Argiope")
    ids = [int(record.id) for page in pages for record in page.records]
    assert ids == sorted(ids) == list(range(1, 1301))
    assert problems_of(pages) == []
    assert flickr.methods() == ["photos.licenses.getInfo", *["photos.search"] * 3]
    check_live(pages, allowed=("CC BY 2.0",))


def test_what_is_searched_for_is_asked(flickr):
    flickr.photos = [
        Photo(1, tags="corgi dog", place=(51.5, -0.1)),
        Photo(2, tags="corgi", place=(51.5, -0.1)),
        Photo(3, tags="dog", place=(40.7, -74.0)),
    ]
    assert set(records_of(listed(flickr, tags=("corgi", "dog")))) == {"1", "2", "3"}
    assert set(records_of(listed(flickr, tags=("corgi", "dog"), all_tags=True))) == {"1"}
    london = {"bbox": (-0.5, 51.2, 0.4, 51.7)}
    assert set(records_of(listed(flickr, **london))) == {"1", "2"}
    assert set(records_of(listed(flickr, **london, text="dog"))) == {"1"}
    listed(flickr, text="dog", group=SPIDERS)
    assert flickr.asked[-1].query["group_id"] == SPIDERS


def test_a_search_goes_on_where_flickr_shows_no_more(flickr):
    flickr.photos = pool_of(9100)
    pages = listed(flickr, text="Argiope")
    assert len(records_of(pages)) == 9100
    assert problems_of(pages) == []
    assert len(pages) < 25


def test_a_search_within_a_box_goes_on_too(flickr):
    flickr.photos = [Photo(id_, uploaded=NEWEST + id_ // 3, place=(1, 1)) for id_ in range(4300)]
    pages = listed(flickr, bbox=(0.0, 0.0, 2.0, 2.0))
    assert len(records_of(pages)) == 4300
    assert {asked.query.get("per_page", "250") for asked in flickr.asked} == {"250"}


def test_more_photos_of_one_second_than_flickr_shows_end_the_listing(flickr):
    flickr.photos = [Photo(id_, uploaded=NEWEST) for id_ in range(4600)]
    with pytest.raises(FetchError, match="repeated"):
        listed(flickr, text="Argiope")


@pytest.mark.parametrize("section", [{}, {"text": "Argiope"}], ids=["pool", "search"])
def test_a_listing_goes_on_from_every_page(flickr, section):
    whole = listed(flickr, **section)
    for number, page in enumerate(whole[:-1], start=1):
        rest = listed(flickr, start=page.position, **section)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert rest[-1].position == whole[-1].position
        assert problems_of(rest) == []


@pytest.mark.parametrize("section", [{}, {"text": "Argiope"}], ids=["pool", "search"])
def test_a_later_listing_asks_for_what_is_new(flickr, section):
    first = listed(flickr, **section)
    assert first[-1].position["since"] == NEWEST - OVERLAP_S
    flickr.asked.clear()
    again = listed(flickr, start=first[-1].position, **section)
    assert len(again) == 1
    assert len(flickr.asked) == 1 + bool(section)
    assert again[-1].position == first[-1].position

    flickr.photos += [Photo(5000, added=NEWEST + 9, uploaded=NEWEST + 9)]
    flickr.photos += [Photo(5001, added=NEWEST - OVERLAP_S, uploaded=NEWEST - OVERLAP_S)]
    later = listed(flickr, start=again[-1].position, **section)
    assert {"5000", "5001"} <= records_of(later).keys()
    assert later[-1].position["since"] == NEWEST + 9 - OVERLAP_S
    assert {page.total for page in later} == {None}


def test_a_pool_is_asked_for_more_pages_where_more_is_new(flickr):
    position = {"since": NEWEST - 700_000, "group": SPIDERS}
    pages = listed(flickr, start=position)
    assert len(pages) == 2
    assert len(records_of(pages)) == 1000


def test_a_time_to_come_does_not_hide_what_is_added_until_then(flickr):
    flickr.photos[3].added = 9_000_000_000
    assert listed(flickr)[-1].position["since"] == NEWEST - OVERLAP_S


def test_an_emptied_source_keeps_its_watermark(flickr):
    flickr.photos = []
    [page] = listed(flickr, start={"since": NEWEST})
    assert page.records == ()
    assert page.is_last
    assert page.position["since"] == NEWEST


@pytest.mark.parametrize("fault", ["105", "0", "no_json", "other_shape", "503_seconds", "hang_up"])
def test_what_may_pass_is_asked_again(flickr, fault):
    faults = iter([fault, None, fault])
    flickr.fault = lambda _: next(faults, None)
    pages = listed(flickr)
    assert len(records_of(pages)) == 1300
    assert problems_of(pages) == []


@pytest.mark.parametrize("fault", ["105", "999", "no_json", "other_shape", "500"])
def test_a_page_that_can_not_be_had_costs_nothing_but_itself(flickr, fault):
    flickr.fault = lambda asked: fault if asked.query["page"] == "2" else None
    pages = listed(flickr)
    assert set(records_of(pages)) == {str(id_) for id_ in [*range(801, 1301), *range(1, 301)]}
    assert [page.problem is not None for page in pages] == [False, True]
    assert "page 2 of 3" in problems_of(pages)[0]


def test_a_last_page_that_can_not_be_had_is_told_of(flickr):
    flickr.fault = lambda asked: "105" if asked.query["page"] == "3" else None
    pages = listed(flickr)
    assert len(records_of(pages)) == 1000
    assert [page.is_last for page in pages] == [False, False, True]
    assert problems_of(pages) == ["page 3 of 3 could not be had (flickr_error)"]


@pytest.mark.parametrize("first_bad", [1, 2])
def test_a_site_that_is_down_ends_the_listing(flickr, first_bad):
    flickr.photos = pool_of(2600)
    flickr.fault = lambda asked: "105" if int(asked.query["page"]) >= first_bad else None
    with pytest.raises(FetchError, match="code 105"):
        listed(flickr)


def test_a_total_that_differs_from_what_was_seen_is_told_of(flickr):
    flickr.counted_more = 140
    assert problems_of(listed(flickr)) == []
    flickr.counted_more = 160
    [problem] = problems_of(listed(flickr))
    assert problem == (
        "Flickr counts 1460 photos and has shown 1300; scrape.max_unseen=0.1 allows for fewer "
        "that are missing"
    )
    assert problems_of(listed(flickr, max_unseen=0.2)) == []


def test_photos_that_are_counted_but_not_shown_do_no_harm(flickr):
    for photo in flickr.photos[::20]:
        photo.hidden = True
    pages = listed(flickr)
    assert len(records_of(pages)) == 1235
    assert problems_of(pages) == []


@pytest.mark.parametrize(
    ("fault", "reason", "told"),
    [
        ("100", "invalid_key", "FLICKR_API_KEY"),
        ("1", "not_found", "no such group"),
        ("2", "not_allowed", "members only"),
    ],
)
@pytest.mark.parametrize("page", ["1", "2"])
def test_a_refusal_ends_the_listing_at_once(flickr, fault, reason, told, page):
    flickr.fault = lambda asked: fault if asked.query["page"] == page else None
    with pytest.raises(FetchError) as error:
        listed(flickr)
    assert (error.value.reason, error.value.may_pass) == (reason, False)
    assert told in error.value.detail
    assert len(flickr.asked) == int(page)


def test_a_group_that_nobody_knows_is_told_of(flickr):
    with pytest.raises(FetchError, match="no such group"):
        listed(flickr, group="spyders")


def test_a_missing_key_is_refused_before_anything_is_asked(flickr, monkeypatch):
    monkeypatch.delenv("FLICKR_API_KEY")
    with pytest.raises(MissingKeyError, match=r"FLICKR_API_KEY.*flickr\.com/services/api/keys"):
        listed(flickr)
    assert flickr.asked == []


def test_another_variable_may_hold_the_key(flickr, monkeypatch):
    monkeypatch.delenv("FLICKR_API_KEY")
    monkeypatch.setenv("MY_KEY", KEY)
    assert records_of(listed(flickr, key_env="MY_KEY"))


def test_the_key_is_shown_nowhere(flickr, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    pages = listed(flickr, text="Argiope")
    assert all(asked.query["api_key"] == KEY for asked in flickr.asked)
    assert KEY not in repr(pages)
    wrong = KEY.replace("0", "f")
    monkeypatch.setenv("FLICKR_API_KEY", wrong)
    with pytest.raises(FetchError) as error:
        listed(flickr)
    flickr.fault = lambda _: "500"
    with pytest.raises(FetchError) as failure:
        listed(flickr)
    for text in (repr(error.value), repr(failure.value), caplog.text):
        assert wrong not in text
        assert KEY not in text


@pytest.mark.parametrize("position", [{"since": "yesterday"}, {"page": 0}, {"newest": [1]}])
def test_a_position_of_another_source_is_stale(flickr, position):
    with pytest.raises(StalePositionError):
        listed(flickr, start=position)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({}, "name a group, or what to search for"),
        ({"bbox": (10.0, 0.0, 0.0, 5.0)}, "west, south, east, north"),
        ({"tags": ("a,b",)}, "pattern"),
        ({"group": "x", "max_size": "huge"}, "Input should be"),
        ({"group": "x", "licences": ()}, "at least 1 item"),
    ],
)
def test_a_section_that_says_too_little_or_nonsense_is_refused(section, told):
    with pytest.raises(ValidationError, match=told):
        FlickrParams.model_validate({"kind": "flickr", **section})


FIELDS = ("id", "owner", "license", "title", "tags", "datetaken", "dateadded", "url_o", "media")


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), odd_json) | odd_json, max_size=3))
def test_whatever_a_photo_says_the_others_are_listed(photos):
    class Odd(FlickrStandIn):
        def _told(self, one, extras):
            return photos[one.id] if one.id < len(photos) else super()._told(one, extras)

    ordered = [Photo(id_) for id_ in range(len(photos))] + [Photo(77)]
    with running(Odd(ordered)) as flickr:
        assert "77" in records_of(listed(flickr))
