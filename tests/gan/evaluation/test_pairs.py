import io

import numpy as np
import pytest
from evaluation_kit import quilts
from PIL import Image

from wunderkammer.gan.evaluation.pairs import MAX_PAIRS, Pair, pairs_sheet
from wunderkammer.gan.evaluation.pictures import as_rgb


def pairs(num, *, side=16, channels=3):
    pictures = quilts(2 * num, seed=0, side=side, channels=channels)
    return [
        Pair(fake, real, f"generated {n}", "distance 0.1")
        for n, (fake, real) in enumerate(zip(pictures[::2], pictures[1::2], strict=True))
    ]


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [8, 128])
def test_pictures_of_any_kind_go_on_a_small_sheet(channels, side):
    content = pairs_sheet(pairs(MAX_PAIRS, side=side, channels=channels), title="quilt")
    assert len(content) <= 200_000
    assert opened(content).shape[1] > 1000


def test_each_fake_has_its_real_beside_it_in_a_row_of_four_pairs():
    sheet = opened(pairs_sheet(pairs(MAX_PAIRS), title="quilt"))
    for n, pair in enumerate(pairs(MAX_PAIRS)[:4]):
        left = 8 + 2 * n * 136
        for place, picture in ((left, pair.fake_CHW), (left + 136, pair.real_CHW)):
            tile = sheet[38 : 38 + 128, place : place + 128].reshape(4, 32, 4, 32, 3)
            seen = tile[:, 8:24, :, 8:24].mean(axis=(1, 3))
            np.testing.assert_allclose(seen, picture[:, ::4, ::4].transpose(1, 2, 0), atol=25)


def test_no_more_than_24_pairs_are_shown():
    many, few = (opened(pairs_sheet(pairs(num), title="quilt")).shape for num in (30, MAX_PAIRS))
    assert many == few


def test_grey_becomes_three_equal_channels_and_what_is_see_through_white():
    grey = quilts(2, seed=0, channels=1)
    assert (as_rgb(grey) == grey).all()
    assert as_rgb(grey).shape[1] == 3
    coloured = quilts(2, seed=0)
    assert as_rgb(coloured) is coloured
    clear = np.concatenate([coloured, np.zeros_like(coloured[:, :1])], axis=1)
    assert (as_rgb(clear) == 255).all()
    solid = np.concatenate([coloured, np.full_like(coloured[:, :1], 255)], axis=1)
    np.testing.assert_array_equal(as_rgb(solid), coloured)
    half = np.array([0, 100, 200, 128], np.uint8).reshape(1, 4, 1, 1)
    np.testing.assert_allclose(as_rgb(half).ravel(), [127, 177, 227], atol=1)
