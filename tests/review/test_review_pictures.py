import io
import threading

import pytest
from PIL import Image
from review_kit import picture

from wunderkammer.images.decode import DecodeError
from wunderkammer.review.pictures import PICTURE_PX, THUMB_PX, ByteCache, Pictures
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import MissingObjectError, Store


@pytest.fixture
def blobs(tmp_path):
    return Blobs(Store(str(tmp_path)))


def opened(content):
    return Image.open(io.BytesIO(content))


def test_a_large_picture_is_shrunk_with_its_proportions(blobs):
    sha256 = blobs.put(picture(1, size=(3000, 1500)))
    pictures = Pictures(blobs)
    assert opened(pictures.thumb(sha256)).size == (THUMB_PX, THUMB_PX // 2)
    assert opened(pictures.screen(sha256)).size == (PICTURE_PX, PICTURE_PX // 2)


def test_a_small_picture_is_shown_as_it_is(blobs):
    sha256 = blobs.put(picture(1, size=(100, 40)))
    assert opened(Pictures(blobs).screen(sha256)).size == (100, 40)


def test_a_picture_taken_sideways_stands_upright(blobs):
    sink = io.BytesIO()
    image = Image.new("RGB", (80, 40))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(sink, "JPEG", exif=exif)
    assert opened(Pictures(blobs).thumb(blobs.put(sink.getvalue()))).size == (40, 80)


def test_what_is_missing_or_damaged_is_said(blobs):
    pictures = Pictures(blobs)
    with pytest.raises(MissingObjectError):
        pictures.thumb("0" * 64)
    with pytest.raises(DecodeError):
        pictures.thumb(blobs.put(b"no picture"))
    sha256 = blobs.put(picture(1))
    blobs.store.write(blobs.key(sha256), b"other bytes")
    with pytest.raises(DecodeError, match="is damaged"):
        pictures.thumb(sha256)


def test_a_picture_is_made_once(blobs):
    sha256 = blobs.put(picture(1))
    pictures = Pictures(blobs)
    first = pictures.thumb(sha256)
    blobs.store.delete(blobs.key(sha256))
    assert pictures.thumb(sha256) is first


def test_the_cache_keeps_what_was_asked_for_last_within_its_bytes():
    cache = ByteCache(100)
    for key in ("a", "b", "a", "c"):
        cache.get(key, lambda: bytes(40))
    assert cache.num_bytes == 80
    made = []
    for key in ("a", "c", "b"):
        cache.get(key, lambda key=key: made.append(key) or bytes(40))
    assert made == ["b"]


def test_threads_share_the_cache():
    cache = ByteCache(1000)

    def ask():
        for number in range(200):
            assert len(cache.get(number % 13, lambda: bytes(100))) == 100

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.num_bytes == 1000
