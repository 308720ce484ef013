"""Page images out of zip files, to which the rules for pages of PDFs apply too."""

import io
from dataclasses import dataclass

from PIL import Image

from wunderkammer.images.decode import DecodeError, decode_rgb
from wunderkammer.sources.item import SourceItem
from wunderkammer.sources.pdf_pages import PNG_LEVEL, PageLook, refuse_blank
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

WHITE = (255, 255, 255)
# Enough to see a single word; a scan that is a JPEG is then decoded at half its size or less.
INK_SIDE_PX = 800


@dataclass(frozen=True, kw_only=True)
class PageImageItem(SourceItem):
    """A page image that lies in the store."""

    store: Store
    sha256: str
    look: PageLook

    def read(self) -> bytes:
        """Its bytes; with `look.grey` a page in colour as a grey PNG.

        Raises:
            UnreadableItemError: "blank_page".
            MissingObjectError: somebody has deleted the blob.
        """
        look = self.look
        content = Blobs(self.store).get(self.sha256)
        try:
            image_HWC = decode_rgb(
                content,
                max_pixels=look.max_pixels,
                background=WHITE,
                min_side_px=None if look.grey else INK_SIDE_PX,
            )
        except DecodeError:
            # Whoever takes it in finds out the same, and refuses it.
            return content
        refuse_blank(image_HWC, min_ink=look.min_ink)
        if not look.grey or (image_HWC == image_HWC[..., :1]).all():
            return content
        sink = io.BytesIO()
        grey = Image.fromarray(image_HWC).convert("L")
        grey.save(sink, "PNG", compress_level=PNG_LEVEL)
        return sink.getvalue()
