import html
from datetime import UTC, datetime
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BeforeValidator

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.sources.replies import (
    MAX_TEXT_CHARS,
    Gaps,
    Reply,
    Text,
    Texts,
    Url,
    as_int,
    as_text,
    as_time,
    as_url,
    named_by,
    parse,
    text_of_html,
)


class Photo(Reply):
    id: int
    title: Text = None
    tags: Texts = ()
    url: Url = None


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Ada &amp; Bob", "Ada & Bob"),
        ('<a href="x">Ada</a><br/>Lovelace', "Ada Lovelace"),
        ("<b>Quilt</b>s", "Quilts"),
        ("<p>one</p><p>two</p>", "one two"),
        ('Unknown<span style="display: none;">Unknown</span>', "Unknown"),
        ('<div style="DISPLAY:none">a<b>b</b></div>c', "c"),
        ("<script>alert(1)</script><style>b{}</style>Ada", "Ada"),
        ("2 < 3", "2 < 3"),
        ("<img src=x>", None),
        ("", None),
        (None, None),
        (7, "7"),
        ({"a": 1}, None),
    ],
)
def test_html_becomes_the_text_that_a_reader_sees(markup, text):
    assert text_of_html(markup) == text


@given(st.text())
def test_plain_text_survives_as_html(text):
    assert text_of_html(html.escape(text)) == as_text(html.unescape(html.escape(text)))


@given(st.text(alphabet="<>/ab='\" &;!-"))
def test_no_markup_breaks_the_reader(markup):
    text = text_of_html(markup)
    assert text is None or len(text) <= MAX_TEXT_CHARS


def test_a_long_text_is_cut():
    assert as_text("ab " * 1000) == ("ab " * 1000)[:MAX_TEXT_CHARS].strip()
    assert len(text_of_html("<i>" * 10**6 + "a") or "") <= MAX_TEXT_CHARS


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://a.org/b?c=d", "https://a.org/b?c=d"),
        ("//a.org/b", "https://a.org/b"),
        (" http://a.org ", "http://a.org"),
        ("ftp://a.org", None),
        ("javascript:alert(1)", None),
        ("https://a.org/\n", "https://a.org/"),
        ("https://a.org/\0", None),
        ("https://a.org/" + "a" * 2000, None),
        (5, None),
    ],
)
def test_only_addresses_of_the_web_are_urls(value, url):
    assert as_url(value) == url


def test_what_is_odd_in_a_reply_is_left_out():
    photo = parse(
        Photo, {"id": 1, "title": ["x"], "tags": ["a", 5, None, "a"], "url": 3, "more": 1}
    )
    assert photo == Photo(id=1, tags=("a", "5"))


class Photos(Reply):
    photos: Annotated[tuple[Photo, ...], BeforeValidator(named_by("id"))]


def test_items_without_an_id_are_left_out_and_told_of(caplog):
    items = [{"id": 1}, {"id": None}, {}, "x", None, {"id": ""}, {"id": 2, "tags": "no list"}]
    assert [photo.id for photo in parse(Photos, {"photos": items}).photos] == [1, 2]
    assert "5 of 7 items have no 'id'" in caplog.text


@pytest.mark.parametrize("photos", [None, "x", {"id": 1}])
def test_items_that_are_no_list_are_another_shape(photos):
    with pytest.raises(FetchError, match="bad_reply"):
        parse(Photos, {"photos": photos})


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("yesterday", None),
        (20260102, None),
    ],
)
def test_a_time_without_a_zone_is_of_utc(value, time):
    assert as_time(value) == time


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (7, 7), (-1, None), (True, None), ("7", None)]
)
def test_a_count_is_a_whole_number(value, count):
    assert as_int(value) == count


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\ud800b", "a?b"),
        ("a\0b\x1b[31m", "a b [31m"),
        ("  a\n b ", "a b"),
        (True, None),
        (" ", None),
    ],
)
def test_a_text_can_be_stored_and_shown_anywhere(value, text):
    assert as_text(value) == text


def test_a_reply_of_another_shape_is_told_by_its_place_and_not_by_its_content():
    with pytest.raises(FetchError) as raised:
        parse(Photo, {"id": "secret"})
    error = raised.value
    assert (error.reason, error.may_pass) == ("bad_reply", True)
    assert error.detail.startswith("id: ")
    assert "secret" not in error.detail


def test_one_page_may_be_missing_but_not_two_in_a_row():
    gaps = Gaps()
    error = FetchError("http_500", status=500)
    gaps.leave("page 1", error)
    assert gaps.close() == "page 1 could not be had (http_500)"
    assert gaps.close() is None
    gaps.leave("page 3", error)
    with pytest.raises(FetchError):
        gaps.leave("page 4", error)


@pytest.mark.parametrize(
    "error",
    [
        BudgetSpentError("budget_spent"),
        FetchError("http_403", status=403),
        FetchError("http_429", status=429, may_pass=True),
        FetchError("throttled", status=403, may_pass=True),
    ],
)
def test_who_is_refused_does_not_go_on(error):
    with pytest.raises(FetchError):
        Gaps().leave("page 1", error)
