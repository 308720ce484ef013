import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.curriculum import ALL_AT_ONCE, Growth, Seams, picture_ranks
from wunderkammer.gan.params import MeasureCurriculum
from wunderkammer.gan.training.loader import ShuffledLoader, TrainingImages


def curriculum(measure="confidence", best="highest"):
    return MeasureCurriculum(kind="measure", measure=measure, best=best, all_at_kimg=1.0)


def manifest(values, *, places=None):
    """Shards of two pictures each, listed in another order than they are in."""
    places = range(len(values)) if places is None else places
    rows = [
        {
            "image_sha256": f"{'fedcba9876'[place]}0",
            "shard": f"train-{place // 2:05d}",
            "row": place % 2,
            "decision": "kept",
            "measure/confidence": values[place],
        }
        for place in places
    ]
    rows.append({"decision": "rejected", "measure/confidence": 1.0})
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("best", "order"), [("highest", [1, 3, 0, 4, 2]), ("lowest", [4, 0, 3, 1, 2])]
)
def test_the_best_have_the_lowest_ranks_and_unmeasured_pictures_the_highest(best, order):
    values = [0.5, 0.9, None, 0.7, 0.1]
    ranks_N = picture_ranks(manifest(values), curriculum(best=best))
    assert np.argsort(ranks_N).tolist() == order


def test_ranks_follow_the_shards_and_ties_the_content():
    values = [0.5, 0.5, 0.5, 0.9]
    ranks_N = picture_ranks(manifest(values), curriculum())
    assert ranks_N.tolist() == [3, 2, 1, 0]
    shuffled = manifest(values, places=[2, 0, 3, 1])
    assert picture_ranks(shuffled, curriculum()).tolist() == ranks_N.tolist()


def test_a_measure_that_nobody_took_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"measure='beauty'.*known: confidence"):
        picture_ranks(manifest([0.5]), curriculum("beauty"))


@given(
    num=st.integers(1, 40),
    first_share=st.floats(0.01, 1.0),
    all_at=st.floats(0.0, 500.0),
    positions=st.lists(st.integers(0, 1000), min_size=1, max_size=6),
)
def test_rounds_follow_each_other_and_grow_to_the_whole(num, first_share, all_at, positions):
    growth = Growth(first_share, all_at)
    seams = Seams(num, growth)
    for position in positions:
        number, start, walked = 0, 0, growth.size(num, position=0)
        while start + walked <= position:
            start += walked
            number, walked = number + 1, growth.size(num, position=start)
        assert seams.find(position) == (number, position - start, walked)
    sizes = [growth.size(num, position=p) for p in range(0, 600, 50)]
    assert sizes == sorted(sizes)
    assert growth.size(num, position=500) == num


def test_without_a_curriculum_every_round_is_the_whole_set():
    seams = Seams(7, ALL_AT_ONCE)
    assert [seams.find(p) for p in (0, 6, 7, 700)] == [(0, 0, 7), (0, 6, 7), (1, 0, 7), (100, 0, 7)]


def loader_of(ranks_N, growth):
    images = np.tile(np.arange(len(ranks_N), dtype=np.uint8)[:, None, None, None], (1, 1, 2, 2))
    everything = TrainingImages.of(images)
    data = TrainingImages(everything.pictures, everything.rows_N, ranks_N=ranks_N)
    cpu = torch.device("cpu")
    return ShuffledLoader(data, seed=5, mirror=True, device=cpu, growth=growth)


def test_the_best_come_first_and_all_in_the_end():
    ranks_N = np.array([5, 0, 3, 1, 4, 2])
    loader = loader_of(ranks_N, Growth(0.5, 12.0))
    rounds = [ranks_N[loader.take(size).indices_N].tolist() for size in (3, 4, 5, 6, 6)]
    assert [sorted(ranks) for ranks in rounds] == [list(range(size)) for size in (3, 4, 5, 6, 6)]


@given(st.integers(0, 200), st.integers(1, 5))
def test_a_curriculum_goes_on_from_a_position_as_if_it_had_got_there(skipped, batch):
    ranks_N = np.random.default_rng(1).permutation(9)
    walked, jumped = (loader_of(ranks_N, Growth(0.3, 60.0)) for _ in range(2))
    for _ in range(skipped):
        walked.take(1)
    jumped.position = walked.position
    for _ in range(4):
        one, other = walked.take(batch), jumped.take(batch)
        assert one.indices_N.tolist() == other.indices_N.tolist()
        assert one.flips_N.tolist() == other.flips_N.tolist()
