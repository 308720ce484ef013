import http.client
import json
import re
import socket
import threading

import pytest
import uvicorn
from review_kit import SUBJECT, fill, session, wish

from wunderkammer.review.app import MAX_BODY_BYTES, PAGE, review_app
from wunderkammer.review.guard import POLICY, is_loopback
from wunderkammer.review.journal import read_decisions
from wunderkammer.review.pictures import Pictures
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

TOKEN = "the-token-of-this-start"
JSON = {"Content-Type": "application/json", "X-Review-Token": TOKEN}


class Site:
    """A review page that is being served, and the simplest of clients."""

    def __init__(self, store, port):
        self.store = store
        self.port = port
        self.version = self.get("api/opening").json["version"]

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", f"/{TOKEN}/{path}", headers=headers)

    def post(self, *wishes, headers=JSON, body=None):
        told = {"version": self.version, "since": 0, "decisions": wishes}
        return self.request(
            "POST", f"/{TOKEN}/api/decide", json.dumps(told) if body is None else body, headers
        )

    @property
    def decisions(self):
        return read_decisions(self.store, SUBJECT)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    store = Store(str(tmp_path_factory.mktemp("store")))
    fill(store, 4)
    Blobs(store).store.delete(Blobs.key(session(store).deck().crops.column("sha256")[3]))
    app = review_app(session(store), Pictures(Blobs(store)), token=TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Site(store, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_the_page_and_its_parts_have_their_types(served):
    types = {
        "": "text/html",
        "main.js": "text/javascript",
        "style.css": "text/css",
        "icon.svg": "image/svg+xml",
        "api/opening": "application/json",
        f"thumb/{served.version}/0": "image/jpeg",
        f"picture/{served.version}/0": "image/jpeg",
    }
    for path, kind in types.items():
        answer = served.get(path)
        assert answer.status == 200, path
        assert answer.headers.get_content_type() == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_names_no_address_of_elsewhere():
    for file in PAGE.iterdir():
        found = set(re.findall(r"""["'(]((?:[a-z]+:)?//[^"')]+)""", file.read_text()))
        assert found <= {"http://www.w3.org/2000/svg"}, file.name


def test_every_answer_forbids_what_the_page_does_not_need(served):
    for answer in (
        served.get(""),
        served.get("api/opening"),
        served.get("nothing"),
        served.request("GET", "/"),
        served.post(wish(0), headers={}),
    ):
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Set-Cookie" not in answer.headers
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY


def test_pictures_may_be_kept_by_the_browser_and_nothing_else(served):
    assert "immutable" in served.get(f"thumb/{served.version}/0").headers["Cache-Control"]
    assert served.get("api/opening").headers["Cache-Control"] == "no-store"
    assert served.get("").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/", "/api/opening", "/wrong/api/opening", "/the-token", "//", "*"]
)
def test_without_the_token_nothing_is_shown(served, path):
    assert served.request("GET", path).status in (400, 403)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 403),
        ({**JSON, "X-Review-Token": "wrong"}, 403),
        ({**JSON, "X-Review-Token": TOKEN + "é"}, 403),
        ({**JSON, "Origin": "https://elsewhere.example"}, 403),
        ({**JSON, "Origin": "null"}, 403),
        ({**JSON, "Origin": "http://["}, 403),
        ({**JSON, "Origin": "//127.0.0.1"}, 403),
        ({**JSON, "Content-Type": "text/plain"}, 415),
        ({"X-Review-Token": TOKEN}, 415),
    ],
)
def test_a_decision_of_elsewhere_is_refused(served, headers, status):
    before = len(served.decisions)
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    assert served.post(wish(0), headers=headers).status == status
    assert len(served.decisions) == before


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "localhost:x", "", "10.0.0.1:80"]
)
def test_a_name_of_elsewhere_that_points_here_is_refused(served, host):
    assert served.get("api/opening", Host=host).status == 421
    assert served.post(wish(0), headers={**JSON, "Host": host}).status == 421


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_this_machine_by_any_of_its_names_and_ports_is_served(served, host):
    assert is_loopback(host)
    assert served.get("api/opening", Host=host).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "page/../../app.py",
        "....//app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "main.js%00.html",
        "thumb/../../../etc/passwd/0",
    ],
)
def test_no_path_leads_out_of_the_page(served, path):
    answer = served.get(path)
    assert answer.status in (400, 403, 404)
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"version": "x", "since": 0, "decisions": []}', 422),
        (b'{"version": "x", "since": NaN, "decisions": []}', 422),
        (b" " * (MAX_BODY_BYTES + 1), 413),
    ],
)
def test_a_body_that_is_no_decision_is_refused(served, body, status):
    before = len(served.decisions)
    assert served.post(body=body).status == status
    assert len(served.decisions) == before


def test_a_body_without_end_is_cut_off(served):
    def endless():
        for _ in range(1000):
            yield b" " * 65536

    try:
        answer = served.post(body=endless(), headers={**JSON, "Transfer-Encoding": "chunked"})
    except (BrokenPipeError, ConnectionResetError):
        return
    assert answer.status == 413


def test_too_many_decisions_at_once_are_refused(served):
    answer = served.post(*[wish(0) for _ in range(501)])
    assert answer.status == 422
    assert "500" in answer.text


def test_a_decision_is_kept_before_it_is_answered(served):
    one = wish(1, "reject", reason="several")
    answer = served.post(one)
    assert answer.status == 200
    assert answer.json["rows"][0][:5] == [1, "reject", "several", "ann", one["id"]]
    assert one["id"] in {decision.id for decision in served.decisions}
    assert served.get(f"api/changes?version={served.version}&since=0").json["rows"]
    assert served.post(wish(1, "undo", undoes=one["id"])).json["rows"] == [[1]]


def test_the_details_of_a_crop_are_texts_with_its_history(served):
    served.post(wish(2))
    told = served.get(f"api/details?version={served.version}&row=2").json
    assert told["author"] == "Ann & <Bob> 2"
    assert "licence" not in told
    assert told["history"][-1]["decision"] == "accept"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("api/changes?version=none&since=0", 409),
        ("api/changes?since=0", 409),
        ("api/changes?version={}&since=-1", 409),
        ("api/changes?version={}&since=99999999999999999999", 409),
        ("api/details?version={}&row=99", 409),
        ("thumb/{}/99", 409),
        ("thumb/none/0", 409),
        ("thumb/{}/x", 404),
        ("thumb/{}/3", 404),
        ("api/decide", 405),
    ],
)
def test_what_is_not_there_is_said(served, path, status):
    answer = served.get(path.format(served.version))
    assert answer.status == status
    assert "Traceback" not in answer.text


def test_a_disk_that_is_full_is_told_as_such(served, monkeypatch):
    from wunderkammer.review import journal

    def full(_path, _content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_append_synced", full)
    before = len(served.decisions)
    answer = served.post(wish(0))
    assert answer.status == 503
    assert "No space left" in answer.text
    assert len(served.decisions) == before
