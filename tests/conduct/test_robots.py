import time

import pytest
from museum import fetch, outcome, page, reason, status, to, use
from stand_in import Reply

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.requests import Download

OBEYING = {"robots": True}


def rules(text: str) -> Reply:
    return Reply(200, text.encode(), {"Content-Type": "text/plain"})


def test_a_forbidden_page_is_not_asked_for(museum, scratch):
    museum.tell("/robots.txt", rules("User-agent: *\nDisallow: /private"))
    urls = [museum.url + path for path in ("/a", "/private/b?token=secret", "/c")]
    one, other, third = fetch(museum, scratch, *urls, job=OBEYING)
    assert one.content == third.content == b"a picture"
    assert (other.reason, other.may_pass) == ("robots", False)
    assert museum.count("/robots.txt") == 1
    assert museum.count("/private/b") == 0


def test_rules_for_this_program_count_more_than_those_for_all(museum, scratch):
    text = "User-agent: *\nAllow: /\n\nUser-agent: wunderkammer\nDisallow: /"
    museum.tell("/robots.txt", rules(text))
    assert reason(museum, scratch, museum.url + "/a", job=OBEYING) == "robots"


def test_who_asks_an_api_reads_no_rules(museum, scratch):
    museum.tell("/robots.txt", rules("User-agent: *\nDisallow: /"))
    (found,) = fetch(museum, scratch, museum.url + "/a")
    assert found.content == b"a picture"
    assert museum.paths() == ["/a"]


@pytest.mark.parametrize("reply", [status(404), status(410), status(401), page(404), page()])
def test_where_there_are_no_rules_everything_is_allowed(museum, scratch, reply):
    museum.tell("/robots.txt", reply)
    (found,) = fetch(museum, scratch, museum.url + "/a", job=OBEYING)
    assert found.content == b"a picture"


@pytest.mark.parametrize("code", [500, 503, 429])
def test_rules_that_can_not_be_read_forbid_everything_for_now(museum, scratch, code):
    museum.tell("/robots.txt", status(code))
    urls = [f"{museum.url}/{number}" for number in range(3)]
    results = fetch(museum, scratch, *urls, job=OBEYING, num_tries=2)
    assert {(error.reason, error.may_pass) for error in results} == {("robots_unreachable", True)}
    assert museum.paths() == ["/robots.txt"] * 2


def one_after_the_other(museum, scratch, *paths: str) -> list[str]:
    """What became of each in one run: its content, or the reason why there is none."""

    async def do(network):
        jobs = [Download(url=museum.url + path, max_bytes=99, robots=True) for path in paths]
        found = [await outcome(network, job) for job in jobs]
        return [one.reason if isinstance(one, FetchError) else one.content for one in found]

    return use(museum, scratch, do, num_tries=1)


def test_rules_hold_for_a_day(museum, scratch, monkeypatch):
    forbidden, allowed = (rules(f"User-agent: *\n{rule}: /") for rule in ("Disallow", "Allow"))
    museum.tell("/robots.txt", forbidden, allowed)
    assert one_after_the_other(museum, scratch, "/a", "/b") == ["robots"] * 2
    museum.tell("/robots.txt", forbidden, allowed)
    monkeypatch.setattr("wunderkammer.conduct.robots.MAX_AGE_S", 0.0)
    assert one_after_the_other(museum, scratch, "/a", "/b") == ["robots", b"a picture"]


def test_rules_that_could_not_be_read_are_soon_asked_for_again(museum, scratch, monkeypatch):
    museum.tell("/robots.txt", status(500), status(404))
    assert one_after_the_other(museum, scratch, "/a", "/b") == ["robots_unreachable"] * 2
    monkeypatch.setattr("wunderkammer.conduct.robots.MAX_UNREACHABLE_S", 0.0)
    museum.tell("/robots.txt", status(500), status(404))
    found = one_after_the_other(museum, scratch, "/a", "/b")
    assert found == ["robots_unreachable", b"a picture"]


def test_rules_are_followed_to_where_they_have_moved(museum, scratch):
    museum.tell("/robots.txt", to("/elsewhere"))
    museum.tell("/elsewhere", rules("User-agent: *\nDisallow: /a"))
    assert reason(museum, scratch, museum.url + "/a", job=OBEYING) == "robots"


def test_a_redirect_into_a_forbidden_place_is_not_followed(museum, scratch):
    museum.tell("/robots.txt", rules("User-agent: *\nDisallow: /private"))
    museum.tell("/a", to("/private/a"))
    assert reason(museum, scratch, museum.url + "/a", job=OBEYING) == "robots"
    assert museum.count("/private/a") == 0


def test_a_delay_between_requests_is_kept(museum, scratch):
    museum.tell("/robots.txt", rules("User-agent: *\nCrawl-delay: 0.15"))
    urls = [f"{museum.url}/{number}" for number in range(3)]
    began = time.monotonic()
    results = fetch(museum, scratch, *urls, job=OBEYING)
    assert all(found.content == b"a picture" for found in results)
    assert time.monotonic() - began >= 0.25


def test_only_the_beginning_of_endless_rules_is_read(museum, scratch):
    text = "User-agent: *\nDisallow: /a\n" + "# nothing\n" * 60_000 + "Disallow: /b\n"
    museum.tell("/robots.txt", rules(text))
    one, other = fetch(museum, scratch, museum.url + "/a", museum.url + "/b", job=OBEYING)
    assert one.reason == "robots"
    assert other.content == b"a picture"


def test_rules_that_are_rubbish_forbid_nothing(museum, scratch):
    rubbish = Reply(200, bytes(range(256)) * 40, {"Content-Type": "text/plain"})
    museum.tell("/robots.txt", rubbish)
    (found,) = fetch(museum, scratch, museum.url + "/a", job=OBEYING)
    assert found.content == b"a picture"
