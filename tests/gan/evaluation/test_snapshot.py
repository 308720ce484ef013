import numpy as np
import pytest

from wunderkammer.gan.evaluation.snapshot import SnapshotMeasure


def blobs(num, *, seed, softness=1.0, side=16):
    """Discs of random place and colour: `softness` blurs their edge."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    pictures = np.empty((num, 3, side, side), np.uint8)
    for picture in pictures:
        y, x = random.uniform(side / 4, side * 3 / 4, 2)
        distance = np.hypot(rows - y, columns - x)
        disc = 1 / (1 + np.exp((distance - side / 4) / softness))
        picture[:] = random.uniform(40, 255, 3)[:, None, None] * disc
    return pictures


def test_a_better_generator_has_a_smaller_number():
    measure = SnapshotMeasure(blobs(256, seed=0), num=128, seed=0)
    good = measure.of(blobs(128, seed=1))
    blurred = measure.of(blobs(128, seed=1, softness=3.0))
    collapsed = measure.of(np.repeat(blobs(1, seed=1), 128, axis=0))
    assert good < 0.5 * blurred < 0.5 * collapsed


def test_the_number_is_the_same_each_time_and_follows_the_seed():
    reals, fakes = blobs(64, seed=0), blobs(32, seed=1)
    first, again, other = (
        SnapshotMeasure(reals, num=32, seed=seed).of(fakes) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_reals_stay_as_they_were_when_they_were_looked_at():
    reals, fakes = blobs(32, seed=0), blobs(32, seed=1)
    measure = SnapshotMeasure(reals, num=32, seed=0)
    before = measure.of(fakes)
    reals[:] = 0
    assert measure.of(fakes) == before


def test_only_so_many_fakes_count_as_were_asked_for():
    measure = SnapshotMeasure(blobs(64, seed=0), num=16, seed=0)
    fakes = blobs(40, seed=1)
    assert measure.of(fakes) == measure.of(fakes[:16])


def test_fewer_reals_than_asked_for_will_do():
    measure = SnapshotMeasure(blobs(20, seed=0), num=64, seed=0)
    assert measure.of(blobs(64, seed=1)) == pytest.approx(measure.of(blobs(64, seed=2)), rel=0.5)
