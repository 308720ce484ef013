import io
import pickle
import stat
import struct
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_files import encrypted, hanging, inked, pdf
from PIL import Image, features
from scraping import page_image, picture

from wunderkammer.images.decode import probe
from wunderkammer.sources import containers, pdf_pages
from wunderkammer.sources.container_params import PageParams, ZipParams, without_containers
from wunderkammer.sources.containers import ContainerItem, Containers, form_fault, unpack
from wunderkammer.sources.item import RefusedItem, SourceItem, UnreadableItemError
from wunderkammer.sources.pdf_pages import PdfPageItem
from wunderkammer.sources.zip_members import ZipLimits
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

PROVENANCE = {
    "source": "library",
    "url": "https://example.org/a",
    "landing_page": "https://example.org/about/a",
    "author": "A. Uthor",
    "licence": "CC0 1.0",
    "licence_url": "https://example.org/cc0",
    "title": "A book",
    "tags": ("old", "paper"),
    "label": "book",
    "taken_at": "1901",
    "fetched_at": "2026-01-01T00:00:00+00:00",
    "headers": "{}",
}


def map_here(fn, items, *, workers):
    for item in items:
        yield [(item, fn(item))]


class Cellar:
    """A store, and containers of which new ones are looked into in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(str(root / "data"))

    def containers(self, params: ZipParams | None = None, max_bytes: int = 10_000) -> Containers:
        return Containers(
            params or PageParams(dpi=72),
            store=self.store,
            ledger="ledger",
            max_bytes=max_bytes,
            max_pixels=1_000_000,
        )

    def pdf(self, content: bytes, **changes: object) -> ContainerItem:
        sha256 = Blobs(self.store).put(content)
        return ContainerItem(
            **{**PROVENANCE, "id": "a", "form": "pdf", "sha256": sha256, **changes}
        )

    def zip(self, content: bytes, **changes: object) -> ContainerItem:
        path = self.root / "download"
        path.write_bytes(content)
        known = {"id": "a", "form": "zip", "sha256": f"{hash(content):064x}", "path": path}
        return ContainerItem(**{**PROVENANCE, **known, **changes})

    def items(self, item: ContainerItem, params: ZipParams | None = None) -> list[SourceItem]:
        (items,) = self.containers(params).open([item])
        return items


@pytest.fixture
def cellar(tmp_path, monkeypatch) -> Cellar:
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", map_here)
    pdf_pages._document.cache_clear()
    return Cellar(tmp_path)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def reasons(items: list[SourceItem]) -> dict[str, str | None]:
    return {item.id: item.reason if isinstance(item, RefusedItem) else None for item in items}


def contents(items: list[SourceItem]) -> dict[str, bytes]:
    return {item.id: item.read() for item in items if not isinstance(item, RefusedItem)}


THREE = pdf(*(inked(share) for share in (0.1, 0.2, 0.3)))
TWO = {"b/2.png": page_image(2), "a/1.png": page_image(1)}


def test_the_pages_of_a_pdf_have_its_provenance_and_belong_together(cellar):
    items = cellar.items(cellar.pdf(THREE))
    assert [item.id for item in items] == ["a#p0001", "a#p0002", "a#p0003"]
    assert len({item.key for item in items}) == 3
    for item in pickle.loads(pickle.dumps(items)):
        assert {name: getattr(item, name) for name in PROVENANCE} == PROVENANCE
        assert item.group == "a"
        assert probe(item.read(), max_pixels=10_000).width == 72
    assert {i.group for i in cellar.items(cellar.pdf(THREE, group="series"))} == {"series"}


def test_the_key_of_a_page_tells_all_that_its_picture_depends_on(cellar):
    looks = [
        {"dpi": 72},
        {"dpi": 73},
        {"dpi": 72, "grey": True},
        {"dpi": 72, "min_ink": 0.5},
    ]
    keys = [i.key for look in looks for i in cellar.items(cellar.pdf(THREE), PageParams(**look))]
    other = cellar.items(cellar.pdf(THREE + b"\n"))
    assert len({*keys, *(item.key for item in other)}) == 15
    again = cellar.items(cellar.pdf(THREE, id="b"), PageParams(dpi=72, max_pages=9))
    assert [item.key for item in again] == keys[:3]


def test_pages_that_the_settings_leave_out_are_counted_and_not_drawn(cellar):
    params = PageParams(dpi=72, skip_first_pages=1, skip_last_pages=2, max_pages=2)
    document = cellar.pdf(pdf(*[inked(0.5)] * 6))
    assert list(reasons(cellar.items(document, params)).values()) == [
        "skipped_page",
        None,
        None,
        "beyond_max_pages",
        "skipped_page",
        "skipped_page",
    ]
    all_skipped = PageParams(skip_first_pages=4, skip_last_pages=4)
    assert set(reasons(cellar.items(document, all_skipped)).values()) == {"skipped_page"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encrypted(inked(0.5)), "encrypted"),
        (b"%PDF-1.7 nothing", "damaged_pdf"),
        (b"<html>gone</html>", "damaged_pdf"),
        (pdf(), "damaged_pdf"),
    ],
)
def test_a_pdf_that_cannot_be_read_is_one_refused_item(cellar, content, reason):
    items = cellar.items(cellar.pdf(content))
    assert reasons(items) == {"a": reason}
    assert items[0].author == PROVENANCE["author"]


def test_a_damaged_pdf_is_not_called_encrypted_after_one_that_is(cellar):
    assert reasons(cellar.items(cellar.pdf(encrypted(inked(0.5))))) == {"a": "encrypted"}
    assert reasons(cellar.items(cellar.pdf(pdf()))) == {"a": "damaged_pdf"}


def test_the_pages_of_a_known_pdf_are_not_counted_again(cellar, monkeypatch):
    before = cellar.items(cellar.pdf(THREE))
    monkeypatch.setattr(containers, "count_pages", lambda *_: pytest.fail("it was opened"))
    assert cellar.items(cellar.pdf(THREE)) == before


def test_the_members_of_a_zip_have_its_provenance_in_the_order_of_their_names(cellar):
    items = cellar.items(cellar.zip(zipped(TWO)))
    assert [item.id for item in items] == ["a/a/1.png", "a/b/2.png"]
    assert contents(pickle.loads(pickle.dumps(items))) == {f"a/{n}": c for n, c in TWO.items()}
    for item in items:
        assert {name: getattr(item, name) for name in PROVENANCE} == PROVENANCE
        assert item.group is None


def test_a_zip_is_unpacked_once_and_then_not_needed(cellar):
    item = cellar.zip(zipped(TWO))
    assert item.sha256 not in cellar.containers().unpacked()
    before = cellar.items(item)
    item.path.unlink()
    assert item.sha256 in cellar.containers().unpacked()
    assert cellar.items(cellar.zip(b"", sha256=item.sha256, path=None)) == before
    assert contents(before) == {f"a/{n}": c for n, c in TWO.items()}


def test_of_two_zips_of_one_content_one_file_is_enough(cellar):
    item = cellar.zip(zipped(TWO))
    twin = replace(item, id="b", path=None)
    first, second = cellar.containers().open([item, twin])
    assert reasons(first) == {"a/a/1.png": None, "a/b/2.png": None}
    assert reasons(second) == {"b/a/1.png": None, "b/b/2.png": None}


def test_a_zip_whose_members_were_deleted_is_unpacked_again(cellar):
    item, other = cellar.zip(zipped(TWO)), cellar.zip(zipped({"3.png": picture(3)}))
    cellar.items(other)
    item.path.write_bytes(zipped(TWO))
    before = cellar.items(item)
    cellar.store.delete(Blobs.key(before[0].sha256))
    assert cellar.containers().unpacked() == {other.sha256}
    assert reasons(cellar.items(cellar.zip(b"", sha256=item.sha256, path=None))) == {
        "a": "unreadable"
    }
    item.path.write_bytes(zipped(TWO))
    assert cellar.items(item) == before
    assert len(contents(before)) == 2
    assert cellar.containers().unpacked() == {item.sha256, other.sha256}


def test_other_limits_need_the_zip_again(cellar):
    item = cellar.zip(zipped({"1.png": picture(1)}))
    cellar.items(item)
    assert cellar.containers(max_bytes=20_000).unpacked() == set()


def test_what_is_no_picture_is_not_listed(cellar):
    members = {"1.PNG": picture(1), "specimens.csv": b"id,age\n", "a/": b"", "readme": b"hello"}
    assert reasons(cellar.items(cellar.zip(zipped(members)))) == {"a/1.PNG": None}
    del members["1.PNG"]
    assert reasons(cellar.items(cellar.zip(zipped(members)))) == {"a": "no_pictures"}
    assert reasons(cellar.items(cellar.zip(zipped({})))) == {"a": "no_pictures"}


def test_the_pages_of_a_zip_are_left_out_like_those_of_a_pdf(cellar):
    members = {f"{number:02}.png": picture(number) for number in range(5)}
    members["bad.png"] = b""
    params = PageParams(skip_first_pages=1, skip_last_pages=1, max_pages=2)
    assert reasons(cellar.items(cellar.zip(zipped(members)), params)) == {
        "a/00.png": "skipped_page",
        "a/01.png": None,
        "a/02.png": None,
        "a/03.png": "beyond_max_pages",
        "a/04.png": "skipped_page",
        "a/bad.png": "empty",
    }
    assert set(reasons(cellar.items(cellar.zip(zipped(members)), ZipParams())).values()) == {
        None,
        "empty",
    }


def test_hostile_members_are_refused_and_the_others_kept(cellar):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../up.png", "/etc/passwd.png", "C:/windows.png", ".hidden.png", "good.png"):
            archive.writestr(name, picture(1))
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.png", bytes(9_000))
        archive.writestr("large.png", bytes(20_000))
    items = cellar.items(cellar.zip(sink.getvalue()), ZipParams(max_ratio=50.0))
    assert reasons(items) == {
        "a/../up.png": "traversal",
        "a//etc/passwd.png": "absolute_path",
        "a/C:/windows.png": "absolute_path",
        "a/.hidden.png": "hidden",
        "a/good.png": None,
        "a/link.png": "link",
        "a/bomb.png": "bomb",
        "a/large.png": "too_large",
    }
    assert contents(items) == {"a/good.png": picture(1)}


def test_a_member_that_is_more_or_other_than_announced_is_refused(cellar):
    content = bytearray(zipped({"more.png": bytes(1000) + b"!", "other.png": b"o" * 50}))
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, directory + 24, 900)
    second = content.index(b"PK\x01\x02", directory + 4)
    struct.pack_into("<I", content, second + 16, 7)
    assert reasons(cellar.items(cellar.zip(bytes(content)), ZipParams(max_ratio=1000.0))) == {
        "a/more.png": "bomb",
        "a/other.png": "damaged_member",
    }


def test_nothing_is_unpacked_beyond_the_total(cellar):
    members = {f"{number}.png": bytes([number]) * 9_000 for number in range(4)}
    params = ZipParams(max_total_gb=0.000_02, max_ratio=10_000.0)
    found = reasons(cellar.items(cellar.zip(zipped(members)), params))
    assert list(found.values()) == [None, None, "beyond_total", "beyond_total"]


def test_encrypted_members_are_refused(cellar):
    content = bytearray(zipped({"1.png": picture(1)}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert reasons(cellar.items(cellar.zip(bytes(content)))) == {"a/1.png": "encrypted"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><p>sorry", "not_a_zip"),
        (b"", "not_a_zip"),
        (zipped(TWO)[:-30], "damaged_zip"),
        (zipped(TWO)[:40], "damaged_zip"),
    ],
    ids=["a page", "nothing", "without its end", "a beginning"],
)
def test_what_is_no_whole_zip_is_one_refused_item(cellar, content, reason):
    assert reasons(cellar.items(cellar.zip(content))) == {"a": reason}


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
)
def test_whatever_is_wrong_with_a_zip_it_gives_items_and_no_error(changes, method):
    content = bytearray(zipped({"é/0.png": b"e" * 99, **TWO}, method))
    for where, value in changes:
        content[where % len(content)] = value
    limits = ZipLimits(max_bytes=9_000, max_total_gb=1.0, max_ratio=99.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "download")
        path.write_bytes(content)
        row = unpack(path, store=Store(f"{folder}/data"), limits=limits)
        for member in row.get("members", ()):
            kept = member.get("sha256")
            assert (kept is None) == ("reason" in member)
            assert kept is None or len(Blobs(Store(f"{folder}/data")).get(kept)) < 9_000
        assert ("members" in row) != ("reason" in row)


def test_a_member_without_a_name_is_no_picture(cellar):
    content = zipped({"x": b"x", "1.png": picture(1)})
    assert reasons(cellar.items(cellar.zip(content.replace(b"x", b"\0")))) == {"a/1.png": None}


def test_a_list_of_members_without_end_is_not_read(cellar, monkeypatch):
    monkeypatch.setattr(containers, "MAX_DIRECTORY_BYTES", 4_000)
    members = {f"{number:060}.png": b"x" for number in range(100)}
    (item,) = cellar.items(cellar.zip(zipped(members)))
    assert item.reason == "damaged_zip"
    assert "allowed: 4000" in item.detail


def test_many_containers_are_looked_into_at_once_each_content_once(cellar):
    found = [cellar.pdf(THREE, id="a"), cellar.pdf(THREE, id="b")]
    found.append(cellar.zip(zipped(TWO), id="c"))
    assert [len(items) for items in cellar.containers().open(found)] == [3, 3, 2]
    assert cellar.containers().open([]) == []


def test_a_container_itself_is_no_picture(cellar):
    with pytest.raises(UnreadableItemError):
        cellar.pdf(THREE).read()


def test_a_pdf_that_hangs_costs_one_worker_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "MAX_COUNTING_S", 1.0)
    cellar = Cellar(tmp_path)
    found = [cellar.pdf(THREE, id="good"), cellar.pdf(hanging(), id="bad")]
    good, bad = cellar.containers().open(found)
    assert reasons(good) == {"good#p0001": None, "good#p0002": None, "good#p0003": None}
    assert reasons(bad) == {"bad": "timed_out"}
    # Next time it may do better on a machine less busy.
    known = cellar.containers()._counted.rows()["key"].to_pylist()
    assert known == [found[0].sha256]


def test_the_answer_of_a_site_out_of_order_is_told_by_its_first_bytes():
    assert form_fault("zip", zipped(TWO)) is None
    assert form_fault("zip", zipped({})) is None
    assert form_fault("zip", THREE)[0] == "not_a_zip"
    assert form_fault("pdf", b"\n" * 500 + THREE) is None
    assert form_fault("pdf", b"{}")[0] == "not_a_pdf"


def test_a_page_image_in_jpeg2000_is_decoded(cellar):
    assert features.check("jpg_2000")
    sink = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 10, 10)).save(sink, "JPEG2000")
    book = cellar.zip(zipped({"book_jp2/book_0001.jp2": sink.getvalue()}))
    (item,) = cellar.items(book, PageParams(min_ink=0.0))
    assert isinstance(item, SourceItem)
    facts = probe(item.read(), max_pixels=10_000)
    assert (facts.format, facts.width, facts.height) == ("JPEG2000", 40, 30)


def test_a_page_image_without_ink_is_refused_as_blank(cellar):
    members = {"1.png": page_image(1, share=0.0), "2.png": page_image(2, share=0.1)}
    blank, written = cellar.items(cellar.zip(zipped(members)))
    with pytest.raises(UnreadableItemError, match="blank_page"):
        blank.read()
    assert written.read() == members["2.png"]
    kept = cellar.items(cellar.zip(zipped(members)), PageParams(min_ink=0.0))
    assert contents(kept) == {f"a/{name}": content for name, content in members.items()}


def test_a_page_image_becomes_grey_if_the_section_says_so(cellar):
    grey_already = picture(3, file_format="PPM")
    sink = io.BytesIO()
    Image.open(io.BytesIO(grey_already)).convert("L").save(sink, "PNG")
    members = {"1.png": page_image(1), "2.png": sink.getvalue(), "3.png": b"no picture"}
    look = PageParams(grey=True, min_ink=0.0)
    first, second, third = cellar.items(cellar.zip(zipped(members)), look)
    page = Image.open(io.BytesIO(first.read()))
    assert (page.mode, page.size) == ("L", (20, 20))
    assert page.getpixel((0, 19)) > 200 > 50 > page.getpixel((0, 0))
    assert second.read() == members["2.png"], "it is grey"
    assert third.read() == members["3.png"], "its fault is told by whoever decodes it"
    assert len({first.key, cellar.items(cellar.zip(zipped(members)))[0].key}) == 2


def test_settings_that_concern_the_containers_only_are_no_part_of_a_query():
    identity = {"kind": "x", "collection": "c", "dpi": 72, "grey": True, "max_ratio": 2.0}
    assert without_containers(identity) == {"kind": "x", "collection": "c"}


def test_a_page_item_is_small_however_large_its_document(cellar):
    items = cellar.items(cellar.pdf(THREE + bytes(1_000_000)))
    assert isinstance(items[0], PdfPageItem)
    assert len(pickle.dumps(items[0])) < 2_000
