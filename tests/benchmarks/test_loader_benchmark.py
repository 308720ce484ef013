import numpy as np
import pytest
import torch

from benchmarks import loader
from benchmarks.loading.contestants import CONTESTANTS, COPY, MEMORY, STREAM, ZIP, Pace


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    options = loader.parse(["--side", "16", "--images", "12", "--batch", "4", "--threads", "1"])
    return loader.lay_out(tmp_path_factory.mktemp("task"), options)


def batches(name, task, num):
    return torch.cat([torch.as_tensor(batch) for batch in CONTESTANTS[name](task, num)])


def test_ours_give_the_same_bytes_in_memory_and_streamed(task):
    assert torch.equal(batches(MEMORY, task, 4), batches(STREAM, task, 4))


def test_each_picture_comes_once_a_round_from_everyone(task):
    everyone = {name: batches(name, task, 3).float().mean(dim=(1, 2, 3)) for name in (MEMORY, ZIP)}
    rounds = [sorted(means.tolist()) for means in everyone.values()]
    assert np.allclose(*rounds, atol=1.5)  # one is JPEG
    assert len(set(rounds[0])) == 12


def test_a_row_tells_the_pace_and_the_share_of_the_limit(task):
    paces = {name: [Pace(100.0, 50.0)] for name in CONTESTANTS}
    paces[MEMORY] = [Pace(1000.0, 40.0), Pace(3000.0, 40.0), Pace(2000.0, 40.0)]
    text = loader.section(paces, task, command="x")
    assert "| ours, in memory | 2,000 | 40 | 20.0 | 0.8 | 80% |" in text
    assert f"| {COPY} | 100 | 50 | 1.0 | 1.0 |  |" in text
