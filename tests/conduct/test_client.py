import asyncio
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from museum import CONTACT, Museum, conduct, status, wire
from stand_in import running

from wunderkammer.conduct.bodies import Body
from wunderkammer.conduct.budget import NetworkStats
from wunderkammer.conduct.client import Client
from wunderkammer.conduct.errors import FetchError


def ask(*urls: str, ports: tuple[int, ...], max_bytes: int = 1_000_000, **settings):
    """One answer after the other, on the same client: (status, body), or the error."""

    async def run():
        params = conduct(*ports, **settings)
        client = Client(params, contact=CONTACT, stats=NetworkStats(params))
        results = []
        for url in urls:
            body = Body(max_bytes=max_bytes)
            try:
                head, _ = await client.ask(url, host="museum", body=body, headers={})
                results.append((head.status, b"".join(body.chunks)))
            except FetchError as error:
                results.append(error)
        client.close()
        return results

    return asyncio.run(run())


def reason(url: str, *, ports: tuple[int, ...], **settings) -> str:
    (error,) = ask(url, ports=ports, **settings)
    return error.reason


def test_a_connection_is_used_again(museum):
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na picture"
    with wire(whole, keeps_open=True) as server:
        assert ask(*[server.url] * 5, ports=(server.port,)) == [(200, b"a picture")] * 5
        assert server.num_connections == 1


def test_the_page_of_a_failure_is_read_so_that_the_connection_can_be_used_again():
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"
    with wire(gone, keeps_open=True) as server:
        assert ask(*[server.url] * 3, ports=(server.port,)) == [(404, b"")] * 3
        assert server.num_connections == 1


def test_a_long_page_of_a_failure_is_not_read_to_its_end():
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 90000000\r\n\r\n"
    with wire(gone, *[bytes(1 << 16)] * 1000) as server:
        assert ask(server.url, ports=(server.port,)) == [(404, b"")]


def test_a_failure_whose_page_never_comes_is_that_failure():
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nnot"
    with wire(gone, pause_s=1.0) as server:
        assert ask(server.url, ports=(server.port,), timeout_s=0.2) == [(404, b"")]


def test_what_comes_before_the_answer_is_skipped():
    hints = b"HTTP/1.1 103 Early Hints\r\nETag: hint\r\n\r\n"
    with wire(hints, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as server:
        assert ask(server.url, ports=(server.port,)) == [(200, b"ok")]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"hello, who is there?\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "bad_response"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 500_000, "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nx", "unsupported_encoding"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n", "too_large"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1_000_001), "too_large"),
        (b"HTTP/1.1 200 OK\r\nETag: a\r\n", "truncated"),
        (b"HTTP/1.1 200 OK\r\nETa", "truncated"),
        (b"", "connection_failed"),
    ],
)
def test_an_answer_that_is_none_has_its_reason(sent, expected):
    with wire(sent) as server:
        assert reason(server.url, ports=(server.port,)) == expected


@pytest.mark.parametrize(
    "chunks",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", *[b"."] * 200],
        [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 200],
    ],
    ids=["body", "headers"],
)
def test_a_drip_does_not_hang_the_client(chunks):
    with wire(*chunks, pause_s=0.06) as server:
        assert reason(server.url, ports=(server.port,), timeout_s=0.2) == "timed_out"


def test_silence_does_not_hang_the_client():
    with wire(pause_s=1.0, keeps_open=True) as server:
        assert reason(server.url, ports=(server.port,), timeout_s=0.2) == "timed_out"


def test_a_download_that_goes_on_and_on_comes_to_an_end():
    chunks = [b"HTTP/1.1 200 OK\r\n\r\n", *[bytes(1000)] * 1000]
    with wire(*chunks, pause_s=0.005) as server:
        (error,) = ask(server.url, ports=(server.port,), max_download_s=0.2)
    assert error.reason == "timed_out"
    assert "max_download_s=0.2" in error.detail


def test_slow_but_steady_is_fast_enough():
    chunks = [b"HTTP/1.1 200 OK\r\nContent-Length: 16000\r\n\r\n", *[bytes(400)] * 40]
    with wire(*chunks, pause_s=0.01) as server:
        answers = ask(server.url, ports=(server.port,), timeout_s=0.3, min_kb_per_s=2.0)
    assert answers == [(200, bytes(16000))]


def test_a_server_that_trickles_is_broken_off_by_default():
    chunks = [b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", *[bytes(150)] * 60]
    with wire(*chunks, pause_s=0.05) as server:
        assert reason(server.url, ports=(server.port,), timeout_s=0.3) == "timed_out"


def test_a_server_may_think_as_long_as_it_may_be_silent():
    chunks = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", *[bytes(500)] * 40]
    with wire(*chunks, pause_s=0.01, first_pause_s=0.25) as server:
        settings = {"timeout_s": 0.3, "min_kb_per_s": 15.0}
        assert ask(server.url, ports=(server.port,), **settings) == [(200, bytes(20000))]


def test_waiting_for_a_server_costs_nothing():
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with wire(b"", late, first_pause_s=0.4, pause_s=0.01) as server:
        began = time.process_time()
        assert ask(server.url, ports=(server.port,)) == [(200, b"ok")]
        assert time.process_time() - began < 0.2


def test_a_process_that_is_busy_blames_no_server():
    async def run(port: int) -> int:
        params = conduct(port, timeout_s=0.2)
        client = Client(params, contact=CONTACT, stats=NetworkStats(params))
        asked = client.ask(
            f"http://127.0.0.1:{port}", host="museum", body=Body(max_bytes=99), headers={}
        )
        task = asyncio.create_task(asked)
        await asyncio.sleep(0.02)
        time.sleep(0.4)
        head, _ = await task
        client.close()
        return head.status

    late = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with wire(b"", late, pause_s=0.1) as server:
        assert asyncio.run(run(server.port)) == 200


def test_a_name_that_leads_into_the_private_network_is_refused(museum):
    url = f"http://localhost:{museum.port}/a"
    (error,) = ask(url, ports=())
    assert error.reason == "private_address"
    assert "127.0.0.1" in error.detail
    assert museum.asked == []
    assert ask(url, ports=(museum.port,)) == [(200, b"a picture")]


def test_the_address_that_is_judged_is_the_one_that_is_connected_to(museum, monkeypatch):
    judged = []

    def note(address, port, *, loopback_ports):
        judged.append((address, port))
        return len(judged) > 1

    monkeypatch.setattr("wunderkammer.conduct.client.is_allowed", note)
    url = f"http://127.0.0.1:{museum.port}/a"
    refused, answered = ask(url, url, ports=())
    assert refused.reason == "private_address"
    assert answered == (200, b"a picture")
    assert judged == [("127.0.0.1", museum.port)] * 2
    assert len(museum.asked) == 1


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_long_addresses_are_judged_too():
    with wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", address="::1") as server:
        url = f"http://[::1]:{server.port}/a"
        assert reason(url, ports=()) == "private_address"
        assert ask(url, ports=(server.port,)) == [(200, b"ok")]
        assert server.num_connections == 1


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_no_proxy_of_the_environment_gets_around_the_judgement(museum, monkeypatch, name):
    with running(Museum()) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert reason("http://10.0.0.1/a", ports=(proxy.port,)) == "private_address"
        assert ask(museum.url, ports=(museum.port,)) == [(200, b"a picture")]
        assert proxy.asked == []


def test_no_password_of_this_machine_and_no_cookie_is_sent(museum, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login curator password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    museum.tell("/a", status(200, Set_Cookie="visitor=1; Path=/"))
    ask(museum.url + "/a", museum.url + "/a", ports=(museum.port,))
    for asked in museum.asked:
        assert not {"Authorization", "Cookie"} & set(asked.headers)


def test_no_redirect_is_followed(museum):
    museum.tell("/a", status(302, Location="/b"))
    assert ask(museum.url + "/a", ports=(museum.port,)) == [(302, b"")]
    assert museum.paths() == ["/a"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://127.0.0.1/"])
def test_no_other_protocol_is_spoken(url, museum):
    assert reason(url, ports=(museum.port,)) == "bad_response"


def test_nobody_listening_is_a_failed_connection(museum):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    (error,) = ask(f"http://127.0.0.1:{port}/a", ports=(port,))
    assert (error.reason, error.may_pass) == ("connection_failed", True)


def test_a_name_that_nobody_has_is_told():
    (error,) = ask("http://museum.invalid/a", ports=())
    assert (error.reason, error.may_pass) == ("unknown_host", True)


def test_a_server_without_a_certificate_is_refused(museum):
    (error,) = ask(f"https://127.0.0.1:{museum.port}/a", ports=(museum.port,))
    assert error.reason == "connection_failed"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of this machine that nobody vouches for, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    subprocess.run([*command, "-keyout", file, "-out", file], check=True, capture_output=True)
    return file


def test_a_server_is_trusted_if_somebody_vouches_for_it(certificate, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", tls=tls) as server:
        url = f"https://localhost:{server.port}/a"
        (error,) = ask(url, ports=(server.port,))
        assert (error.reason, error.may_pass) == ("tls_failed", False)
        assert server.received == b""
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert ask(url, ports=(server.port,)) == [(200, b"ok")]


def test_bytes_are_counted_while_they_come(museum):
    async def run():
        params = conduct(museum.port)
        stats = NetworkStats(params)
        client = Client(params, contact=CONTACT, stats=stats)
        for _ in range(2):
            await client.ask(museum.url, host="museum", body=Body(max_bytes=99), headers={})
        client.close()
        return stats

    stats = asyncio.run(run())
    assert stats.num_bytes == stats.bytes_by_host["museum"] == 2 * len(b"a picture")


def test_a_header_with_a_second_one_hidden_in_it_is_not_sent(museum):
    async def run():
        params = conduct(museum.port)
        client = Client(params, contact=CONTACT, stats=NetworkStats(params))
        hidden = {"If-None-Match": '"a"\r\nHost: elsewhere'}
        try:
            await client.ask(museum.url, host="m", body=Body(max_bytes=99), headers=hidden)
        finally:
            client.close()

    with pytest.raises(ValueError, match="If-None-Match holds a control character"):
        asyncio.run(run())
    assert museum.asked == []
