"""Servers that drag, flood, lie and lead astray cost a row with its reason, and little time."""

import gzip
import io
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from endless_forams_stand_in import EndlessForamsStandIn
from exhibits import EXHIBITS, conduct, params_of
from internet_archive_stand_in import InternetArchiveStandIn
from listings import pages_of
from pdf_files import encrypted, hanging, inked, pdf
from scraping import Scraper, picture
from stand_in import FAULTS, Asked, Reply, StandIn, running

from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources import containers
from wunderkammer.sources.open_source import LISTINGS
from wunderkammer.workers import Workers

PATIENCE = {"timeout_s": 0.4, "max_download_s": 2.0, "num_tries": 1}
MAX_FILE_BYTES = 200_000
# Of a machine that does other things besides.
MAX_S = 30.0

Sink = Any


def flood(first: bytes, again: bytes) -> Callable[[Sink], None]:
    """Writes without an end, as long as somebody reads."""

    def send(sink: Sink) -> None:
        sink.write(first)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            sink.write(again)

    return send


def trickle(sink: Sink) -> None:
    """Fast enough for no limit of speed, and without an end."""
    for _ in range(400):
        sink.write(b"x" * 400)
        sink.flush()
        time.sleep(0.05)


def endless(send: Callable[[Sink], None], **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(200, headers={"Connection": "close", **named}, send=send)


def to(where: str) -> Reply:
    return Reply(302, headers={"Location": where})


def huge_png() -> bytes:
    """A picture of 1.6 gigapixels, as it says."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(9))
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, body)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


GOOD = Reply(200, picture(1), {"Content-Type": "image/png"})
# An empty member, again and again: what it unpacks to never grows.
NOTHING = gzip.compress(b"") * 3000
# What a site gives, and the reason that the row of its URL has then.
CASES: dict[str, tuple[Reply, str | None]] = {
    "good": (GOOD, None),
    "drip": (replace(FAULTS["drip"](GOOD), headers={"Content-Length": "900"}), "timed_out"),
    "trickle": (endless(trickle), "timed_out"),
    "silent": (endless(lambda _: time.sleep(3)), "timed_out"),
    "endless": (endless(flood(b"", bytes(1 << 16))), "too_large"),
    "endless-packed": (
        endless(flood(b"", NOTHING), Content_Encoding="gzip", Content_Type="image/png"),
        "too_large",
    ),
    "announced": (replace(GOOD, headers={"Content-Length": str(10**15)}), "too_large"),
    "truncated": (FAULTS["truncated"](GOOD), "truncated"),
    "wrong-length": (FAULTS["wrong_length"](GOOD), "truncated"),
    "no-length": (Reply(200, GOOD.body, {"Content-Length": "-5"}), "bad_response"),
    "gzip-bomb": (FAULTS["gzip_bomb"](GOOD), "too_large"),
    "odd-packing": (replace(GOOD, headers={"Content-Encoding": "br"}), "unsupported_encoding"),
    "many-headers": (
        Reply(200, b"x", {f"X-{number}": "y" * 900 for number in range(900)}),
        "truncated",
    ),
    "page": (FAULTS["200_html"](GOOD), "not_an_image"),
    "no-picture": (Reply(200, b"{}"), "not_an_image"),
    "huge": (Reply(200, huge_png()), "too_many_pixels"),
    "to-metadata": (FAULTS["to_metadata"](GOOD), "private_address"),
    "to-file": (FAULTS["to_file"](GOOD), "bad_url"),
    "to-itself": (to("/to-itself.png"), "too_many_redirects"),
    "to-a-private-address": (to("http://[::ffff:10.0.0.1]/"), "private_address"),
    "to-a-number": (to("http://2130706433/"), "bad_url"),
    "to-another-port": (to("http://127.0.0.1:22/"), "private_address"),
    "to-a-password": (to("http://me:word@example.org/"), "user_info_in_url"),
}
# URLs of the list itself, whoever wrote it.
ASTRAY = {
    "http://169.254.169.254/latest/meta-data/": "private_address",
    "http://[fd00:ec2::254]/latest/meta-data/": "private_address",
    "http://0.0.0.0/": "private_address",
    "http://localhost:1/": "private_address",
    f"http://{socket.gethostname()}:1/": "private_address",
    "file:///etc/passwd": "bad_url",
    "gopher://127.0.0.1:6379/_SET": "bad_url",
    "http://": "bad_url",
    "no url": "bad_url",
}


class Trickster(StandIn):
    """Gives the reply of the case that the path names."""

    def answer(self, asked: Asked) -> Reply:
        name = asked.path.removeprefix("/").removesuffix(".png")
        return CASES[name][0] if name in CASES else Reply(404)


def test_each_hostile_answer_is_a_row_with_its_reason_and_the_scrape_ends(scraper):
    with running(Trickster()) as site:
        urls = {f"{site.url}/{name}.png": reason for name, (_, reason) in CASES.items()} | ASTRAY
        (scraper.root / "list.csv").write_text("\n".join(["url", *urls]))
        began = time.monotonic()
        built = scraper(
            kind="urls",
            path="list.csv",
            max_file_mb=MAX_FILE_BYTES / 1e6,
            conduct=conduct(site, **PATIENCE),
        )
        assert time.monotonic() - began < MAX_S
    rows = scraper.rows(built)
    assert {id_: rows[id_]["reason"] for id_ in urls} == urls
    assert all(row["detail"] for row in rows.values() if row["reason"] is not None)
    summary = built.record.summary
    assert (summary.num_in, summary.num_out) == (len(urls), 1)
    assert sum(summary.rejections.values()) == len(urls) - 1
    leftovers = [f for f in (scraper.root / "data" / "scratch").rglob("*") if f.is_file()]
    assert sum(file.stat().st_size for file in leftovers) <= 2 * MAX_FILE_BYTES, leftovers


LISTING_CASES: dict[str, Reply] = {
    "drip": FAULTS["drip"](GOOD),
    "endless": endless(flood(b"[", b" " * (1 << 16)), Content_Type="application/json"),
    "gzip bomb": Reply(200, gzip.compress(b" " * 64_000_000, 1), {"Content-Encoding": "gzip"}),
    "packed nothing": endless(flood(b"", NOTHING), Content_Encoding="gzip"),
    "to metadata": FAULTS["to_metadata"](GOOD),
    "to file": FAULTS["to_file"](GOOD),
    "deep": Reply(200, b"[" * 200_000),
    "deep objects": Reply(200, b'{"results":' * 50_000),
    "long number": Reply(200, b'{"total": ' + b"9" * 100_000 + b"}"),
    "no text": Reply(200, b'{"results": "\xff\xfe"}'),
    "nothing": Reply(200, b""),
    "null": Reply(200, b"null"),
    "infinite": Reply(200, b'{"total": Infinity, "results": NaN}'),
}
ON_THE_NETWORK = sorted(set(EXHIBITS) - {"combine", "instaloader_folder", "urls"})


@pytest.mark.parametrize("kind", ON_THE_NETWORK)
def test_no_answer_to_a_question_breaks_or_blocks_a_listing(kind, tmp_path, monkeypatch):
    """The smallest answers that are refused have 2 MB here, and 32 MB otherwise."""
    monkeypatch.setattr("wunderkammer.conduct.requests.Request.max_bytes", 2_000_000)
    monkeypatch.setattr("wunderkammer.sources.endless_forams.REQUESTS_PER_S", 1e6)
    with EXHIBITS[kind](tmp_path) as exhibit:
        for name, value in exhibit.secrets.items():
            monkeypatch.setenv(name, value)
        section = {**exhibit.section, "conduct": {**exhibit.section["conduct"], **PATIENCE}}
        params = params_of(section)
        began = time.monotonic()
        for reply in LISTING_CASES.values():
            monkeypatch.setattr(exhibit.site, "answer", lambda _, reply=reply: reply)
            with pytest.raises(FetchError) as caught:
                pages_of(lambda network: LISTINGS[type(params)](params, network), params.conduct)
            assert caught.value.reason
        assert time.monotonic() - began < MAX_S


def zipped(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def locked(archive: bytes) -> bytes:
    """The zip file with its members marked as encrypted."""
    data = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


CAPSULES: dict[str, tuple[bytes, dict[str, str | None]]] = {
    "Bomba bomba": (
        zipped({"a.png": picture(1), "bomb.png": bytes(50_000_000)}),
        {"/a.png": None, "/bomb.png": "too_large"},
    ),
    "Bomba minor": (zipped({"bomb.png": bytes(150_000)}), {"/bomb.png": "bomb"}),
    "Clausa clausa": (locked(zipped({"a.png": picture(2)})), {"/a.png": "encrypted"}),
    "Fracta fracta": (zipped({"a.png": picture(3)})[:-8], {"": "damaged_zip"}),
    "Fuga fuga": (zipped({"../../a.png": picture(4)}), {"/../../a.png": "traversal"}),
    "Pagina pagina": (b"<html>later", {"": "not_an_image"}),
    "Bona bona": (zipped({"a.png": picture(5)}), {"/a.png": None}),
}


@pytest.fixture
def guarded(monkeypatch) -> None:
    """Real worker processes, of little patience."""
    patient = partial(Workers, num_workers=1, item_timeout_s=2.0)
    monkeypatch.setattr("wunderkammer.sources.scrape.Workers", patient)
    monkeypatch.setattr(containers, "MAX_COUNTING_S", 2.0)
    monkeypatch.setattr(containers, "MAX_UNPACKING_S", 3.0)
    monkeypatch.setattr("wunderkammer.sources.endless_forams.REQUESTS_PER_S", 1e6)


def test_bad_capsules_are_rows_and_the_good_one_is_unpacked(tmp_path, guarded):
    with running(EndlessForamsStandIn()) as site:
        site.amounts = dict.fromkeys(CAPSULES, 1)
        monkeypatched = site.answer

        def answer(asked: Asked) -> Reply:
            name = asked.path.split("/")[3].replace("%20", " ") if "download" in asked.path else ""
            return Reply(200, CAPSULES[name][0]) if name else monkeypatched(asked)

        site.answer = answer  # type: ignore[method-assign]
        scraper = Scraper(tmp_path)
        section = {"kind": "endless_forams", "base_url": site.url, "max_file_mb": 0.2}
        built = scraper(**section, conduct=conduct(site, **PATIENCE))
    rows = {id_: row["reason"] for id_, row in scraper.rows(built).items()}
    assert rows == {
        f"{species}{name}": reason
        for species, (_, members) in CAPSULES.items()
        for name, reason in members.items()
    }


@pytest.mark.slow
def test_bad_documents_are_rows_and_the_good_one_is_drawn(tmp_path, guarded):
    with running(InternetArchiveStandIn()) as site:
        documents = {
            "good": pdf(inked(0.1), inked(0.2)),
            "hanging": hanging(),
            "lurking": hanging(inked(0.1), b"/X Do", inked(0.2), inked(0.3)),
            "locked": encrypted(inked(0.1)),
            "cut": pdf(inked(0.1))[:60],
            "page": b"<html>later</html>",
        }
        for name, content in documents.items():
            site.publish(name)
            site.file(name, f"{name}.pdf", content)
        scraper = Scraper(tmp_path)
        section = {"kind": "internet_archive", "collection": "MBLWHOI", "dpi": 36}
        section |= {"base_url": site.url, "requests_per_minute": 1e6}
        began = time.monotonic()
        built = scraper(**section, conduct=conduct(site, **PATIENCE))
        assert time.monotonic() - began < 3 * MAX_S
    assert {id_: row["reason"] for id_, row in scraper.rows(built).items()} == {
        "good#p0001": None,
        "good#p0002": None,
        "hanging": "timed_out",
        "lurking#p0001": None,
        "lurking#p0002": "timed_out",
        "lurking#p0003": None,
        "lurking#p0004": None,
        "locked": "encrypted",
        "cut": "damaged_pdf",
        "page": "not_an_image",
    }
