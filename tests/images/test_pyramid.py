import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.images.pyramid import area_pyramid, area_shrunk


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(1, 3), st.booleans())
def test_each_pixel_is_the_rounded_mean_of_the_area_that_it_covers(seed, doublings, smallest, flat):
    side = smallest * 2**doublings
    high = 2 if flat else 256
    images = np.random.default_rng(seed).integers(0, high, (2, 3, side, side), dtype=np.uint8)
    levels = list(area_pyramid(images, smallest_px=smallest))
    assert [level.shape[-1] for level in levels] == [side >> k for k in range(doublings + 1)]
    for level in levels:
        small = level.shape[-1]
        blocks = images.reshape(2, 3, small, side // small, small, side // small)
        exact = blocks.astype(np.float64).mean(axis=(3, 5))
        assert level.dtype == np.uint8
        assert np.array_equal(level, np.rint(exact))


def test_the_largest_sums_are_still_exact():
    images = np.full((1024, 1024), 255, np.uint8)
    images[0, 0] = 0
    assert list(map(int, (area_shrunk(images, side_px=4)[0, 0], images[0, 1]))) == [255, 255]
    sums = images[:256, :256].astype(np.int64).sum()
    assert round(sums / 256**2) == area_shrunk(images, side_px=4)[0, 0]


def test_it_agrees_with_what_the_progressive_networks_see():
    torch = pytest.importorskip("torch")
    from wunderkammer.gan.networks.progressive import shrunk

    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    seen = shrunk(torch.from_numpy(images).float(), side_px=8).numpy()
    assert np.array_equal(area_shrunk(images, side_px=8), np.rint(seen))


@pytest.mark.parametrize(("shape", "smallest"), [((8, 16), 4), ((12, 12), 4), ((4, 4), 8)])
def test_what_cannot_be_halved_so_far_is_refused(shape, smallest):
    with pytest.raises(ValueError, match=rf"can't be halved down to {smallest} px; give square"):
        list(area_pyramid(np.zeros(shape, np.uint8), smallest_px=smallest))
