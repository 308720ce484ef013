import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.gan.training.loader import ShuffledLoader, TrainingImages

CPU = torch.device("cpu")


def numbered(num):
    """Images that are all of one value, their number, with a mark on the left."""
    images = np.tile(np.arange(num, dtype=np.uint8)[:, None, None, None], (1, 1, 2, 2))
    images[:, :, :, 0] += 100
    return images


def loader_of(images, *, seed=0, mirror=False, labels=None, num_labels=0):
    data = TrainingImages.of(images, labels, num_labels)
    return ShuffledLoader(data, seed=seed, mirror=mirror, device=CPU)


def shown(loader, num):
    return loader.pixels(loader.take(num), range(num))


def numbers(batch):
    return (batch[:, 0, 0].amin(dim=1) * 127.5 + 127.5).round().int().tolist()


@given(st.integers(1, 20), st.integers(1, 7), st.integers(0, 9), st.integers(0, 6))
@settings(deadline=None)
def test_a_loader_put_to_a_position_goes_on_like_one_that_got_there(num, batch, seed, skipped):
    images = numbered(num)
    walked = loader_of(images, seed=seed, mirror=True)
    for _ in range(skipped):
        walked.take(batch)
    jumped = loader_of(images, seed=seed, mirror=True)
    jumped.position = walked.position
    for _ in range(3):
        assert torch.equal(shown(walked, batch), shown(jumped, batch))


def test_every_image_comes_once_in_each_round_and_rounds_differ_in_order():
    loader = loader_of(numbered(30), seed=1)
    seen = [n for _ in range(15) for n in numbers(shown(loader, 4))]
    first, second = seen[:30], seen[30:]
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second != list(range(30))


def test_seeds_differ_in_order():
    orders = [numbers(shown(loader_of(numbered(30), seed=seed), 30)) for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_pixels_run_from_minus_one_to_one():
    images = np.array([0, 255], np.uint8).reshape(1, 1, 1, 2)
    batch = shown(loader_of(images), 1)
    assert batch.tolist() == [[[[-1.0, 1.0]]]]


def test_mirroring_flips_about_half_of_the_images_and_none_without_it():
    images = numbered(50)
    flipped = {}
    for mirror in (False, True):
        batch = shown(loader_of(images, mirror=mirror), 50)
        flipped[mirror] = int((batch[:, 0, 0, 1] > batch[:, 0, 0, 0]).sum())
    assert flipped[False] == 0
    assert 10 < flipped[True] < 40


@pytest.mark.parametrize(
    "images", [np.zeros((0, 3, 8, 8), np.uint8), np.zeros((2, 3, 8, 8)), np.zeros((8, 8), np.uint8)]
)
def test_what_is_no_stack_of_pictures_is_refused_with_its_shape(images):
    with pytest.raises(ValueError, match=r"uint8 \[N, C, H, W\]"):
        TrainingImages.of(images)


def test_rows_of_a_batch_are_those_of_the_whole_and_labels_go_with_their_pictures():
    labels = np.arange(30) % 3
    loader = loader_of(numbered(30), mirror=True, labels=labels, num_labels=3)
    picked = loader.take(12)
    whole = loader.pixels(picked, range(12))
    parts = [loader.pixels(picked, range(n, n + 4)) for n in (0, 4, 8)]
    assert torch.equal(torch.cat(parts), whole)
    found = torch.cat([loader.labels(picked, range(n, n + 6)) for n in (0, 6)])
    assert found.argmax(dim=1).tolist() == labels[picked.indices_N].tolist()
    assert loader_of(numbered(3)).labels(picked, range(2)) is None
