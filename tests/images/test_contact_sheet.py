import io

import numpy as np
import pytest
from PIL import Image

from wunderkammer.images.contact_sheet import Tile, contact_sheet


def opened(sheet):
    picture = Image.open(io.BytesIO(sheet))
    picture.load()
    assert picture.format == "JPEG"
    return picture


def png(array):
    sink = io.BytesIO()
    Image.fromarray(array).save(sink, "PNG")
    return sink.getvalue()


def solid(colour, height=100, width=100):
    return png(np.full((height, width, 3), colour, np.uint8))


def count(picture, colour):
    return int((np.abs(np.asarray(picture, int) - colour).max(axis=-1) < 24).sum())


def test_each_picture_shows_at_the_size_of_its_tile():
    picture = opened(contact_sheet([Tile(solid((255, 0, 0)), "red")], title="one"))
    assert count(picture, (255, 0, 0)) == pytest.approx(100 * 100, rel=0.05)
    large = opened(contact_sheet([Tile(solid((255, 0, 0), 400, 800), "red")], title="one"))
    assert count(large, (255, 0, 0)) == pytest.approx(128 * 64, rel=0.05)


def test_a_small_picture_is_enlarged_in_whole_pixels():
    picture = opened(contact_sheet([Tile(solid((0, 0, 255), 28, 28), "")], title=""))
    assert count(picture, (0, 0, 255)) == pytest.approx((4 * 28) ** 2, rel=0.05)


def test_no_more_than_48_tiles_are_shown():
    red, blue = Tile(solid((255, 0, 0)), "red"), Tile(solid((0, 0, 255)), "blue")
    picture = opened(contact_sheet([red] * 48 + [blue] * 5, title="many", max_bytes=10**7))
    assert count(picture, (0, 0, 255)) == 0
    assert count(picture, (255, 0, 0)) == pytest.approx(48 * 100**2, rel=0.05)


def test_what_cannot_be_shown_is_grey_with_its_caption():
    without = opened(contact_sheet([Tile(None, ""), Tile(b"<html>", "")], title=""))
    captioned = opened(contact_sheet([Tile(None, "damaged"), Tile(b"", "gone")], title=""))
    assert count(without, (214, 214, 210)) == pytest.approx(2 * 128**2, rel=0.05)
    assert np.asarray(without).min() > 100
    assert np.asarray(captioned).min() < 100


@pytest.mark.parametrize("max_bytes", [200_000, 60_000, 8_000])
def test_noise_fits_into_the_bytes_allowed(max_bytes):
    rng = np.random.default_rng(0)
    tiles = [
        Tile(png(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)), str(n)) for n in range(48)
    ]
    sheet = contact_sheet(tiles, title="noise", max_bytes=max_bytes)
    assert len(sheet) <= max_bytes
    opened(sheet)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "\n\n\n",
        "a\tb\x00c\x1b[0m",
        "\udcff lone surrogate",
        "字" * 3000,
        "é" * 90,
        "two\nlines",
    ],
)
def test_no_caption_is_refused(caption):
    opened(contact_sheet([Tile(None, caption)], title=caption))


def test_no_tiles_make_a_sheet_with_its_title():
    picture = opened(contact_sheet([], title="0 of 0 rejected"))
    assert np.asarray(picture).min() < 100
