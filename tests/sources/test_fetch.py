import gzip
import zlib
from datetime import UTC, datetime

import pytest
from site_stand_in import running_site

from wunderkammer.sources.downloads import download
from wunderkammer.sources.fetch import (
    MAX_BACKOFF_S,
    MAX_RETRY_AFTER_S,
    FetchError,
    backoff_s,
    parse_url,
    retry_after_s,
    shown,
)
from wunderkammer.sources.params import UrlsParams


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr("wunderkammer.sources.fetch.FIRST_BACKOFF_S", 0.02)
    with running_site() as site:
        yield site


def fetch(site, *paths: str, **settings: object) -> list[bytes | FetchError]:
    params = UrlsParams.model_validate(
        {
            "kind": "urls",
            "path": "list.csv",
            "contact": "curator@museum.example",
            "timeout_s": 0.4,
            "max_download_s": 0.8,
            "num_tries": 3,
            "max_file_mb": 1.0,
            "allow_loopback_ports": (site.port,),
            **settings,
        }
    )
    urls = [path if "://" in path else site.url(path) for path in paths]
    found = dict(pair for batch in download(urls, params=params) for pair in batch)
    return [found[url] for url in urls]


def reason(site, path: str, **settings: object) -> str:
    (error,) = fetch(site, path, **settings)
    assert isinstance(error, FetchError)
    assert "secret" not in f"{error} {error.detail}"
    return error.reason


def test_a_picture_is_fetched_and_the_site_learns_who_asks(site):
    assert fetch(site, "/ok") == [b"a picture"]
    assert site.headers["User-Agent"].startswith("Wunderkammer/")
    assert site.headers["User-Agent"].endswith(" (+curator@museum.example)")
    assert site.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in site.headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 304])
def test_what_another_try_would_not_change_is_asked_once(site, status):
    assert reason(site, f"/status/{status}") == f"http_{status}"
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(site, status):
    assert fetch(site, f"/at-second/{status}") == [b"a picture"]
    assert len(site.requests) == 2


def test_tries_come_to_an_end(site):
    assert reason(site, "/status/500") == "http_500"
    assert len(site.requests) == 3


def test_retry_after_is_waited_for_by_all_downloads_from_that_host(site):
    results = fetch(site, "/at-second/429/1", *(f"/ok/{n}" for n in range(4)), max_connections=1)
    assert results == [b"a picture"] * 5
    assert site.requests[0] == "/at-second/429/1"
    assert site.times[1] - site.times[0] >= 1.0
    assert site.times[-1] - site.times[1] < 1.0


def test_retry_after_is_read_in_both_forms_and_capped():
    at = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after_s("7", at=at) == 7
    assert retry_after_s("Thu, 01 Jan 2026 12:00:09 GMT", at=at) == 9
    assert retry_after_s("Thu, 01 Jan 2026 12:00:09 -0000", at=at) == 9
    assert retry_after_s("Thu, 01 Jan 2026 11:00:00 GMT", at=at) == 0
    assert retry_after_s("999999", at=at) == MAX_RETRY_AFTER_S
    assert retry_after_s("Fri, 01 Jan 2100 12:00:09 GMT", at=at) == MAX_RETRY_AFTER_S
    assert retry_after_s("soon", at=at) is None
    assert retry_after_s("-5", at=at) is None
    assert retry_after_s(None, at=at) is None


def test_backoff_doubles_with_jitter_up_to_a_cap():
    for failures, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (30, MAX_BACKOFF_S)):
        waits = [backoff_s(failures) for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1


@pytest.mark.parametrize(
    ("path", "expected", "num_requests"),
    [
        ("/drip", "timed_out", 1),
        ("/silent", "timed_out", 1),
        ("/truncated", "truncated", 2),
        # aiohttp itself asks once more when a connection ends before an answer.
        ("/hang-up", "connection_failed", 4),
        ("/large", "too_large", 1),
        ("/large-unannounced", "too_large", 1),
        ("/page", "not_an_image", 1),
        ("/disguised-page", "not_an_image", 1),
        ("/opted-out", "opted_out", 1),
        ("/to/metadata", "private_address", 1),
        ("/to/numeric", "bad_url", 1),
        ("/to/file", "bad_url", 1),
        ("/to/user-info", "user_info_in_url", 1),
        ("/to/other-port", "private_address", 1),
        ("/to/loop", "too_many_redirects", 6),
        ("/to/6/ok", "too_many_redirects", 6),
    ],
)
def test_each_misbehaviour_has_its_reason(site, path, expected, num_requests):
    num_tries = 1 if expected == "timed_out" else 2
    assert reason(site, path, num_tries=num_tries) == expected
    assert len(site.requests) == num_requests


def test_five_redirects_are_followed(site):
    assert fetch(site, "/to/5/ok") == [b"a picture"]


def test_nobody_listening_is_a_failed_connection(site):
    with running_site() as gone:
        port = gone.port
    ports = (site.port, port)
    found = reason(site, f"http://127.0.0.1:{port}/a", allow_loopback_ports=ports)
    assert found == "connection_failed"


def test_a_name_that_leads_into_the_private_network_is_refused(site):
    assert reason(site, f"http://localhost:{site.port}/a", allow_loopback_ports=()) == (
        "private_address"
    )
    assert fetch(site, f"http://localhost:{site.port}/ok") == [b"a picture"]
    assert site.requests == ["/ok"]


def test_a_packed_body_is_unpacked_within_the_cap(site):
    site.body = gzip.compress(b"a picture")
    assert fetch(site, "/packed/gzip") == [b"a picture"]
    site.body = zlib.compress(b"a picture")
    assert fetch(site, "/packed/deflate") == [b"a picture"]
    site.body = gzip.compress(bytes(5_000_000))
    assert reason(site, "/packed/gzip") == "too_large"
    assert reason(site, "/packed/br") == "unsupported_encoding"


def test_a_host_gets_no_more_connections_than_allowed(site):
    paths = [f"/slow-ok/{number}" for number in range(16)]
    assert fetch(site, *paths, max_connections_per_host=2) == [b"a picture"] * 16
    assert site.most_open == 2


def test_all_hosts_together_get_no_more_connections_than_allowed(site):
    with running_site() as other:
        hosts = (f"http://localhost:{other.port}", site.url(""))
        urls = [f"{host}/slow-ok/{number}" for number in range(6) for host in hosts]
        ports = (site.port, other.port)
        fetch(site, *urls, max_connections=1, allow_loopback_ports=ports)
        assert site.most_open == other.most_open == 1
        # Hosts take turns although the list gives them in turn only by chance.
        assert abs(site.times[0] - other.times[0]) < abs(site.times[0] - site.times[-1])


def test_a_download_that_is_given_up_leaves_nothing_running(site):
    params_of = {"num_tries": 1, "max_connections": 2}
    assert fetch(site, "/ok", **params_of) == [b"a picture"]
    params = UrlsParams.model_validate(
        {
            "kind": "urls",
            "path": "list.csv",
            "contact": "curator@museum.example",
            "allow_loopback_ports": (site.port,),
        }
    )
    batches = download([site.url("/ok"), site.url("/drip")], params=params)
    assert next(batches)
    batches.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ftp://museum.example/a.jpg", "bad_url"),
        ("/a.jpg", "bad_url"),
        ("http://", "bad_url"),
        ("http:///a.jpg", "bad_url"),
        ("http://[::1/a.jpg", "bad_url"),
        ("http://museum.example:99999/a.jpg", "bad_url"),
        ("http://curator:secret@museum.example/a.jpg", "user_info_in_url"),
        ("http://curator@museum.example/a.jpg", "user_info_in_url"),
        ("http://127.0.0.1/a.jpg", "private_address"),
        ("http://[::1]/a.jpg", "private_address"),
        ("http://[::ffff:10.0.0.1]/a.jpg", "private_address"),
        ("http://127.1/a.jpg", "bad_url"),
        ("http://2130706433/a.jpg", "bad_url"),
        ("http://１２７.0.0.1/a.jpg", "private_address"),  # noqa: RUF001
    ],
)
def test_a_url_is_judged_by_its_text(text, expected):
    with pytest.raises(FetchError) as error:
        parse_url(text, loopback_ports=())
    assert error.value.reason == expected
    assert "secret" not in str(error.value)


def test_a_shown_url_holds_no_secret():
    url = parse_url("https://museum.example/a.jpg?token=secret#part", loopback_ports=())
    assert shown(url) == "https://museum.example/a.jpg"
