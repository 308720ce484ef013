import gzip
import hashlib
import os
import re
import subprocess
import sys
import time
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from museum import SCAN, Museum, broken_off, fetch, page, reason, scan, sha256, status, use, wire
from stand_in import FAULTS, Reply, running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.files import MEMORY_BYTES, SPARE_BYTES
from wunderkammer.conduct.parts import Parts
from wunderkammer.conduct.requests import Download

PACKED = {"Content-Encoding": "gzip"}
OLD = {"Last_Modified": "Thu, 01 Jan 2026 11:00:00 GMT"}
SENT = "Fri, 20 Nov 2026 10:00:00 GMT"


def content_of(found) -> bytes:
    if isinstance(found, FetchError):
        raise found
    return found.content.read_bytes() if isinstance(found.content, Path) else found.content


def ranges(museum) -> list[str | None]:
    return [asked.headers.get("Range") for asked in museum.asked]


def test_a_small_file_comes_in_memory_with_all_that_matters(museum, scratch):
    fine = Reply(
        200,
        b"a picture",
        {
            "Content-Type": "image/jpeg; charset=none",
            "ETag": '"one"',
            "Last-Modified": OLD["Last_Modified"],
        },
    )
    (found,) = fetch(museum, scratch, museum.tell("/a", fine))
    assert found.content == b"a picture"
    assert found.sha256 == sha256(b"a picture")
    assert found.num_bytes == 9
    assert found.etag == '"one"'
    assert found.last_modified == OLD["Last_Modified"]
    assert found.content_type == "image/jpeg"
    assert not found.not_modified
    assert not scratch.exists()


def test_a_large_file_comes_in_a_file_that_is_the_caller_s(museum, scratch):
    (found,) = fetch(museum, scratch, museum.tell("/a", scan()))
    assert isinstance(found.content, Path)
    assert found.content.read_bytes() == SCAN
    assert (found.sha256, found.num_bytes) == (sha256(SCAN), len(SCAN))
    assert [*scratch.iterdir()] == [found.content]


@pytest.mark.parametrize("num_bytes", [0, 1, MEMORY_BYTES, MEMORY_BYTES + 1])
def test_every_length_comes_whole(museum, scratch, num_bytes):
    body = (b"0123456789abcdef" * (num_bytes // 16 + 1))[:num_bytes]
    (found,) = fetch(museum, scratch, museum.tell("/a", scan(body=body)))
    assert content_of(found) == body
    assert isinstance(found.content, Path) == (num_bytes > MEMORY_BYTES)


def test_a_container_comes_in_a_file_however_small_it_is(museum, scratch):
    (found,) = fetch(museum, scratch, museum.url, job={"to_file": True})
    assert isinstance(found.content, Path)
    assert found.content.read_bytes() == b"a picture"


@pytest.mark.parametrize("num_came", [1000, 1_500_000], ids=["memory", "file"])
def test_a_broken_download_goes_on_where_it_broke(museum, scratch, num_came):
    url = museum.tell("/a", broken_off(scan(), num_came), scan())
    (found,) = fetch(museum, scratch, url, job={"md5": hashlib.md5(SCAN).hexdigest()})
    assert content_of(found) == SCAN
    assert found.sha256 == sha256(SCAN)
    assert ranges(museum) == [None, f"bytes={num_came}-"]
    assert museum.asked[1].headers["If-Range"] == '"one"'


def test_a_download_that_a_run_did_not_finish_goes_on_in_the_next(museum, scratch):
    place = {"Content-Range": f"bytes 1200000-{len(SCAN) - 1}/{len(SCAN)}", "ETag": '"one"'}
    rest = broken_off(Reply(206, SCAN[1_200_000:], place), 300_000)
    url = museum.tell("/a", broken_off(scan(), 1_200_000), rest, scan())
    job = {"num_bytes": len(SCAN)}
    for _ in range(2):
        assert reason(museum, scratch, url, num_tries=1) == "truncated"
    (found,) = fetch(museum, scratch, url, num_tries=1, job=job)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, "bytes=1200000-", "bytes=1500000-"]
    assert [*scratch.iterdir()] == [found.content]


DOWNLOAD = """
import asyncio, sys
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from museum import CONTACT, conduct
from wunderkammer.conduct.loop import run_loop
from wunderkammer.conduct.network import Network
from wunderkammer.conduct.requests import Download
async def main():
    network = Network(conduct(int(sys.argv[1])), contact=CONTACT, scratch=Path(sys.argv[3]))
    await network.download(Download(url=sys.argv[2], max_bytes=9**9))
run_loop(main())
"""


def test_a_killed_download_goes_on_where_it_was(museum, scratch):
    over = Event()

    def stall(sink):
        sink.write(SCAN[:1_800_000])
        sink.flush()
        over.wait(20)

    url = museum.tell("/a", Reply(200, SCAN, scan().headers, send=stall), scan())
    command = [sys.executable, "-c", DOWNLOAD, str(museum.port), url, str(scratch)]
    paths = [str(folder) for folder in (*Path(__file__).parents[:3],)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(command, env=env)
    while not any(file.stat().st_size > 1_100_000 for file in scratch.glob("*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    over.set()
    (found,) = fetch(museum, scratch, url, job={"sha1": hashlib.sha1(SCAN).hexdigest()})
    assert content_of(found) == SCAN
    first, second = ranges(museum)
    assert first is None
    assert int(second.removeprefix("bytes=").removesuffix("-")) > 1_100_000


def test_a_date_that_has_passed_lets_a_download_go_on_too(museum, scratch):
    url = museum.tell("/a", broken_off(scan(None, **OLD), 1000), scan(None, **OLD))
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, "bytes=1000-"]
    assert museum.asked[1].headers["If-Range"] == OLD["Last_Modified"]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_a_download_starts_over(museum, scratch, etag):
    url = museum.tell("/a", broken_off(scan(etag), 1_500_000), scan(etag))
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, None]
    assert [*scratch.iterdir()] == [found.content]


def test_a_file_that_has_changed_meanwhile_starts_over(museum, scratch):
    other = SCAN[::-1]
    url = museum.tell("/a", broken_off(scan(), 1_500_000), scan('"two"', other))
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == other
    assert found.etag == '"two"'
    assert ranges(museum) == [None, "bytes=1500000-"]


def test_a_server_that_ignores_ranges_sends_the_whole(museum, scratch):
    url = museum.tell("/a", broken_off(scan(), 1_500_000), scan())
    museum.fault = lambda _: "range_ignored" if len(museum.asked) > 1 else None
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert found.sha256 == sha256(SCAN)


def test_a_server_that_sends_another_range_is_asked_anew(museum, scratch):
    part = {"ETag": '"one"', "Content-Range": f"bytes 7-{len(SCAN) - 1}/{len(SCAN)}"}
    shifted = Reply(206, SCAN[7:], part)
    url = museum.tell("/a", broken_off(scan(), 1_500_000), shifted, scan())
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, "bytes=1500000-", None]


def rest(first: int, last: int, size: int | str = len(SCAN), **headers: str) -> Reply:
    """A part as the server names it; what comes is from byte 1,500,000 on."""
    place = {"Content-Range": f"bytes {first}-{last}/{size}", "ETag": '"one"'}
    spelt = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(206, SCAN[1_500_000 : last + 1], {**place, **spelt})


def test_a_part_that_ends_before_the_whole_is_gone_on_with(museum, scratch):
    short = rest(1_500_000, 1_600_000 - 1)
    url = museum.tell("/a", broken_off(scan(), 1_500_000), short, scan())
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, "bytes=1500000-", "bytes=1600000-"]


@pytest.mark.parametrize(
    "odd",
    [
        rest(1_500_000, len(SCAN) - 1, ETag='"two"'),
        rest(1_500_000, len(SCAN) - 1, ETag='W/"one"'),
        rest(1_500_000, len(SCAN) - 1, size="*"),
        rest(1_500_000, len(SCAN) - 1, size=1_700_000),
        rest(1_500_000, 1_600_000, size=len(SCAN), Content_Range="bytes 1500000-1600000/1550000"),
        Reply(206, SCAN, rest(1_500_000, 1_600_000).headers),
    ],
    ids=["version", "weak tag", "no size", "small size", "past the end", "longer"],
)
def test_a_part_that_is_not_of_the_whole_is_never_glued_to_it(museum, scratch, odd):
    url = museum.tell("/a", broken_off(scan(), 1_500_000), odd, scan())
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, "bytes=1500000-", None]


def test_a_part_of_a_later_date_is_never_glued(museum, scratch):
    later = {"Last-Modified": "Thu, 01 Jan 2026 11:00:01 GMT"}
    first = broken_off(scan(None, **OLD, Date=SENT), 1_500_000)
    odd = Reply(206, SCAN[:500_000], {**rest(1_500_000, len(SCAN) - 1).headers, **later})
    (found,) = fetch(museum, scratch, museum.tell("/a", first, odd, scan()))
    assert content_of(found) == SCAN


def test_a_part_needs_no_size_where_one_is_published(museum, scratch):
    whole = rest(1_500_000, len(SCAN) - 1, size="*")
    url = museum.tell("/a", broken_off(scan(), 1_500_000), whole)
    (found,) = fetch(museum, scratch, url, job={"num_bytes": len(SCAN)})
    assert content_of(found) == SCAN


@pytest.mark.parametrize("status_line", [b"HTTP/1.1 206 Partial Content", b"HTTP/1.1 200 OK"])
def test_a_connection_that_breaks_within_the_headers_costs_no_part(scratch, status_line):
    with wire(status_line + b"\r\nContent-Type: image/tiff\r\n") as server:
        part = Parts(scratch).create(server.url, validator='"one"')
        part.write(b"abc")
        part.close()
        assert reason(server.port, scratch, server.url) in ("truncated", "connection_failed")
        assert Parts(scratch).find(server.url).num_bytes == 3


def test_a_range_that_nobody_asked_for_is_refused(museum, scratch):
    part = Reply(206, b"a", {"Content-Range": "bytes 0-0/9"})
    assert reason(museum, scratch, museum.tell("/a", part)) == "bad_range"
    assert not scratch.exists()


def test_a_part_that_is_the_whole_needs_nothing_more(museum, scratch):
    longer = Reply(200, SCAN, {**scan().headers, "Content-Length": str(len(SCAN) + 9)})
    url = museum.tell("/a", longer, scan())
    assert reason(museum, scratch, url, num_tries=1) == "truncated"
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, f"bytes={len(SCAN)}-"]
    assert found.sha256 == sha256(SCAN)


def test_a_part_that_is_longer_than_the_whole_is_dropped(museum, scratch):
    url = museum.tell("/a", broken_off(scan(), 1_500_000), scan(body=SCAN[:1_200_000]))
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN[:1_200_000]
    assert ranges(museum) == [None, "bytes=1500000-", None]


def test_what_is_not_modified_is_not_fetched(museum, scratch):
    url = museum.tell("/a", scan())
    job = {"etag": '"one"', "last_modified": OLD["Last_Modified"]}
    (found,) = fetch(museum, scratch, url, job=job)
    assert found.not_modified
    assert (found.content, found.num_bytes) == (b"", 0)
    assert (found.etag, found.last_modified) == ('"one"', OLD["Last_Modified"])
    assert museum.asked[0].headers["If-Modified-Since"] == OLD["Last_Modified"]
    (found,) = fetch(museum, scratch, url, job={"etag": '"zero"'})
    assert not found.not_modified
    assert content_of(found) == SCAN


def test_a_tag_with_a_hidden_header_is_not_sent_back(museum, scratch):
    (found,) = fetch(museum, scratch, museum.url, job={"etag": '"a"\r\nHost: elsewhere'})
    assert found.content == b"a picture"
    assert "If-None-Match" not in museum.asked[0].headers


@pytest.mark.parametrize(
    "published",
    [
        {"num_bytes": 9, "md5": hashlib.md5(b"a picture").hexdigest().upper()},
        {"sha1": hashlib.sha1(b"a picture").hexdigest()},
    ],
)
def test_what_was_published_is_compared(museum, scratch, published):
    (found,) = fetch(museum, scratch, museum.url, job=published)
    assert found.content == b"a picture"


@pytest.mark.parametrize(
    ("published", "detail"),
    [
        ({"num_bytes": 8}, "9 bytes, published: 8"),
        ({"md5": "0" * 32}, "md5 .* published: 0000"),
        ({"sha1": "0" * 40}, "sha1 .* published: 0000"),
    ],
)
@pytest.mark.parametrize("body", [b"a picture", SCAN], ids=["memory", "file"])
def test_what_differs_from_what_was_published_is_refused(museum, scratch, published, detail, body):
    url = museum.tell("/a", scan(body=body))
    (error,) = fetch(museum, scratch, url, job=published, num_tries=2)
    assert error.reason == "wrong_digest"
    assert error.may_pass
    if "bytes" not in detail or body == b"a picture":
        assert re.search(detail, error.detail)
    assert museum.count("/a") == 2
    assert not scratch.exists() or not [*scratch.iterdir()]


def test_a_wrong_content_is_fetched_anew(museum, scratch):
    url = museum.tell("/a", scan(body=SCAN[::-1]), scan())
    (found,) = fetch(museum, scratch, url, job={"sha1": hashlib.sha1(SCAN).hexdigest()})
    assert content_of(found) == SCAN
    assert ranges(museum) == [None, None]


def test_a_packed_body_is_unpacked_within_the_cap(museum, scratch):
    def packed(body: bytes, encoding: str) -> str:
        return museum.tell("/a", Reply(200, body, {"Content-Encoding": encoding, "ETag": '"one"'}))

    picture = b"a picture"
    members = gzip.compress(picture[:4]) + gzip.compress(picture[4:])
    for body, encoding in (
        (gzip.compress(picture), "gzip"),
        (gzip.compress(picture), "X-GZIP"),
        (members, "gzip"),
        (zlib.compress(picture), "deflate"),
        (picture, "identity"),
    ):
        (found,) = fetch(museum, scratch, packed(body, encoding))
        assert found.content == picture
    assert content_of(fetch(museum, scratch, packed(gzip.compress(SCAN), "gzip"))[0]) == SCAN
    bomb = packed(gzip.compress(bytes(5_000_000)), "gzip")
    assert reason(museum, scratch, bomb) == "too_large"
    assert reason(museum, scratch, packed(picture, "br")) == "unsupported_encoding"
    cut = packed(gzip.compress(picture)[:-6], "gzip")
    assert reason(museum, scratch, cut, num_tries=1) == "truncated"
    assert not [path for path in scratch.iterdir() if path.suffix == ".part"]


def test_a_body_beyond_the_cap_is_refused_before_it_comes(museum, scratch):
    url = museum.tell("/a", scan())
    (error,) = fetch(museum, scratch, url, job={"max_bytes": 1_000_000})
    assert error.reason == "too_large"
    assert error.detail == f"{len(SCAN)} bytes, allowed: 1000000"


def test_a_body_beyond_the_cap_is_refused_although_it_says_nothing(museum, scratch):
    def unannounced(sink):
        sink.write(SCAN)

    url = museum.tell("/a", Reply(200, headers={"Connection": "close"}, send=unannounced))
    (error,) = fetch(museum, scratch, url, job={"max_bytes": 1_000_000})
    assert (error.reason, error.may_pass) == ("too_large", False)
    assert not scratch.exists()


def test_a_resumed_body_beyond_the_cap_is_refused(museum, scratch):
    part = {"ETag": '"one"', "Content-Range": "bytes 1500000-8999999/9000000"}
    url = museum.tell("/a", broken_off(scan(), 1_500_000), Reply(206, SCAN, part))
    (error,) = fetch(museum, scratch, url)
    assert error.reason == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"\n<!-- x --> <!DOCTYPE html><title>not a picture</title>",
        b"<HTML><body>not a picture</body></HTML>",
        b"<html>" + SCAN,
    ],
)
def test_a_web_page_in_disguise_is_refused(museum, scratch, body):
    assert reason(museum, scratch, museum.tell("/a", scan(body=body))) == "not_an_image"
    assert museum.count("/a") == 1
    assert not scratch.exists()


def test_a_web_page_is_refused(museum, scratch):
    assert reason(museum, scratch, museum.tell("/a", page())) == "not_an_image"
    assert museum.count("/a") == 1


@pytest.mark.parametrize("value", ["noai", "noindex, noimageai", "NOAI"])
def test_who_has_opted_out_is_left_out(museum, scratch, value):
    url = museum.tell("/a", scan(X_Robots_Tag=value))
    assert reason(museum, scratch, url) == "opted_out"


def test_an_ordinary_robots_tag_forbids_nothing(museum, scratch):
    (found,) = fetch(museum, scratch, museum.tell("/a", scan(X_Robots_Tag="noindex, noairplanes")))
    assert content_of(found) == SCAN


def test_one_large_file_twice_at_the_same_time_comes_twice(museum, scratch):
    url = museum.tell("/a", scan())
    one, other = fetch(museum, scratch, url, url)
    assert content_of(one) == content_of(other) == SCAN
    assert one.content != other.content


def test_a_whole_file_of_a_killed_run_is_taken_if_its_digest_is_known(museum, scratch):
    url = museum.tell("/a", scan())
    fetch(museum, scratch, url)
    (found,) = fetch(museum, scratch, url, job={"sha1": hashlib.sha1(SCAN).hexdigest()})
    assert content_of(found) == SCAN
    assert found.sha256 == sha256(SCAN)
    assert len(museum.asked) == 1
    assert [*scratch.iterdir()] == [found.content]


@pytest.mark.parametrize("published", [{}, {"sha1": hashlib.sha1(b"another").hexdigest()}])
def test_a_whole_file_of_a_killed_run_that_nothing_vouches_for_is_fetched_anew(
    museum, scratch, published
):
    url = museum.tell("/a", scan())
    fetch(museum, scratch, url)
    fetch(museum, scratch, url, job=published, num_tries=1)
    assert len(museum.asked) == 2
    assert len([*scratch.iterdir()]) == (0 if published else 1)


def test_nothing_secret_is_written_to_the_disk(museum, scratch):
    path = "/a"
    museum.tell(path, broken_off(scan(), 1_500_000))
    url = f"{museum.url}{path}?token=secret"
    job = {"headers": {"Authorization": "Bearer secret"}}
    assert reason(museum, scratch, url, num_tries=1) == "truncated"
    fetch(museum, scratch, url, num_tries=1, job=job)
    files = [*scratch.iterdir()]
    assert len(files) == 2
    for file in files:
        assert "secret" not in file.name
        assert b"secret" not in file.read_bytes()


def test_a_full_disk_is_no_fault_of_the_file(museum, scratch, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Parts, "create", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(museum, scratch, museum.tell("/a", scan()))


FAR_WEST = "Mon, 20 Nov 1995 19:12:08 +9999999999999"


@pytest.mark.parametrize(
    "odd",
    [
        status(503, Retry_After=FAR_WEST),
        broken_off(scan(None, Last_Modified=FAR_WEST, Date=SENT), 1000),
        broken_off(scan(None, Last_Modified="Thu, 01 Jan\t2026 11:00:00 GMT", Date=SENT), 1000),
        Reply(302, headers={"Location": "http://[::1]@/"}),
        Reply(200, headers={"Content-Length": "1" * 5000}, send=lambda sink: sink.write(SCAN)),
        Reply(206, SCAN[1000:], {"ETag": '"one"', "Content-Range": f"bytes {'1' * 5000}-2/3"}),
    ],
    ids=["patience", "date", "tab", "location", "length", "range"],
)
def test_an_odd_header_costs_its_file_one_try_and_no_other_file_anything(museum, scratch, odd):
    half = broken_off(scan(), 1000)
    url = museum.tell("/a", *([half] if odd.status == 206 else []), odd, scan())
    _, other = fetch(
        museum, scratch, url, museum.url + "/b", num_tries=len(museum.replies["/a"]) - 1
    )
    assert other.content == b"a picture"
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN


def test_a_file_for_which_there_is_no_room_is_left_to_the_next_run(museum, scratch, monkeypatch):
    url, small = museum.tell("/a", scan()), museum.url + "/b"
    with monkeypatch.context() as patch:
        disk = SimpleNamespace(free=SPARE_BYTES + len(SCAN) - 1)
        patch.setattr("wunderkammer.conduct.parts.disk_usage", lambda _: disk)
        settings = {"max_failures_in_a_row": 1, "max_connections": 1}
        error, other, again = fetch(museum, scratch, url, small, url, **settings)
    assert (error.reason, again.reason, error.may_pass) == ("disk_full", "disk_full", True)
    assert re.search(f"{len(SCAN)} bytes, free .*make room", error.detail)
    assert other.content == b"a picture"
    assert museum.count("/a") == 2
    (found,) = fetch(museum, scratch, url)
    assert content_of(found) == SCAN


CURABLE = sorted(set(FAULTS) - {"endless", "gzip_bomb", "drip", "to_metadata", "to_file"})


@settings(max_examples=40)
@given(faults=st.lists(st.sampled_from([*CURABLE, "broken"]), max_size=5), large=st.booleans())
def test_whatever_went_wrong_before_the_content_is_the_same(tmp_path_factory, faults, large):
    body = SCAN[:1_100_000] if large else SCAN[:4000]
    with running(Museum()) as museum, pytest.MonkeyPatch.context() as patch:
        patch.setattr("wunderkammer.conduct.replies.MAX_RETRY_AFTER_S", 0.01)
        url = museum.tell("/a", scan(body=body))
        left = iter(faults)
        museum.fault = lambda _: next(left, None)
        museum.spoil = lambda _, reply: broken_off(reply, len(body) * 2 // 3)
        scratch = tmp_path_factory.mktemp("scratch")
        for _ in range(len(faults) + 1):
            (found,) = fetch(museum, scratch, url, job={"num_bytes": len(body)}, num_tries=1)
        assert content_of(found) == body
        assert found.sha256 == sha256(body)


def peak_bytes(museum, scratch, job: Download) -> int:
    async def do(network):
        tracemalloc.start()
        with suppress(FetchError):
            await network.download(job)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    return use(museum, scratch, do)


def test_bytes_do_not_gather_in_memory(museum, scratch):
    def send(sink):
        for _ in range(60):
            sink.write(bytes(1_000_000))

    url = museum.tell("/a", Reply(200, headers={"Content-Length": "60000000"}, send=send))
    job = Download(url=url, max_bytes=100_000_000)
    assert peak_bytes(museum, scratch, job) < 12_000_000


def test_a_bomb_is_not_unpacked_beyond_the_cap(museum, scratch):
    url = museum.tell("/a", Reply(200, gzip.compress(bytes(60_000_000)), PACKED))
    assert peak_bytes(museum, scratch, Download(url=url, max_bytes=1_000_000)) < 12_000_000


def test_an_answer_other_than_the_content_is_no_content(museum, scratch):
    assert reason(museum, scratch, museum.tell("/a", status(206))) == "bad_range"
    assert reason(museum, scratch, museum.tell("/b", status(416))) == "http_416"
