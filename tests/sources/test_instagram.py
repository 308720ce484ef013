import logging
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instagram_stand_in import TOKEN, USER, InstagramStandIn, child, media, sent
from listings import local, pages_of, problems_of, records_of
from live.test_live_instagram import check_live
from odd_json import odd_json
from pydantic import ValidationError
from stand_in import running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import MissingKeyError
from wunderkammer.sources.instagram import Instagram, InstagramParams
from wunderkammer.sources.listing import Page, Position, StalePositionError


@pytest.fixture(autouse=True, scope="module")
def token() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAGRAM_ACCESS_TOKEN", TOKEN)
        yield


@pytest.fixture
def instagram() -> Iterator[InstagramStandIn]:
    tags = {
        "corgi": [media(number) for number in range(1, 121)],
        "welshcorgi": [media(number) for number in range(101, 131)],
    }
    with running(InstagramStandIn(tags)) as stand_in:
        yield stand_in


def listed(
    instagram: InstagramStandIn,
    *,
    start: Position | None = None,
    num_pages: int | None = None,
    **section: object,
) -> list[Page]:
    params = InstagramParams.model_validate(
        {
            "kind": "instagram",
            "hashtags": ("corgi", "#WelshCorgi"),
            "user_id": USER,
            "accept_unlicensed": True,
            "base_url": f"{instagram.url}/v24.0",
            "requests_per_minute": 60_000.0,
            **section,
        }
    )
    return pages_of(
        lambda network: Instagram(params, network),
        local(instagram.port),
        start=start,
        num_pages=num_pages,
    )


def test_a_record_has_everything_that_the_site_tells(instagram):
    instagram.tags["corgi"] = [media(7, caption="Good \n boy! #Corgi,#corgi.gram #x #corgi")]
    [page] = listed(instagram, hashtags=("corgi",))
    assert asdict(page.records[0]) == {
        "id": "7",
        "url": f"{instagram.url}/media/7.jpg?oh=1&oe=2",
        "other_urls": (),
        "form": "image",
        "num_bytes": None,
        "md5": None,
        "sha1": None,
        "refused": None,
        "landing_page": "https://www.instagram.com/p/C7/",
        "author": None,
        "licence": None,
        "licence_url": None,
        "title": "Good boy! #Corgi,#corgi.gram #x #corgi",
        "tags": ("corgi", "corgi.gram", "x"),
        "label": None,
        "group": "7",
        "taken_at": "2026-11-20T10:11:12Z",
    }


def test_a_picture_is_remembered_however_its_address_is_signed(instagram):
    instagram.tags["corgi"] = [media(7), media(8)]
    [before] = listed(instagram, hashtags=("corgi",))
    for post in instagram.tags["corgi"]:
        post["media_url"] = f"MEDIA/{post['id']}.jpg?oh=3&oe=4"
    [after] = listed(instagram, hashtags=("corgi",))
    assert not {one.url for one in before.records} & {one.url for one in after.records}
    key = Instagram.outcome_key
    assert [key(one) for one in before.records] == [key(one) for one in after.records]
    assert len({key(one) for one in before.records}) == 2


@pytest.mark.parametrize("same_cursors", [False, True])
def test_hashtags_are_listed_one_after_the_other(instagram, same_cursors):
    instagram.same_cursors = same_cursors
    pages = listed(instagram)
    assert [len(page.records) for page in pages] == [50, 50, 20, 30]
    assert set(records_of(pages)) == {str(number) for number in range(1, 131)}
    assert [page.is_last for page in pages] == [False, False, False, True]
    check_live(pages[:2], hashtag="corgi")


def test_what_is_no_longer_shown_is_not_taken_for_deleted(instagram):
    pages = listed(instagram)
    assert problems_of(pages) == []
    assert [page.shows_part for page in pages] == [page.is_last for page in pages]
    assert pages[-1].position == {}


def test_the_popular_posts_are_asked_for_by_their_own_name(instagram):
    listed(instagram, edge="top_media")
    edges = {path.rpartition("/")[2] for path in instagram.paths()}
    assert edges == {"ig_hashtag_search", "top_media"}


def test_the_pictures_of_an_album_are_one_group(instagram):
    album = media(7, children=[child(71), child(72, "VIDEO"), child(73)])
    instagram.tags["corgi"] = [album]
    records = records_of(listed(instagram, hashtags=("corgi",)))
    assert {id_: record.group for id_, record in records.items()} == dict.fromkeys(
        ("71", "72", "73"), "7"
    )
    assert records["72"].refused == ("video", "only pictures are taken")
    assert records["73"].refused is None
    assert records["73"].landing_page == "https://www.instagram.com/p/C7/"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"media_type": "VIDEO"}, ("video", "only pictures are taken")),
        ({"media_url": None}, ("no_media", "Instagram gives no address for it")),
        ({"media_url": "file:///etc/passwd"}, ("no_media", "Instagram gives no address for it")),
    ],
)
def test_what_is_no_picture_is_refused(instagram, changes, refused):
    instagram.tags["corgi"] = [media(7, **changes)]
    assert records_of(listed(instagram, hashtags=("corgi",)))["7"].refused == refused


def test_every_picture_is_refused_until_its_use_is_answered_for(instagram):
    records = records_of(listed(instagram, accept_unlicensed=False)).values()
    assert {record.refused[0] for record in records} == {"licence"}
    section = {"kind": "instagram", "hashtags": ("corgi",), "user_id": USER}
    assert not InstagramParams.model_validate(section).accept_unlicensed


def test_a_listing_goes_on_from_every_page(instagram):
    whole = listed(instagram)
    for number, page in enumerate(whole[:-1], start=1):
        rest = listed(instagram, start=page.position)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert [one.records for one in rest] == [one.records for one in whole[number:]]


@pytest.mark.parametrize("hashtags", [("corgi",), ("corgi", "welshcorgi")])
def test_an_expired_cursor_makes_the_position_stale(instagram, hashtags):
    [first] = listed(instagram, num_pages=1, hashtags=hashtags)
    instagram.fault = lambda asked: "100" if "after" in asked.query else None
    with pytest.raises(StalePositionError):
        listed(instagram, start=first.position, hashtags=hashtags)


@pytest.mark.parametrize("fault", ["repeats", "empty"])
def test_pages_that_repeat_end_a_hashtag_with_a_problem(instagram, fault):
    instagram.fault = lambda asked: fault if "178000" in asked.path else None
    instagram.tags["corgi"] *= 50
    pages = listed(instagram)
    assert problems_of(pages) == ["#corgi: the pages repeat"]
    assert set(records_of(pages)) >= {str(number) for number in range(101, 131)}
    assert len(instagram.asked) < 8


def test_an_empty_page_does_not_end_a_hashtag(instagram):
    faults = iter([None, None, "empty"])
    instagram.fault = lambda _: next(faults, None)
    pages = listed(instagram, hashtags=("corgi",))
    assert [len(page.records) for page in pages] == [50, 0, 20]


def test_a_hashtag_without_end_is_left(instagram, monkeypatch):
    monkeypatch.setattr("wunderkammer.sources.instagram.MAX_PAGES", 2)
    assert problems_of(listed(instagram)) == ["#corgi: it goes on beyond 2 pages"]


@pytest.mark.parametrize(
    "fault", ["4", "17", "32", "1", "2", "transient", "no_json", "other_shape", "429_seconds"]
)
def test_what_may_pass_is_asked_again(instagram, fault):
    faults = iter([fault, None, fault])
    instagram.fault = lambda _: next(faults, None)
    pages = listed(instagram)
    assert len(records_of(pages)) == 130
    assert problems_of(pages) == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("18", "too_many_hashtags"),
        ("24", "no_such_hashtag"),
        ("17", "throttled"),
        ("77", "graph_error"),
        ("400", "http_400"),
    ],
)
def test_a_hashtag_that_can_not_be_had_leaves_the_others(instagram, fault, reason):
    instagram.fault = lambda asked: fault if asked.query.get("q") == "corgi" else None
    pages = listed(instagram)
    assert len(records_of(pages)) == 30
    assert problems_of(pages) == [f"#corgi could not be had ({reason})"]
    num_asked = len(instagram.asked)
    assert num_asked == (4 if fault == "17" else 3), "what will not pass is not asked again"


def test_no_hashtag_to_be_had_is_an_error(instagram):
    with pytest.raises(FetchError, match="no_such_hashtag"):
        listed(instagram, hashtags=("kitten", "puppy"))


@pytest.mark.parametrize(
    ("fault", "reason", "told"),
    [
        ("190", "invalid_key", "INSTAGRAM_ACCESS_TOKEN, which may have expired"),
        ("401", "invalid_key", "INSTAGRAM_ACCESS_TOKEN, which may have expired"),
        ("10", "not_allowed", "Instagram Public Content Access"),
        ("200", "not_allowed", f"scrape.user_id={USER}"),
    ],
)
@pytest.mark.parametrize("number", [0, 2])
def test_a_refused_token_ends_the_listing_at_once(instagram, fault, reason, told, number):
    faults = iter([None] * number)
    instagram.fault = lambda _: next(faults, fault)
    with pytest.raises(FetchError) as error:
        listed(instagram)
    assert (error.value.reason, error.value.may_pass) == (reason, False)
    assert told in error.value.detail
    assert len(instagram.asked) == number + 1


def test_more_hashtags_than_a_week_allows_are_refused():
    tags = tuple(f"dog{number}" for number in range(31))
    section = {"kind": "instagram", "user_id": USER}
    with pytest.raises(ValidationError, match="31 hashtags; Instagram allows 30 in 7 days"):
        InstagramParams.model_validate({**section, "hashtags": tags})
    assert len(InstagramParams.model_validate({**section, "hashtags": tags[1:]}).hashtags) == 30


@pytest.mark.parametrize("hashtags", [(), ("two words",), ("",), ("a/b",)])
def test_a_hashtag_is_one_word(hashtags):
    with pytest.raises(ValidationError):
        InstagramParams(kind="instagram", user_id=USER, hashtags=hashtags)


def test_a_hashtag_that_is_named_twice_is_asked_for_once(instagram):
    listed(instagram, hashtags=("corgi", "#Corgi"))
    assert instagram.paths().count("/v24.0/ig_hashtag_search") == 1


def test_a_missing_token_is_refused_before_anything_is_asked(instagram, monkeypatch):
    monkeypatch.delenv("INSTAGRAM_ACCESS_TOKEN")
    with pytest.raises(MissingKeyError, match=r"INSTAGRAM_ACCESS_TOKEN.*developers\.facebook\.com"):
        listed(instagram)
    assert instagram.asked == []


def test_the_token_is_shown_nowhere(instagram, caplog):
    caplog.set_level(logging.DEBUG)
    shown = [repr(listed(instagram))]
    assert all(TOKEN not in asked.query.values() for asked in instagram.asked)
    for fault in ("190", "10", "401", "500", "77", "17"):
        instagram.fault = lambda _, fault=fault: fault
        with pytest.raises(FetchError) as error:
            listed(instagram)
        shown.append(repr(error.value) + repr(error.value.__cause__))
    assert all(TOKEN not in text for text in (*shown, caplog.text))


class OddInstagram(InstagramStandIn):
    """Shows what there is as it is."""

    def _media(self, id_, posts, query):
        plain = [*posts[:-1], {**posts[-1], "media_url": "https://scontent.example/77.jpg"}]
        return sent({"data": plain, "paging": None})


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.sampled_from((*media(1), "children")), odd_json) | odd_json))
def test_whatever_a_post_says_the_others_are_listed(odd):
    with running(OddInstagram({"corgi": [*odd, media(77)]})) as instagram:
        records = records_of(listed(instagram, hashtags=("corgi",)))
        assert records["77"].refused is None
