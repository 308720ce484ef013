from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wunderkammer.conduct import replies
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.files import Digests, FileBody
from wunderkammer.conduct.parts import Parts
from wunderkammer.conduct.replies import (
    Head,
    backoff_s,
    content_range,
    failure,
    is_redirect,
    may_be_sent_back,
    read_head,
    retry_after_s,
    strong_validator,
    wait_s,
)
from wunderkammer.conduct.requests import Download

FAR_WEST = "Mon, 20 Nov 1995 19:12:08 +9999999999999"


def test_retry_after_is_read_in_both_forms_and_capped(monkeypatch):
    monkeypatch.setattr(replies, "MAX_RETRY_AFTER_S", 120.0)
    at = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after_s("7", at=at) == 7
    assert retry_after_s("Thu, 01 Jan 2026 12:00:09 GMT", at=at) == 9
    assert retry_after_s("Thu, 01 Jan 2026 12:00:09 -0000", at=at) == 9
    assert retry_after_s("Thu, 01 Jan 2026 11:00:00 GMT", at=at) == 0
    assert retry_after_s("999999", at=at) == 120
    assert retry_after_s("9" * 400, at=at) == 120
    assert retry_after_s("Fri, 01 Jan 2100 12:00:09 GMT", at=at) == 120
    assert retry_after_s("soon", at=at) is None
    assert retry_after_s("-5", at=at) is None
    assert retry_after_s(FAR_WEST, at=at) is None
    assert retry_after_s(None, at=at) is None


def test_backoff_doubles_with_jitter_up_to_a_cap(monkeypatch):
    monkeypatch.setattr(replies, "FIRST_BACKOFF_S", 0.5)
    for failures, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (30, 30.0), (3000, 30.0)):
        waits = [backoff_s(failures) for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1


def test_nobody_comes_before_the_time_asked_for_and_not_all_at_once():
    waits = [wait_s(7.0, num_failures=1) for _ in range(50)]
    assert all(7 < wait < 8 for wait in waits)
    assert len(set(waits)) > 1
    assert 0 < wait_s(None, num_failures=1) < 1


def test_a_head_is_that_of_the_last_answer_with_repeated_headers_joined():
    lines = [
        b"HTTP/1.1 103 Early Hints\r\n",
        b"Link: </style.css>\r\n",
        b"\r\n",
        b"HTTP/1.1 200 OK: fine\r\n",
        b"X-Robots-Tag: noindex\r\n",
        b"x-robots-tag:noai\r\n",
        b"Location: http://a:1/b\r\n",
        b"X-Name: caf\xe9\r\n",
        b"\r\n",
    ]
    head = read_head(lines)
    assert head.status == 200
    assert head.headers == {
        "x-robots-tag": "noindex, noai",
        "location": "http://a:1/b",
        "x-name": "café",
    }


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"\r\n"],
        [b"HTTP/1.1\r\n", b"\r\n"],
        [b"HTTP/1.1 abc\r\n", b"\r\n"],
        [b"HTTP/1.1 " + b"2" * 5000 + b"\r\n", b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"ETag: a\r\n"],
        [b"HTTP/1.1 103 Early Hints\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n"],
    ],
)
def test_what_is_no_head_or_has_no_end_has_no_status(lines):
    assert read_head(lines).status == 0


def test_bare_line_feeds_end_lines_too():
    assert read_head([b"HTTP/1.1 200 OK\n", b"ETag: a\n", b"\n"]) == Head(200, {"etag": "a"})


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "may_pass"),
    [
        (400, {}, b"", "http_400", False),
        (401, {}, b"", "http_401", False),
        (404, {"retry-after": "9"}, b"", "http_404", False),
        (408, {}, b"", "http_408", True),
        (410, {}, b"", "http_410", False),
        (403, {"content-type": "application/json"}, b"{}", "http_403", False),
        (403, {"content-type": "text/html; charset=utf-8"}, b"", "throttled", True),
        (403, {}, b" <!doctype html><title>Wait</title>", "throttled", True),
        (429, {}, b"", "http_429", True),
        (500, {}, b"", "http_500", True),
        (503, {}, b"", "http_503", True),
        (520, {}, b"", "http_520", True),
    ],
)
def test_a_status_tells_whether_to_ask_again(status, headers, body, reason, may_pass):
    error = failure(Head(status, headers), body, where="https://museum.example/a")
    assert (error.reason, error.may_pass, error.status) == (reason, may_pass, status)
    assert "https://museum.example/a" in error.detail


def test_a_strong_validator_is_a_strong_tag_or_a_date_that_has_passed():
    old = "Thu, 01 Jan 2026 11:00:00 GMT"
    now = "Thu, 01 Jan 2026 11:00:30 GMT"
    later = "Thu, 01 Jan 2026 11:02:00 GMT"
    for headers, expected in (
        ({"etag": '"a"', "last-modified": old, "date": later}, '"a"'),
        ({"etag": 'W/"a"', "last-modified": old, "date": later}, old),
        ({"etag": 'W/"a"', "last-modified": old, "date": now}, None),
        ({"last-modified": old}, None),
        ({"last-modified": "once", "date": later}, None),
        ({"etag": '"caf\xe9"'}, None),
        ({"last-modified": old.replace(" 11", "\t11"), "date": later}, None),
        ({"last-modified": FAR_WEST, "date": later}, None),
        ({"last-modified": old, "date": FAR_WEST}, None),
        ({}, None),
    ):
        assert strong_validator(Head(200, headers)) == expected


def test_a_length_is_read_if_it_is_a_number():
    for text, expected in (
        ("7", 7),
        ("-7", None),
        ("7, 7", None),
        ("", None),
        ("9" * 5000, 10**18),
    ):
        assert Head(200, {"content-length": text}).content_length == expected


def test_a_content_range_is_read_as_far_as_it_tells():
    for text, expected in (
        ("bytes 5-9/10", (5, 9, 10)),
        ("bytes 5-9/*", (5, 9, None)),
        ("bytes */10", (None, None, 10)),
        ("chapters 1-2/3", (None, None, None)),
        (f"bytes 5-9/{'1' * 5000}", (5, 9, 10**18)),
        ("", (None, None, None)),
    ):
        assert content_range(Head(206, {"content-range": text})) == expected


DAYS = st.sampled_from(["Mon, 20 Nov 1995", "Thu, 01\tJan 2026", "20 Nov ,", "Fri, 31 Feb 99999"])
ZONES = st.one_of(st.just("GMT"), st.integers().map("{:+d}".format))
DATES = st.tuples(DAYS, st.sampled_from(["19:12:08", "99:99", ""]), ZONES).map(" ".join)
DIGITS = st.integers(min_value=0, max_value=9000).map(lambda number: "8" * number)
RANGES = st.tuples(DIGITS, DIGITS, DIGITS | st.just("*")).map(
    lambda n: f"bytes {n[0]}-{n[1]}/{n[2]}"
)
VALUES = st.one_of(
    DATES.map(str.encode),
    DIGITS.map(str.encode),
    RANGES.map(str.encode),
    st.binary(max_size=40).map(lambda value: value.replace(b"\n", b"")),
    st.sampled_from([b'"one"', b"http://[::1]@/", b"gzip", b"text/html", b"noai"]),
)
NAMES = [
    *("Content-Length", "Content-Range", "Content-Type", "Content-Encoding", "Date", "ETag"),
    *("Last-Modified", "Location", "Retry-After", "X-Robots-Tag"),
]


@given(
    status=st.sampled_from([b"200", b"206", b"302", b"403", b"416", b"503", b"9" * 5000]),
    values=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    has_part=st.booleans(),
)
@example(status=b"206", values={"Content-Range": b"bytes " + b"1" * 5000 + b"-2/3"}, has_part=True)
@example(status=b"200", values={"Content-Length": b"1" * 5000}, has_part=False)
@example(status=b"503", values={"Retry-After": FAR_WEST.encode()}, has_part=False)
@settings(max_examples=200)
def test_whatever_headers_hold_nothing_but_a_fetch_error_comes_of_them(
    tmp_path_factory, status, values, has_part
):
    lines = [b"HTTP/1.1 " + status, *(b"%s: %s" % (key.encode(), values[key]) for key in values)]
    head = read_head([line + b"\r\n" for line in [*lines, b""]])
    failure(head, b"", where="https://museum.example/a")
    is_redirect(head)
    validator = strong_validator(head)
    assert validator is None or may_be_sent_back(validator)
    job = Download(url="https://museum.example/a", max_bytes=1_000_000)
    parts = Parts(tmp_path_factory.mktemp("parts"))
    if has_part:
        parts.create(job.url, validator='"one"').close()
    digests, part = Digests(job), parts.find(job.url)
    body = FileBody(job, url=job.url, parts=parts, part=part, digests=digests)
    with suppress(FetchError):
        if part is not None and head.status == 416:
            body.adopt_part(head)
        body.begin(head)
        body.write(b"content")
        body.end()
    body.rescue()
