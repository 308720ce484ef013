"""Pages of PDFs as pictures.

pdfium is a large program that reads files of anybody's making, so it runs in guarded workers only:
one look at a new document counts its pages, and each page is drawn where the pictures are decoded.
"""

import hashlib
import io
import math
from dataclasses import dataclass
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pypdfium2
from PIL import Image
from pypdfium2 import raw

from wunderkammer.sources.item import SourceItem, UnreadableItemError
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import MissingObjectError, Store

POINTS_PER_INCH = 72.0
# What a claim of a billion pages must not reach.
MAX_PAGES = 20_000
# A grey level further than this from the paper's is ink: beyond a JPEG's noise and the print of
# the back side that shines through.
INK_CONTRAST = 48
# A page in colour gets smaller than at the usual 6, one in grey 6% larger; both in 2/3 of the time.
PNG_LEVEL = 3

COUNTED = pa.schema(
    [
        ("key", pa.string()),
        ("num_pages", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def count_pages(store: Store, sha256: str) -> dict[str, Any]:
    """A row of COUNTED without its key: how many pages the PDF has, or why it can't be read.

    The first, the middle and the last page are read as well: a document whose pages hang pdfium
    then costs a worker once, not once a page.
    """
    try:
        document = _document(store.location, sha256)
    except UnreadableItemError as error:
        return {"reason": error.reason, "detail": error.detail}
    num_pages = len(document)
    if not 0 < num_pages <= MAX_PAGES:
        detail = f"it claims {num_pages} pages, allowed: 1 to {MAX_PAGES}"
        return {"reason": "damaged_pdf" if num_pages < 1 else "too_many_pages", "detail": detail}
    for number in {0, num_pages // 2, num_pages - 1}:
        try:
            document[number].close()
        except pypdfium2.PdfiumError:
            continue  # the page says so itself when it is drawn
    return {"num_pages": num_pages}


@dataclass(frozen=True)
class PageLook:
    """How a page is drawn, and when it is refused."""

    dpi: int
    grey: bool
    min_ink: float
    max_pixels: int


@dataclass(frozen=True, kw_only=True)
class PdfPageItem(SourceItem):
    """A page of a PDF that lies in the store; `page` counts from 0."""

    store: Store
    sha256: str
    page: int
    look: PageLook

    def read(self) -> bytes:
        """The page as a PNG.

        Raises:
            UnreadableItemError: "encrypted", "damaged_pdf", "damaged_page", "too_many_pixels",
                "blank_page".
            MissingObjectError: somebody has deleted the PDF.
        """
        document = _document(self.store.location, self.sha256)
        image = _drawn(document, self.page, look=self.look)
        refuse_blank(image, min_ink=self.look.min_ink)
        sink = io.BytesIO()
        Image.fromarray(image).save(sink, "PNG", compress_level=PNG_LEVEL)
        return sink.getvalue()


def refuse_blank(image: npt.NDArray[np.uint8], *, min_ink: float) -> None:
    """Refuse a page (HW or HWC uint8) of which less than `min_ink` is ink.

    Raises:
        UnreadableItemError: "blank_page".
    """
    ink = ink_share(image) if min_ink > 0 else 1.0
    if ink < min_ink:
        raise UnreadableItemError("blank_page", f"{ink:.5f} of it is ink, min_ink: {min_ink}")


def ink_share(image: npt.NDArray[np.uint8]) -> float:
    """The share of a page (HW or HWC uint8) that differs from its paper, the median level."""
    # The darkest channel shows an ink of any colour.
    level_HW = image if image.ndim == 2 else image.min(axis=2)
    histogram = np.bincount(level_HW.ravel(), minlength=256)
    paper = int(np.searchsorted(np.cumsum(histogram), level_HW.size / 2))
    far = np.abs(np.arange(256) - paper) > INK_CONTRAST
    return float(histogram[far].sum() / level_HW.size)


def _drawn(
    document: pypdfium2.PdfDocument, number: int, *, look: PageLook
) -> npt.NDArray[np.uint8]:
    """The page over white: HW in grey, else HWC RGB."""
    try:
        page = document[number]
    except (pypdfium2.PdfiumError, IndexError) as error:
        raise UnreadableItemError("damaged_page", str(error)) from error
    try:
        scale = look.dpi / POINTS_PER_INCH
        width, height = (side * scale for side in page.get_size())
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise UnreadableItemError("damaged_page", f"its size is {page.get_size()} points")
        if math.ceil(width) * math.ceil(height) > look.max_pixels:
            detail = f"{width:.0f} x {height:.0f} at {look.dpi} dpi, the limit is {look.max_pixels}"
            raise UnreadableItemError("too_many_pixels", detail)
        bitmap = page.render(
            scale=scale,
            force_bitmap_format=raw.FPDFBitmap_Gray if look.grey else raw.FPDFBitmap_BGR,
            rev_byteorder=True,
        )
        image: npt.NDArray[np.uint8] = bitmap.to_numpy()
        return image
    finally:
        page.close()


# Pages mostly come in their order: a document is verified and opened once for many of them.
@lru_cache(maxsize=1)
def _document(location: str, sha256: str) -> pypdfium2.PdfDocument:
    """The PDF of this hash.

    Raises:
        UnreadableItemError: "encrypted" or "damaged_pdf".
        MissingObjectError: there is none.
        ValueError: the stored bytes no longer have this hash.
    """
    store = Store(location)
    path = store.path(Blobs.key(sha256))
    # What lies on a disk is verified in pieces, and read by pdfium as it needs it.
    return _opened(Blobs(store).get(sha256) if path is None else _verified(path, sha256))


def _verified(path: Path, sha256: str) -> Path:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise MissingObjectError(f"{path} is missing; the next scrape fetches it again") from None
    if found != sha256:
        raise ValueError(f"blob {sha256} is damaged (its bytes hash to {found}); delete it")
    return path


def _is_encrypted(source: bytes | Path) -> bool:
    """Whether a trailer names an encryption (ISO 32000-1, 7.6.1)."""
    if isinstance(source, bytes):
        return b"/Encrypt" in source
    with source.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(b"/Encrypt") >= 0


def _opened(source: bytes | Path) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(source)
    except pypdfium2.PdfiumError as error:
        # Of a document without a page pdfium tells the error of the one before.
        if error.err_code == raw.FPDF_ERR_PASSWORD and _is_encrypted(source):
            raise UnreadableItemError("encrypted", "it opens with a password only") from error
        raise UnreadableItemError("damaged_pdf", str(error)) from error
