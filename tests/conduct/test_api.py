import asyncio
import gzip
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest
from museum import page, status, use
from stand_in import Reply

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError

KEY = "secret-key-0123"


def told(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def with_api(museum, scratch, do, *, conduct=None, **settings):
    """What `do` makes of an API of the museum that has a key."""

    async def run(network):
        api = Api(
            network,
            museum.url + "/v1/",
            **{
                "per_s": 1000.0,
                "query": {"api_key": KEY},
                "headers": {"Authorization": f"Bearer {KEY}"},
                **settings,
            },
        )
        return await do(api)

    return use(museum, scratch, run, **(conduct or {}))


def test_a_question_has_its_path_its_query_and_the_key(museum, scratch):
    museum.tell("/v1/photos", told({"total": 3}))

    async def do(api):
        return await api.get("/photos", {"q": "löffel & gabel", "page": 2, "min": 0.5})

    assert with_api(museum, scratch, do) == {"total": 3}
    (asked,) = museum.asked
    assert asked.query == {"api_key": KEY, "q": "löffel & gabel", "page": "2", "min": "0.5"}
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["Accept"] == "application/json"


def test_a_form_is_posted(museum, scratch):
    museum.tell("/v1/token", told({"access_token": "x"}))

    async def do(api):
        return await api.post("token", {"grant_type": "a b"}, headers={"Authorization": "Basic x"})

    assert with_api(museum, scratch, do) == {"access_token": "x"}
    (asked,) = museum.asked
    assert (asked.method, asked.body) == ("POST", b"grant_type=a+b")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["Authorization"] == "Basic x"


def test_what_is_no_json_can_be_read_as_it_is(museum, scratch):
    museum.tell("/v1/list.csv", Reply(200, b"a,b\n", {"Content-Type": "text/csv"}))
    assert with_api(museum, scratch, lambda api: api.read("/list.csv")) == b"a,b\n"


def test_a_packed_answer_is_unpacked(museum, scratch):
    body = gzip.compress(b"[1, 2]")
    museum.tell("/v1/a", Reply(200, body, {"Content-Encoding": "gzip"}))
    assert with_api(museum, scratch, lambda api: api.get("a")) == [1, 2]


@pytest.mark.parametrize("reply", [page(), Reply(200, b"{"), Reply(200, b"\xff"), Reply(200)])
def test_an_answer_that_is_no_json_is_asked_for_again(museum, scratch, reply):
    museum.tell("/v1/a", reply, told([]))
    assert with_api(museum, scratch, lambda api: api.get("a")) == []
    museum.tell("/v1/a", reply)
    with pytest.raises(FetchError, match="bad_json"):
        with_api(museum, scratch, lambda api: api.get("a"))


def test_an_error_inside_a_200_is_asked_again_if_it_may_pass(museum, scratch):
    def check(answer):
        if "error" in answer:
            raise FetchError("api_error", answer["error"], may_pass=answer["error"] == "busy")

    async def do(api):
        return await api.get("a", check=check)

    museum.tell("/v1/a", told({"error": "busy"}), told({"error": "busy"}), told({"total": 1}))
    assert with_api(museum, scratch, do) == {"total": 1}
    museum.tell("/v1/a", told({"error": "no such group"}))
    with pytest.raises(FetchError, match="no such group"):
        with_api(museum, scratch, do)
    assert museum.count("/v1/a") == 4


@pytest.mark.parametrize("fault", ["401", "403_html", "429", "500", "to_metadata", "hang_up"])
def test_no_key_is_in_an_error_or_a_log(museum, scratch, caplog, fault):
    caplog.set_level(logging.DEBUG)
    museum.fault = lambda _: fault
    with pytest.raises(FetchError) as error:
        with_api(museum, scratch, lambda api: api.get("a"), conduct={"num_tries": 2})
    told_of = [error.value, error.value.__cause__, error.value.__context__]
    for text in (*map(repr, told_of), error.value.detail, caplog.text):
        assert KEY not in text
    assert "/v1/a" in error.value.detail or error.value.status is None


def test_an_expired_key_is_told_by_the_status(museum, scratch):
    museum.tell("/v1/a", status(401))
    with pytest.raises(FetchError) as error:
        with_api(museum, scratch, lambda api: api.get("a"))
    assert error.value.status == 401
    assert museum.count("/v1/a") == 1


def test_the_published_limits_are_kept(museum, scratch):
    museum.replies["/v1/a"] = [told([])]

    async def do(api):
        return await asyncio.gather(*(api.get("a") for _ in range(6)))

    began = time.monotonic()
    with_api(museum, scratch, do, per_s=25.0, at_once=2)
    # Five intervals, less what may come early.
    assert museum.asked[-1].at - began >= 0.15
    assert museum.most_open <= 2


def test_an_answer_that_is_too_long_is_refused(museum, scratch, monkeypatch):
    museum.fault = lambda _: "gzip_bomb"
    with pytest.raises(FetchError, match="too_large"):
        with_api(museum, scratch, lambda api: api.get("a"))


def test_what_only_lists_settings_does_not_load_libcurl():
    code = (
        "import sys, wunderkammer.conduct.api, wunderkammer.conduct.network;"
        "print({'pycurl', 'aiohttp', 'uvloop'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"
