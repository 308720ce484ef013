import asyncio
import re
import time

import pytest
from museum import CONTACT, Museum, fetch, page, reason, sha256, status, to, use, wire
from stand_in import FAULTS, Reply, running

from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.requests import Download, Downloaded, Request


def answers(museum, scratch, *requests: Request, **settings):
    """All asked at the same time."""

    async def one(network, request):
        try:
            return await network.ask(request)
        except FetchError as error:
            return error

    async def do(network):
        return await asyncio.gather(*(one(network, request) for request in requests))

    return use(museum, scratch, do, **settings)


def test_a_site_learns_who_asks(museum, scratch):
    fetch(museum, scratch, museum.url)
    answers(museum, scratch, Request(url=museum.url))
    for asked in museum.asked:
        assert asked.headers["User-Agent"].startswith("Wunderkammer/")
        assert asked.headers["User-Agent"].endswith(f" (+{CONTACT})")
    files, questions = (asked.headers["Accept-Encoding"] for asked in museum.asked)
    assert (files, questions) == ("identity", "gzip")


def test_an_answer_comes_with_its_headers_and_without_its_query(museum, scratch):
    (answer,) = answers(museum, scratch, Request(url=museum.url + "/a?key=secret"))
    assert (answer.status, answer.content) == (200, b"a picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.url == museum.url + "/a"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 204, 304])
def test_what_another_try_would_not_change_is_asked_once(museum, scratch, code):
    url = museum.tell("/a", status(code))
    assert reason(museum, scratch, url) == f"http_{code}"
    (error,) = answers(museum, scratch, Request(url=url))
    assert (error.reason, error.status) == (f"http_{code}", code)
    assert len(museum.asked) == 2


def test_a_part_of_an_answer_is_none(museum, scratch):
    part = Reply(206, b"[1", {"Content-Range": "bytes 0-1/9"})
    (error,) = answers(museum, scratch, Request(url=museum.tell("/a", part)))
    assert error.reason == "http_206"


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 520])
def test_what_may_pass_is_tried_again(museum, scratch, code):
    fine = Reply(200, b"a picture")
    (found,) = fetch(museum, scratch, museum.tell("/a", status(code), fine))
    (answer,) = answers(museum, scratch, Request(url=museum.tell("/b", status(code), fine)))
    assert found.content == answer.content == b"a picture"
    assert museum.paths() == ["/a", "/a", "/b", "/b"]


def test_tries_come_to_an_end(museum, scratch):
    assert reason(museum, scratch, museum.tell("/a", status(500))) == "http_500"
    assert museum.count("/a") == 3


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_waited_for_by_all_who_ask_that_host(museum, scratch, code):
    slow_down = museum.tell("/a", status(code, Retry_After="1"), Reply(200, b"a picture"))
    urls = [slow_down, *(f"{museum.url}/{number}" for number in range(4))]
    results = fetch(museum, scratch, *urls, max_connections=1)
    assert [found.content for found in results] == [b"a picture"] * 5
    times = [asked.at for asked in museum.asked]
    assert museum.paths()[0] == "/a"
    assert times[1] - times[0] >= 0.28
    assert times[-1] - times[1] < 0.2


@pytest.mark.parametrize("soon", ["0", "Fri, 20 Nov 2020 10:00:00 GMT"])
def test_a_host_that_asks_for_no_time_is_asked_ever_more_seldom(museum, scratch, monkeypatch, soon):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.04)
    assert reason(museum, scratch, museum.tell("/a", status(503, Retry_After=soon))) == "http_503"
    first, second, third = (asked.at for asked in museum.asked)
    assert second - first >= 0.02
    assert third - second >= 0.04


def test_a_host_that_asks_for_hours_is_given_up_until_they_are_over(museum, scratch, monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.MAX_RETRY_AFTER_S", 86400.0)
    slow_down = museum.tell("/a", status(429, Retry_After="3600"), Reply(200, b"a picture"))
    urls = [slow_down, museum.url + "/b"]
    one, other = fetch(museum, scratch, *urls, max_connections=1)
    assert (one.reason, other.reason) == ("http_429", "host_given_up")
    assert re.search(r"asks to be left alone for 3\d{3} s", other.detail)
    monkeypatch.setattr("wunderkammer.conduct.pace.time", lambda: time.time() + 3000)
    assert {error.reason for error in fetch(museum, scratch, *urls)} == {"host_given_up"}
    assert museum.paths() == ["/a"]
    monkeypatch.setattr("wunderkammer.conduct.pace.time", lambda: time.time() + 3700)
    assert [found.content for found in fetch(museum, scratch, *urls)] == [b"a picture"] * 2


def test_a_throttled_host_is_left_alone_although_it_names_no_time(museum, scratch, monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.3)
    slow_down = museum.tell("/a", page(403), Reply(200, b"a picture"))
    fetch(museum, scratch, slow_down, museum.url + "/b", max_connections=1)
    assert museum.paths()[0] == "/a"
    assert museum.asked[1].at - museum.asked[0].at >= 0.14


def test_a_wait_for_one_host_holds_up_no_other(museum, scratch):
    with running(Museum()) as other:
        museum.tell("/a", status(429, Retry_After="1"), Reply(200, b"a picture"))
        urls = [museum.url + "/a", *(f"{other.url}/{number}" for number in range(20))]
        fetch(museum, scratch, *urls, max_connections=1, also=(other.port,))
        assert other.asked[-1].at < museum.asked[-1].at


def test_a_host_gets_no_more_connections_than_allowed(museum, scratch):
    slow = Reply(200, b"", {"Content-Length": "4"}, send=lambda sink: _late(sink))
    urls = [museum.tell(f"/{number}", slow) for number in range(12)]
    results = fetch(museum, scratch, *urls, max_connections_per_host=2)
    assert [found.content for found in results] == [b"late"] * 12
    assert museum.most_open == 2


def _late(sink):
    time.sleep(0.02)
    sink.write(b"late")


def test_all_hosts_together_get_no_more_connections_than_allowed(museum, scratch):
    with running(Museum()) as other:
        urls = [f"{site.url}/{number}" for number in range(6) for site in (museum, other)]
        fetch(museum, scratch, *urls, max_connections=1, also=(other.port,))
        assert museum.most_open == other.most_open == 1
        times = sorted((asked.at, site) for site in (0, 1) for asked in (museum, other)[site].asked)
        assert [site for _, site in times] in ([0, 1] * 6, [0, *[0, 1] * 5, 1])


def test_five_redirects_are_followed(museum, scratch):
    for number in range(5):
        museum.tell(f"/{number}", to(f"{number + 1}"))
    (found,) = fetch(museum, scratch, museum.url + "/0")
    assert found.content == b"a picture"
    assert found.url == museum.url + "/0"
    assert museum.paths() == [f"/{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("location", "expected", "num_requests"),
    [
        ("http://169.254.169.254/latest/meta-data/", "private_address", 1),
        ("http://[::ffff:169.254.169.254]/", "private_address", 1),
        ("http://2130706433/", "bad_url", 1),
        ("file:///etc/passwd", "bad_url", 1),
        ("//curator:secret@127.0.0.1/a", "user_info_in_url", 1),
        ("http://127.0.0.1:1/a", "private_address", 1),
        ("http://[::1/", "bad_redirect", 1),
        ("http://[::1]@/", "bad_redirect", 1),
        ("/loop?token=secret", "too_many_redirects", 6),
    ],
)
def test_each_redirect_is_judged(museum, scratch, location, expected, num_requests):
    museum.tell("/loop", to(location))
    assert reason(museum, scratch, museum.url + "/loop") == expected
    assert len(museum.asked) == num_requests


def test_a_redirect_to_a_name_in_the_private_network_is_refused(museum, scratch):
    with running(Museum()) as inside:
        url = museum.tell("/a", to(f"http://localhost:{inside.port}/admin"))
        assert reason(museum, scratch, url) == "private_address"
        assert inside.asked == []


def test_secret_headers_go_to_their_own_origin_only(museum, scratch):
    with running(Museum()) as other:
        museum.tell("/a", to("/b"))
        museum.tell("/b", to(other.url + "/c"))
        headers = {"Authorization": "Bearer secret"}
        request = Request(url=museum.url + "/a", headers=headers)
        answers(museum, scratch, request, also=(other.port,))
        fetch(museum, scratch, request.url, job={"headers": headers}, also=(other.port,))
        assert all(asked.headers["Authorization"] == "Bearer secret" for asked in museum.asked)
        assert len(other.asked) == 2
        assert not any("Authorization" in asked.headers for asked in other.asked)


def test_a_form_is_not_sent_on(museum, scratch):
    request = Request(url=museum.tell("/token", to("/elsewhere", 307)), body=b"password=secret")
    (error,) = answers(museum, scratch, request)
    assert error.reason == "bad_redirect"
    assert museum.paths() == ["/token"]


def test_a_form_is_posted_and_the_next_question_is_a_plain_one(museum, scratch):
    async def do(network):
        await network.ask(Request(url=museum.url + "/token", body=b"a=1"))
        await network.ask(Request(url=museum.url + "/a"))

    use(museum, scratch, do)
    assert [(asked.method, asked.body) for asked in museum.asked] == [
        ("POST", b"a=1"),
        ("GET", b""),
    ]
    assert "Expect" not in museum.asked[0].headers


def test_other_places_are_asked_in_turn_where_a_file_is_gone(museum, scratch):
    urls = [museum.tell("/a", status(404)), museum.tell("/b", status(410)), museum.url + "/c"]
    (found,) = fetch(museum, scratch, urls[0], job={"other_urls": tuple(urls[1:])})
    assert found.url == museum.url + "/c"
    museum.tell("/c", status(404))
    (error,) = fetch(museum, scratch, urls[0], job={"other_urls": tuple(urls[1:])})
    assert error.reason == "http_404"


def test_other_places_are_left_alone_where_a_file_is_only_withheld(museum, scratch):
    url = museum.tell("/a", status(403))
    (error,) = fetch(museum, scratch, url, job={"other_urls": (museum.url + "/b",)})
    assert error.reason == "http_403"
    assert museum.paths() == ["/a"]


def test_a_host_that_fails_and_fails_is_given_up(museum, scratch):
    museum.fault = lambda _: "500"
    urls = [f"{museum.url}/{number}" for number in range(12)]
    settings = {"max_failures_in_a_row": 4, "rest_s": 0.02, "max_connections": 2, "num_tries": 1}
    results = fetch(museum, scratch, *urls, **settings)
    reasons = [error.reason for error in results]
    assert set(reasons) == {"http_500", "host_given_up"}
    assert all(error.may_pass for error in results)
    # Four in a row, perhaps one that was under way, and one after each rest.
    assert 7 <= len(museum.asked) <= 8


def test_a_host_that_talks_nonsense_is_given_up(scratch):
    with wire(b"hello?\r\n\r\n") as server:
        urls = [f"{server.url}/{number}" for number in range(12)]
        settings = {"max_failures_in_a_row": 2, "rest_s": 0.01, "max_connections": 1}
        results = fetch(server.port, scratch, *urls, **settings)
        assert [error.reason for error in results] == [
            *["bad_response"] * 5,
            *["host_given_up"] * 7,
        ]


def test_a_host_is_not_left_alone_for_what_it_lacks(museum, scratch):
    url = museum.tell("/a", status(404, Retry_After="1"))
    fetch(museum, scratch, url, museum.url + "/b", max_connections=1)
    assert museum.asked[1].at - museum.asked[0].at < 0.2


def test_nobody_waits_for_a_host_that_is_given_up(museum, scratch, monkeypatch):
    museum.fault = lambda _: "500"
    settings = {"max_failures_in_a_row": 1, "rest_s": 0.01}

    async def do(network):
        for number in range(2):
            with pytest.raises(FetchError):
                await network.ask(Request(url=f"{museum.url}/{number}"))
        monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 5.0)
        with pytest.raises(FetchError, match="host_given_up"):
            await asyncio.wait_for(network.ask(Request(url=museum.url)), 1.0)

    use(museum, scratch, do, **settings)


def test_a_host_that_answers_is_not_given_up_for_what_it_lacks(museum, scratch):
    museum.fault = lambda asked: "500" if asked.path == "/0" else None
    for number in range(1, 30):
        museum.tell(f"/{number}", status(404))
    urls = [f"{museum.url}/{number}" for number in range(30)]
    settings = {"max_failures_in_a_row": 3, "num_tries": 2, "rest_s": 5.0}
    results = fetch(museum, scratch, *urls, **settings)
    assert [error.reason for error in results] == ["http_500", *["http_404"] * 29]


def test_a_run_asks_no_more_than_its_budget(museum, scratch):
    urls = [f"{museum.url}/{number}" for number in range(9)]
    results = fetch(museum, scratch, *urls, max_requests=5)
    spent = [error for error in results if isinstance(error, BudgetSpentError)]
    assert len(museum.asked) == 5
    assert len(spent) == 4
    assert "max_requests=5" in spent[0].detail


def test_a_run_takes_no_more_bytes_than_its_budget(museum, scratch):
    museum.replies = {f"/{number}": [Reply(200, bytes(100_000))] for number in range(9)}
    urls = [f"{museum.url}/{number}" for number in range(9)]
    results = fetch(museum, scratch, *urls, max_gb=0.00025, max_connections=1)
    assert [isinstance(one, Downloaded) for one in results] == [True] * 3 + [False] * 6
    assert "max_gb=0.00025" in results[-1].detail


def test_what_is_under_way_ends_with_the_budget_and_goes_on_with_the_next(museum, scratch):
    body = bytes(2_000_000)

    def slowly(sink):
        for start in range(0, len(body), 50_000):
            sink.write(body[start : start + 50_000])
            time.sleep(0.04)

    headers = {"ETag": '"one"', "Content-Length": str(len(body))}
    url = museum.tell("/a", Reply(200, body, headers, send=slowly), Reply(200, body, headers))
    (error,) = fetch(museum, scratch, url, max_gb=0.0001, timeout_s=0.8)
    assert isinstance(error, BudgetSpentError)
    (found,) = fetch(museum, scratch, url)
    assert found.num_bytes == len(body)
    assert int(museum.asked[1].headers["Range"].strip("bytes=-")) >= 100_000


def test_a_run_ends_in_time_whatever_it_waits_for(museum, scratch):
    museum.replies = {
        "/drip": [Reply(200, b"late", send=lambda sink: time.sleep(0.3))],
        "/429": [status(429, Retry_After="9")],
    }
    urls = [museum.url + path for path in ("/drip", "/429", "/a", "/b")]
    began = time.monotonic()
    settings = {"max_minutes": 0.1 / 60, "max_connections": 2}
    results = fetch(museum, scratch, *urls, **settings)
    assert time.monotonic() - began < 0.5
    assert {type(error) for error in results} == {BudgetSpentError}
    assert sorted(museum.paths()) == ["/429", "/drip"]


def test_requests_and_bytes_are_told_by_host(museum, scratch):
    async def do(network):
        await network.ask(Request(url=museum.url))
        await network.download(Download(url=museum.url + "/b", max_bytes=99))
        return network.stats

    stats = use(museum, scratch, do)
    host = f"127.0.0.1:{museum.port}"
    assert stats.num_requests == stats.requests_by_host[host] == 2
    assert stats.num_bytes == stats.bytes_by_host[host] == 2 * len(b"a picture")


def test_what_a_reader_finds_wrong_is_asked_again(museum, scratch):
    tries = []

    def read(answer):
        tries.append(answer.content)
        if len(tries) < 3:
            raise FetchError("api_error", "busy", may_pass=True, retry_after_s=0.0)
        return "fine"

    async def do(network):
        return await network.ask_for(Request(url=museum.url), read=read)

    assert use(museum, scratch, do) == "fine"
    assert len(museum.asked) == 3


def test_the_pace_of_files_is_kept(museum, scratch):
    urls = [f"{museum.url}/{number}" for number in range(9)]
    began = time.monotonic()
    fetch(museum, scratch, *urls, files_per_s=50.0)
    # Eight intervals, less what may come early.
    assert museum.asked[-1].at - began >= 0.11


def test_who_no_longer_wants_a_download_leaves_nothing_running(museum, scratch):
    async def do(network):
        jobs = [Download(url=f"{museum.url}/{number}", max_bytes=9**9) for number in range(6)]
        tasks = [asyncio.create_task(network.download(job)) for job in jobs]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}
        museum.fault = lambda _: None
        return await network.download(jobs[0])

    museum.fault = lambda _: "drip"
    assert use(museum, scratch, do, max_connections=2).content == b"a picture"


def test_a_network_that_is_closed_ends_what_is_under_way_and_what_waits(museum, scratch):
    museum.fault = lambda _: "drip"

    async def do(network):
        jobs = [Download(url=f"{museum.url}/{number}", max_bytes=9**9) for number in range(4)]
        tasks = [asyncio.create_task(network.download(job)) for job in jobs]
        await asyncio.sleep(0.05)
        await network.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = use(museum, scratch, do, max_connections=2, num_tries=1)
    assert [error.reason for error in results] == ["closed"] * 4


# What becomes of a file and of a question if every answer has the fault.
OUTCOMES = {
    "429_seconds": ("http_429", "http_429"),
    "429_date": ("http_429", "http_429"),
    "429": ("http_429", "http_429"),
    "500": ("http_500", "http_500"),
    "503_seconds": ("http_503", "http_503"),
    "403_html": ("throttled", "throttled"),
    "401": ("http_401", "http_401"),
    "200_html": ("not_an_image", None),
    "truncated": ("truncated", "truncated"),
    "wrong_length": ("truncated", "truncated"),
    "range_ignored": (None, None),
    "drip": ("timed_out", "timed_out"),
    "endless": ("too_large", "too_large"),
    "to_metadata": ("private_address", "private_address"),
    "to_file": ("bad_url", "bad_url"),
    "gzip_bomb": ("too_large", "too_large"),
    "hang_up": ("connection_failed", "connection_failed"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_has_its_outcome_and_passes_if_it_can(museum, scratch, fault):
    museum.fault = lambda _: fault
    as_file, as_answer = OUTCOMES[fault]
    request = Request(url=museum.url + "/b", max_bytes=1_000_000)
    settings = {"num_tries": 2, "timeout_s": 0.2 if fault == "drip" else 5.0}
    (found,) = fetch(museum, scratch, museum.url + "/a", **settings)
    (answer,) = answers(museum, scratch, request, **settings)
    assert getattr(found, "reason", None) == as_file
    assert getattr(answer, "reason", None) == as_answer
    tries = 2 if getattr(found, "may_pass", False) else 1
    assert museum.count("/a") == tries
    museum.fault = lambda _: None
    (again,) = fetch(museum, scratch, museum.url + "/a")
    assert again.content == b"a picture"
    assert again.sha256 == sha256(b"a picture")


def test_a_server_that_closes_idle_connections_costs_nothing(scratch):
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na picture"
    with wire(whole) as server:

        async def do(network):
            for number in range(5):
                await network.ask(Request(url=f"{server.url}/{number}"))
                await asyncio.sleep(0.01)

        use(server.port, scratch, do, num_tries=1)
        assert server.num_connections == 5
