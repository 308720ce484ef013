import logging
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listings import local, pages_of, problems_of, records_of
from live.test_live_reddit import check_live
from odd_json import odd_json
from pydantic import ValidationError
from reddit_stand_in import (
    CLIENT_ID,
    NOW,
    SECRET,
    RedditStandIn,
    gallery,
    post,
    preview,
    sent,
    valid,
)
from stand_in import running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import MissingKeyError
from wunderkammer.sources.listing import Page, Position
from wunderkammer.sources.reddit import OVERLAP_S, Reddit, RedditParams

ANIMATED = ("animated", "only still pictures are taken")


@pytest.fixture(autouse=True, scope="module")
def app() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDDIT_CLIENT_ID", CLIENT_ID)
        patch.setenv("REDDIT_CLIENT_SECRET", SECRET)
        yield


@pytest.fixture
def reddit() -> Iterator[RedditStandIn]:
    with running(RedditStandIn([post(number) for number in range(250)])) as stand_in:
        yield stand_in


def listed(
    reddit: RedditStandIn,
    *,
    start: Position | None = None,
    num_pages: int | None = None,
    **section: object,
) -> list[Page]:
    params = RedditParams.model_validate(
        {
            "kind": "reddit",
            "subreddit": "spiders",
            "accept_unlicensed": True,
            "base_url": reddit.url,
            "oauth_url": reddit.url,
            "image_url": f"{reddit.url}/i",
            "requests_per_minute": 60_000.0,
            **section,
        }
    )
    return pages_of(
        lambda network: Reddit(params, network),
        local(reddit.port),
        start=start,
        num_pages=num_pages,
    )


def only(reddit: RedditStandIn, one: dict, **section: object):
    """The only record of a post."""
    reddit.posts = [one]
    [record] = records_of(listed(reddit, **section)).values()
    return record


def test_a_record_has_everything_that_the_site_tells(reddit):
    record = only(reddit, post(7, link_flair_text="Identified"))
    assert asdict(record) == {
        "id": "a00007",
        "url": f"{reddit.url}/i/a00007.jpg",
        "other_urls": (f"{reddit.url}/preview/a00007.jpg?auto=webp&s=abc",),
        "form": "image",
        "num_bytes": None,
        "md5": None,
        "sha1": None,
        "refused": None,
        "landing_page": f"{reddit.url}/r/spiders/comments/a00007/a_spider/",
        "author": "keeper0",
        "licence": None,
        "licence_url": None,
        "title": "A spider & its web 7",
        "tags": ("Identified",),
        "label": None,
        "group": "a00007",
        "taken_at": None,
    }


def test_a_subreddit_is_listed_whole_and_newest_first(reddit):
    pages = listed(reddit)
    assert [len(page.records) for page in pages] == [100, 100, 50]
    ids = [record.id for page in pages for record in page.records]
    assert ids == [f"a{number:05}" for number in range(249, -1, -1)]
    assert [page.is_last for page in pages] == [False, False, True]
    assert reddit.paths() == ["/api/v1/access_token", *["/r/spiders/new"] * 3]
    check_live(pages, subreddit="spiders")


def test_the_pictures_of_a_gallery_come_in_its_order_as_one_group(reddit):
    reddit.posts = [gallery(7, "zz1", "aa2", "mm3", "aa2")]
    [page] = listed(reddit)
    records = page.records
    assert [record.id for record in records] == ["a00007/zz1", "a00007/aa2", "a00007/mm3"]
    assert {record.group for record in records} == {"a00007"}
    assert records[0].url == f"{reddit.url}/i/zz1.png"
    assert records[0].other_urls == (
        f"{reddit.url}/preview/zz1.png?width=4032&format=png&auto=webp&s=def",
    )


@pytest.mark.parametrize(
    ("media", "refused"),
    [
        ({**valid("m1"), "e": "AnimatedImage"}, ANIMATED),
        ({"status": "unprocessed"}, ("no_media", "Reddit calls it unprocessed")),
        ({"status": "valid", "e": "Image"}, ("no_media", "Reddit calls it valid")),
        (None, ("no_media", "Reddit calls it nothing")),
    ],
)
def test_a_part_of_a_gallery_that_is_no_still_picture_is_refused(reddit, media, refused):
    reddit.posts = [gallery(7, "m1", "m2", media_metadata={"m1": media, "m2": valid("m2")})]
    records = records_of(listed(reddit))
    assert records["a00007/m1"].refused == refused
    assert records["a00007/m2"].refused is None


def test_a_link_to_a_picture_elsewhere_gives_its_preview(reddit):
    linked = {"url": "https://i.imgur.com/x.jpg", "preview": preview("x.jpg")}
    record = only(reddit, post(7, **linked))
    assert record.url == f"{reddit.url}/preview/x.jpg?auto=webp&s=abc"
    enabled = post(7, **linked, post_hint="link")
    assert only(reddit, enabled).url == record.url


@pytest.mark.parametrize(
    "changes",
    [
        {"post_hint": "self", "url": "https://www.reddit.com/r/spiders/", "preview": None},
        {
            "post_hint": "link",
            "url": "https://news.example/",
            "preview": preview("n.jpg", enabled=False),
        },
        {"post_hint": "link", "url": "https://news.example/x.jpg", "preview": None},
        {"post_hint": None, "url": "http://[", "preview": "?"},
    ],
)
def test_a_post_without_a_picture_gives_no_record(reddit, changes):
    reddit.posts = [post(7, **changes), post(8)]
    assert set(records_of(listed(reddit))) == {"a00008"}


def test_a_crosspost_shows_what_somebody_else_posted(reddit):
    parent = gallery(3, "m1", "m2", author="maker", permalink="/r/bugs/comments/a00003/x/")
    crosspost = post(7, crosspost_parent_list=[parent], post_hint=None, preview=None, url="/r/bugs")
    reddit.posts = [crosspost]
    records = records_of(listed(reddit))
    assert set(records) == {"a00007/m1", "a00007/m2"}
    record = records["a00007/m1"]
    assert record.author == "maker"
    assert record.landing_page == f"{reddit.url}/r/bugs/comments/a00003/x/"
    assert record.group == "a00003"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"is_video": True, "post_hint": "hosted:video"}, ("video", "only pictures are taken")),
        ({"post_hint": "rich:video"}, ("video", "only pictures are taken")),
        ({"url": "https://i.redd.it/a.gif"}, ANIMATED),
        ({"url": "https://i.imgur.com/a.gifv?x"}, ANIMATED),
        ({"over_18": True}, ("nsfw", "marked as not safe for work; scrape.nsfw is false")),
        ({"score": 4}, ("score", "4; allowed: 5 or more")),
        ({"score": None}, ("score", "0; allowed: 5 or more")),
        ({"link_flair_text": "Meme"}, ("flair", "Meme; allowed: Spider, Web")),
        ({"link_flair_text": None}, ("flair", "none; allowed: Spider, Web")),
    ],
)
def test_the_rules_of_the_section_refuse_posts(reddit, changes, refused):
    rules = {"min_score": 5, "flairs": ("Spider", "Web")}
    reddit.posts = [
        post(7, **{"link_flair_text": "Web", **changes}),
        post(8, link_flair_text="Web"),
    ]
    records = records_of(listed(reddit, **rules))
    assert records["a00007"].refused == refused
    assert records["a00008"].refused is None


def test_what_is_not_safe_for_work_is_taken_if_asked_for(reddit):
    assert only(reddit, post(7, over_18=True), nsfw=True).refused is None


@pytest.mark.parametrize(
    "changes",
    [
        {"removed_by_category": "moderator"},
        {"author": "[deleted]"},
        {"removed_by_category": "deleted", "preview": None, "url": "x", "author": "[deleted]"},
    ],
)
def test_what_was_removed_is_refused(reddit, changes):
    record = only(reddit, post(7, **changes))
    assert record.refused == ("removed", "the post was removed, or whoever made it has left")
    assert record.id == "a00007"


def test_every_picture_is_refused_until_its_use_is_answered_for(reddit):
    reddit.posts = [post(7), gallery(8, "m1")]
    records = records_of(listed(reddit, accept_unlicensed=False))
    assert {record.refused for record in records.values()} == {
        (
            "licence",
            "Reddit names no licence; if you may use its pictures, set scrape.accept_unlicensed",
        )
    }
    assert len(records) == 2


def test_nothing_is_taken_by_default():
    assert not RedditParams(kind="reddit", subreddit="corgi").accept_unlicensed
    assert not RedditParams(kind="reddit", subreddit="corgi").nsfw


def test_a_listing_goes_on_from_every_page(reddit):
    whole = listed(reddit)
    for number, page in enumerate(whole[:-1], start=1):
        rest = listed(reddit, start=page.position)
        assert records_of(whole[:number]) | records_of(rest) == records_of(whole)
        assert rest[-1].position == whole[-1].position


def test_a_later_listing_asks_for_what_is_new(reddit):
    reddit.posts = [post(100 * number) for number in range(250)]
    first = listed(reddit)
    newest = NOW + 60 * 24_900
    assert first[-1].position == {"since": newest - OVERLAP_S}
    reddit.asked.clear()
    again = listed(reddit, start=first[-1].position)
    assert len(reddit.paths()) == 2, "a token and one page"
    assert again[-1].position == first[-1].position
    reddit.posts += [post(24_901)]
    later = listed(reddit, start=again[-1].position)
    assert "a24901" in records_of(later)
    assert later[-1].position == {"since": newest + 60 - OVERLAP_S}
    assert problems_of(first + again + later) == []


def test_a_score_is_looked_at_again_while_it_may_grow(reddit):
    reddit.posts = [post(1, score=1)]
    first = listed(reddit, min_score=5)
    assert records_of(first)["a00001"].refused[0] == "score"
    reddit.posts = [post(1, score=9)]
    assert (
        records_of(listed(reddit, min_score=5, start=first[-1].position))["a00001"].refused is None
    )


def test_a_subreddit_that_is_too_long_is_told_of(reddit):
    reddit.posts = [post(number) for number in range(1100)]
    pages = listed(reddit)
    assert len(records_of(pages)) == 1000
    assert problems_of(pages) == []
    assert (pages[-1].is_last, pages[-1].shows_part) == (True, True)
    [first] = listed(reddit, num_pages=1)
    assert listed(reddit, start=first.position)[-1].shows_part
    assert not listed(reddit, start=pages[-1].position, min_score=1)[-1].shows_part


def test_a_cursor_that_leads_nowhere_starts_again(reddit):
    whole = listed(reddit)
    reddit.posts = [one for one in reddit.posts if one["name"] != whole[0].position["after"]]
    rest = listed(reddit, start=whole[0].position)
    assert len(records_of(rest)) == 249
    assert rest[-1].is_last


def test_a_cursor_that_repeats_ends_the_listing_with_a_problem(reddit):
    reddit.posts = [post(number) for number in range(1000)]
    reddit.fault = lambda asked: "cursor_repeats" if asked.path == "/r/spiders/new" else None
    pages = listed(reddit)
    assert problems_of(pages) == ["the cursor repeats"]
    assert len(pages) == 2
    assert pages[-1].is_last


def test_a_token_that_expires_is_renewed(reddit):
    reddit.token_holds = 1
    pages = listed(reddit)
    assert len(records_of(pages)) == 250
    assert problems_of(pages) == []
    assert reddit.paths().count("/api/v1/access_token") == 3


def test_a_token_that_is_never_accepted_ends_the_listing(reddit):
    reddit.token_holds = 0
    with pytest.raises(FetchError) as error:
        listed(reddit)
    assert error.value.status == 401
    assert reddit.paths().count("/api/v1/access_token") == 2


@pytest.mark.parametrize("fault", ["401", "error_in_200"])
def test_an_app_that_is_refused_is_named_by_its_variables(reddit, fault):
    reddit.fault = lambda asked: fault if asked.path == "/api/v1/access_token" else None
    with pytest.raises(FetchError, match=r"REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET.*prefs/apps"):
        listed(reddit)
    assert len(reddit.asked) == 1


@pytest.mark.parametrize("fault", ["no_json", "other_shape", "429_seconds", "503_seconds"])
def test_what_may_pass_is_asked_again(reddit, fault):
    faults = iter([None, fault, None, fault])
    reddit.fault = lambda _: next(faults, None)
    pages = listed(reddit)
    assert len(records_of(pages)) == 250
    assert problems_of(pages) == []


def test_what_does_not_pass_ends_the_listing_where_it_was(reddit):
    reddit.fault = lambda asked: "503_seconds" if "after" in asked.query else None
    [first] = listed(reddit, num_pages=1)
    with pytest.raises(FetchError, match="503"):
        listed(reddit)
    reddit.fault = lambda _: None
    assert len(records_of([first, *listed(reddit, start=first.position)])) == 250


@pytest.mark.parametrize(("subreddit", "fault"), [("quilts", None), ("spiders", "private")])
def test_a_subreddit_that_is_not_to_be_had_is_named(reddit, subreddit, fault):
    reddit.fault = lambda asked: fault if "access_token" not in asked.path else None
    with pytest.raises(FetchError, match=f"r/{subreddit} is private, banned or unknown"):
        listed(reddit, subreddit=subreddit)


@pytest.mark.parametrize("variable", ["REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET"])
def test_a_missing_key_is_refused_before_anything_is_asked(reddit, monkeypatch, variable):
    monkeypatch.delenv(variable)
    with pytest.raises(MissingKeyError, match=rf"{variable}.*reddit\.com/prefs/apps"):
        listed(reddit)
    assert reddit.asked == []


def test_no_key_is_shown_anywhere(reddit, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    shown = [repr(listed(reddit))]
    for fault in ("401", "500", "private"):
        reddit.fault = lambda _, fault=fault: fault
        with pytest.raises(FetchError) as error:
            listed(reddit)
        shown.append(repr(error.value) + repr(error.value.__cause__))
    for secret in (CLIENT_ID, SECRET, *reddit.tokens, "Basic"):
        assert all(secret not in text for text in (*shown, caplog.text))


def test_a_subreddit_is_named_as_in_its_address():
    for name in ("r/corgi", "https://www.reddit.com/r/corgi", "../x", ""):
        with pytest.raises(ValidationError, match="pattern"):
            RedditParams(kind="reddit", subreddit=name)


def test_a_time_to_come_does_not_hide_what_is_posted_until_then(reddit):
    reddit.posts += [post(300, created_utc=9e9)]
    assert listed(reddit)[-1].position == {"since": NOW + 60 * 249 - OVERLAP_S}


FIELDS = (*post(1), "gallery_data", "media_metadata", "crosspost_parent_list")


class OddReddit(RedditStandIn):
    """Shows `posts` as they are, among children that are none."""

    def _listing(self, query):
        children = [None, 5, {"data": []}, *({"kind": "t3", "data": one} for one in self.posts)]
        return sent({"data": {"after": None, "children": children}})


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), odd_json), max_size=3))
def test_whatever_a_post_says_the_others_are_listed(odd):
    image = {"url": "https://i.redd.it/x.jpg", "preview": None}
    with running(OddReddit([])) as reddit:
        reddit.posts = [*odd, post(77, **image)]
        records = records_of(listed(reddit, image_url="https://i.redd.it"))
        assert records["a00077"].refused is None
