import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.training.loader import ShuffledLoader, TrainingImages
from wunderkammer.gan.training.residence import Place, place_of

CPU = torch.device("cpu")


def place(*, num=1000, gpu=0, memory=0):
    return Place(num, 3, 10, free_gpu_bytes=gpu, free_memory_bytes=memory)


@pytest.mark.parametrize(
    ("gpu", "memory", "expected"),
    [
        (300_000, 300_000, "gpu"),
        (299_999, 300_000, "memory"),
        (0, 300_000, "memory"),
        (0, 299_999, "stream"),
        (300_000, 299_999, "stream"),
    ],
)
def test_pictures_are_at_the_fastest_place_where_they_fit(gpu, memory, expected):
    here = place(gpu=gpu, memory=memory)
    assert here.choose() == expected
    assert "1000 pictures of 10 px" in here.line(here.choose())


def test_processes_of_a_machine_share_its_memory(monkeypatch):
    size = {"num_images": 1, "channels": 3, "side_px": 8}
    alone = place_of(CPU, **size)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    shared = place_of(CPU, **size)
    assert alone.free_gpu_bytes == shared.free_gpu_bytes == 0
    assert shared.free_memory_bytes < alone.free_memory_bytes / 2


class Watched:
    """Pictures whose every value is their number, and what was asked of them."""

    shape = (40, 1, 2, 2)

    def __init__(self):
        self.read_N, self.expected_N = [], []

    def read(self, indices_N):
        self.read_N.append(indices_N.tolist())
        images_NHWC = np.empty((len(indices_N), 2, 2, 1), np.uint8)
        images_NHWC[:] = indices_N[:, None, None, None]
        return images_NHWC.transpose(0, 3, 1, 2)

    def expect(self, indices_N):
        self.expected_N.append(indices_N.tolist())


@given(
    share=st.sampled_from([range(8), range(4), range(4, 8)]),
    part=st.sampled_from([1, 2, 4]),
    looks=st.integers(1, 3),
)
def test_each_picture_is_read_once_and_was_expected(share, part, looks):
    """Whatever share of a batch a process has, in whatever parts, in however many phases."""
    pictures = Watched()
    data = TrainingImages(pictures, np.arange(40)[::-1].copy())
    loader = ShuffledLoader(data, seed=3, mirror=False, device=CPU)
    for number in range(12):
        picked = loader.take(8)
        for _ in range(looks):
            for first in range(share.start, share.stop, part):
                rows = range(first, first + part)
                pixels = loader.pixels(picked, rows)
                numbers = ((pixels[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
                assert numbers == data.rows_N[picked.indices_N[rows.start : rows.stop]].tolist()
        if number:
            wanted = data.rows_N[picked.indices_N[share.start : share.stop]].tolist()
            assert pictures.read_N[-1] == wanted
            assert pictures.expected_N[-2] == wanted
    after_the_first = pictures.read_N[share.stop // part - share.start // part :]
    assert len(after_the_first) == 11
