import hashlib
import io
import math
import pickle

import numpy as np
import pytest
from pdf_files import encrypted, inked, pdf
from PIL import Image

from wunderkammer.sources import pdf_pages
from wunderkammer.sources.item import UnreadableItemError
from wunderkammer.sources.pdf_pages import PageLook, PdfPageItem, count_pages, ink_share
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import MissingObjectError, Store

LOOK = PageLook(dpi=144, grey=False, min_ink=0.0, max_pixels=3_000_000)


@pytest.fixture
def store(tmp_path) -> Store:
    pdf_pages._document.cache_clear()
    return Store(str(tmp_path))


def page(store: Store, content: bytes, number: int = 0, **look: object) -> PdfPageItem:
    return PdfPageItem(
        id="a#p0001",
        key="a",
        store=store,
        sha256=Blobs(store).put(content),
        page=number,
        look=PageLook(**{**vars(LOOK), **look}),
    )


def drawn(item: PdfPageItem) -> np.ndarray:
    content = item.read()
    assert content.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(content)))


def reason(item: PdfPageItem) -> str:
    with pytest.raises(UnreadableItemError) as error:
        item.read()
    return error.value.reason


def test_a_page_is_drawn_as_large_as_its_dpi_says_over_white(store):
    content = pdf(inked(0.25, colour=b"1 0 0"))
    image = drawn(page(store, content))
    assert image.shape == (144, 144, 3)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[-1, 0].tolist() == [255, 0, 0]
    assert drawn(page(store, content, dpi=300)).shape == (300, 300, 3)


def test_a_page_in_grey_has_one_channel(store):
    image = drawn(page(store, pdf(inked(0.25)), grey=True))
    assert image.shape == (144, 144)
    assert (image == 0).mean() == pytest.approx(0.25, abs=0.01)


def test_each_page_is_read_in_another_process(store):
    content = pdf(*(inked(share) for share in (0.1, 0.3, 0.4)))
    items = [page(store, content, number) for number in range(3)]
    shares = [ink_share(drawn(item)) for item in pickle.loads(pickle.dumps(items))]
    assert shares == pytest.approx([0.1, 0.3, 0.4], abs=0.01)


def test_a_document_is_opened_once_for_many_pages(store, monkeypatch):
    content = pdf(*(inked(0.5) for _ in range(5)))
    opened = []
    monkeypatch.setattr(pdf_pages, "_opened", lambda source: opened.append(source) or open_(source))
    open_ = pdf_pages.pypdfium2.PdfDocument
    for number in range(5):
        page(store, content, number).read()
    assert len(opened) == 1


def test_a_page_beyond_the_pixels_is_refused_before_it_is_drawn(store, monkeypatch):
    def never(*_: object, **__: object) -> None:
        pytest.fail("it was drawn")

    monkeypatch.setattr(pdf_pages.pypdfium2.PdfPage, "render", never)
    content = pdf(inked(0.5), side=14_000)
    assert reason(page(store, content, max_pixels=700_000_000)) == "too_many_pixels"


@pytest.mark.parametrize(
    ("share", "colour", "is_blank"),
    [
        (0.0, b"0 0 0", True),
        (0.0002, b"0 0 0", True),
        (0.02, b"0 0 0", False),
        (1.0, b"0 0 0", True),
        (0.5, b"0.9 0.9 0.9", True),  # print of the back side that shines through
        (0.1, b"1 1 0", False),
    ],
)
def test_a_page_without_ink_is_refused_as_blank(store, share, colour, is_blank):
    item = page(store, pdf(inked(share, side=720, colour=colour), side=720), min_ink=0.001)
    if is_blank:
        assert reason(item) == "blank_page"
    else:
        item.read()


def test_what_is_wrong_with_a_document_is_a_reason(store):
    good = pdf(inked(0.5))
    assert reason(page(store, encrypted(inked(0.5)))) == "encrypted"
    assert reason(page(store, b"%PDF-1.4 and nothing more")) == "damaged_pdf"
    assert reason(page(store, good, 7)) == "damaged_page"


@pytest.mark.parametrize("size", [(math.inf, 1.0), (0.0, 0.0), (math.nan, 1.0), (-1.0, 5.0)])
def test_a_page_without_extent_is_a_reason(store, monkeypatch, size):
    monkeypatch.setattr(pdf_pages.pypdfium2.PdfPage, "get_size", lambda _: size)
    assert reason(page(store, pdf(inked(0.5)))) == "damaged_page"


def test_a_pdf_that_was_deleted_or_exchanged_is_an_error_that_names_it(store):
    item = page(store, pdf(inked(0.5)))
    path = store.path(Blobs.key(item.sha256))
    path.write_bytes(pdf(inked(0.6)))
    with pytest.raises(ValueError, match=f"{item.sha256} is damaged.*delete it"):
        item.read()
    path.unlink()
    with pytest.raises(MissingObjectError, match=f"{item.sha256} is missing"):
        item.read()


def test_the_pages_of_a_good_document_are_counted_and_a_bad_one_gives_its_reason(store):
    def counted(content: bytes) -> dict[str, object]:
        return count_pages(store, Blobs(store).put(content))

    assert counted(pdf(*[inked(0.5)] * 3)) == {"num_pages": 3}
    assert counted(encrypted(inked(0.5)))["reason"] == "encrypted"
    assert counted(pdf(inked(0.5))[:60])["reason"] == "damaged_pdf"
    assert counted(pdf())["reason"] == "damaged_pdf"


def test_a_claim_of_too_many_pages_is_refused(store):
    claim = pdf(inked(0.5)).replace(b"/Count 1", b"/Count 300000")
    row = count_pages(store, Blobs(store).put(claim))
    assert row["reason"] == "too_many_pages"


def test_a_pdf_in_an_object_store_is_read_whole(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    content = pdf(inked(0.5))
    sha256 = Blobs(store).put(content)
    pdf_pages._document.cache_clear()
    monkeypatch.setattr(Store, "path", lambda *_: None)
    assert count_pages(store, sha256) == {"num_pages": 1}
    assert hashlib.sha256(content).hexdigest() == sha256
