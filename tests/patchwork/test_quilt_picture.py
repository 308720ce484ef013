import numpy as np
import pytest

from wunderkammer.patchwork.quilt_blocks import BLOCKS
from wunderkammer.patchwork.quilt_picture import quilt_picture, seam_light


def two_pieces(width: int) -> np.ndarray:
    pieces = np.ones((width, width), np.int32)
    pieces[:, width // 2 :] = 2
    return pieces


@pytest.mark.parametrize("width", [160, 640, 1280])
def test_a_seam_is_as_dark_in_a_large_picture_as_in_a_small_one(width: int) -> None:
    reference = seam_light(two_pieces(320))[160]
    light = seam_light(two_pieces(width))[width // 2]
    assert light.min() == pytest.approx(reference.min(), abs=0.05)
    assert light.mean() == pytest.approx(reference.mean(), abs=0.01)
    assert light[width // 4] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.label)
def test_a_quilt_is_a_picture_of_light_and_dark(block) -> None:
    pictures = [quilt_picture(block, np.random.default_rng(n), side_px=64) for n in range(6)]
    for picture in pictures:
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        grey = picture.mean(axis=2)
        assert np.percentile(grey, 95) - np.percentile(grey, 5) > 25
        assert 30 < grey.mean() < 245


@pytest.mark.parametrize("side_px", [8, 32, 700])
def test_any_size_can_be_drawn(side_px: int) -> None:
    picture = quilt_picture(BLOCKS[0], np.random.default_rng(0), side_px=side_px)
    assert abs(picture.shape[0] / side_px - 1) < 0.3
