"""Small JPEGs for the review page, made when they are asked for and kept within a limit."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from PIL import Image

from wunderkammer.images.decode import DAMAGED, DecodeError, decode_rgb
from wunderkammer.storage.blobs import Blobs

THUMB_PX = 256
PICTURE_PX = 1600
MAX_CACHED_BYTES = 128 * 2**20
# A source that was scraped may have as many pixels as its recipe let through.
MAX_PIXELS = 1 << 30
PAPER = (255, 255, 255)


class Pictures:
    """Thumbnails of crops, and whole pictures at the size of a screen."""

    def __init__(self, blobs: Blobs, *, max_cached_bytes: int = MAX_CACHED_BYTES) -> None:
        self.blobs = blobs
        self._cache = ByteCache(max_cached_bytes)

    def thumb(self, sha256: str) -> bytes:
        """A JPEG of at most 256 px a side of the picture with this hash.

        Raises:
            MissingObjectError: it is not there.
            DecodeError: it is damaged.
        """
        return self._cache.get((sha256, THUMB_PX), lambda: self._shrunk(sha256, THUMB_PX, 80))

    def screen(self, sha256: str) -> bytes:
        """As `thumb`, of at most 1600 px a side, upright."""
        return self._cache.get((sha256, PICTURE_PX), lambda: self._shrunk(sha256, PICTURE_PX, 85))

    def _shrunk(self, sha256: str, max_side_px: int, quality: int) -> bytes:
        try:
            data = self.blobs.get(sha256)
        except ValueError as error:
            raise DecodeError(DAMAGED, str(error)) from error
        rgb_HWC = decode_rgb(data, max_pixels=MAX_PIXELS, background=PAPER, min_side_px=max_side_px)
        picture = Image.fromarray(rgb_HWC)
        if max(picture.size) > max_side_px:
            picture.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
        sink = io.BytesIO()
        picture.save(sink, "JPEG", quality=quality)
        return sink.getvalue()


class ByteCache:
    """The values asked for last, of `max_bytes` in all."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The value of `key`, made if it is not there; two threads may make the same at once."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self.num_bytes += len(value)
            while self.num_bytes > self.max_bytes and self._values:
                self.num_bytes -= len(self._values.popitem(last=False)[1])
        return value
