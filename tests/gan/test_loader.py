import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.gan.training.loader import ShuffledLoader

CPU = torch.device("cpu")


def numbered(num):
    """Images that are all of one value, their number, with a mark on the left."""
    images = np.tile(np.arange(num, dtype=np.uint8)[:, None, None, None], (1, 1, 2, 2))
    images[:, :, :, 0] += 100
    return images


def numbers(batch):
    return (batch[:, 0, 0].amin(dim=1) * 127.5 + 127.5).round().int().tolist()


@given(st.integers(1, 20), st.integers(1, 7), st.integers(0, 9), st.integers(0, 6))
@settings(deadline=None)
def test_a_loader_put_to_a_position_goes_on_like_one_that_got_there(num, batch, seed, skipped):
    images = numbered(num)
    walked = ShuffledLoader(images, seed=seed, mirror=True)
    for _ in range(skipped):
        walked.next(batch, device=CPU)
    jumped = ShuffledLoader(images, seed=seed, mirror=True)
    jumped.position = walked.position
    for _ in range(3):
        assert torch.equal(walked.next(batch, device=CPU), jumped.next(batch, device=CPU))


def test_every_image_comes_once_in_each_round_and_rounds_differ_in_order():
    loader = ShuffledLoader(numbered(30), seed=1, mirror=False)
    shown = [n for _ in range(15) for n in numbers(loader.next(4, device=CPU))]
    first, second = shown[:30], shown[30:]
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second != list(range(30))


def test_seeds_differ_in_order():
    orders = [
        numbers(ShuffledLoader(numbered(30), seed=s, mirror=False).next(30, device=CPU))
        for s in (0, 1)
    ]
    assert orders[0] != orders[1]


def test_pixels_run_from_minus_one_to_one():
    images = np.array([0, 255], np.uint8).reshape(1, 1, 1, 2)
    batch = ShuffledLoader(images, seed=0, mirror=False).next(1, device=CPU)
    assert batch.tolist() == [[[[-1.0, 1.0]]]]


def test_mirroring_flips_about_half_of_the_images_and_none_without_it():
    images = numbered(50)
    flipped = {}
    for mirror in (False, True):
        batch = ShuffledLoader(images, seed=0, mirror=mirror).next(50, device=CPU)
        flipped[mirror] = int((batch[:, 0, 0, 1] > batch[:, 0, 0, 0]).sum())
    assert flipped[False] == 0
    assert 10 < flipped[True] < 40


@pytest.mark.parametrize(
    "images", [np.zeros((0, 3, 8, 8), np.uint8), np.zeros((2, 3, 8, 8)), np.zeros((8, 8), np.uint8)]
)
def test_what_is_no_stack_of_pictures_is_refused_with_its_shape(images):
    with pytest.raises(ValueError, match=r"uint8 \[N, C, H, W\]"):
        ShuffledLoader(images, seed=0, mirror=False)
