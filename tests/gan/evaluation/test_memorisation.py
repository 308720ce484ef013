import numpy as np
import pytest
import torch
from evaluation_kit import quilts

from wunderkammer.gan.evaluation import memorisation
from wunderkammer.gan.evaluation.features import RandomFeatures, features_of
from wunderkammer.gan.evaluation.memorisation import (
    MIN_TRAINING,
    Nearest,
    Verdict,
    judge,
    look_up,
    thumbnails,
)


def plain(images):
    return images.reshape(len(images), -1).astype(np.float32)


def random_features(images):
    network = RandomFeatures(images.shape[1], seed=0)
    return features_of(images, network, device=torch.device("cpu"))


def points(*values):
    """Pictures of one pixel."""
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


def none_of_them(num):
    return np.full(num, -1, np.int64)


def verdict(fakes, training, embed, *, mirror=False, held_out=None):
    """As the asset does it: against held-out pictures, or training pictures against the rest."""
    own = none_of_them(len(fakes))
    if held_out is None:
        reference, own = training, np.concatenate([own, np.arange(len(training))])
    else:
        reference, own = held_out, np.concatenate([own, none_of_them(len(held_out))])
    query = np.concatenate([embed(fakes), embed(reference)])
    found = look_up(query, training, embed, mirror=mirror, own_N=own)
    num = len(fakes)
    return judge(found.part(slice(num)), found.part(slice(num, None)))


def test_the_nearest_is_found_with_its_distance_and_score_by_hand():
    training = points(*range(0, 240, 20))
    found = look_up(plain(points(43)), training, plain, mirror=False, own_N=none_of_them(1))
    assert found.index_N.tolist() == [2]
    assert found.distance_N[0] == pytest.approx(3, abs=1e-3)
    others = sorted(abs(43 - value) for value in range(0, 240, 20))[1:11]
    assert found.score_N[0] == pytest.approx(3 / np.mean(others), abs=1e-4)


def test_no_picture_is_its_own_neighbour():
    training = points(*range(0, 240, 20))
    own = np.arange(len(training), dtype=np.int64)
    found = look_up(plain(training), training, plain, mirror=False, own_N=own)
    assert (found.index_N != own).all()
    np.testing.assert_allclose(found.distance_N, 20, atol=1e-3)


@pytest.mark.parametrize("at_once", [1, 7, 40, 1000])
def test_the_size_of_the_blocks_changes_nothing(monkeypatch, at_once):
    training, queries = quilts(40, seed=0), plain(quilts(9, seed=1))
    own = np.array([*none_of_them(4), 0, 7, 13, 14, 39], np.int64)
    expected = look_up(queries, training, plain, mirror=True, own_N=own)
    monkeypatch.setattr(memorisation, "PICTURES_AT_ONCE", at_once)
    found = look_up(queries, training, plain, mirror=True, own_N=own)
    np.testing.assert_array_equal(found.index_N, expected.index_N)
    np.testing.assert_allclose(found.distance_N, expected.distance_N, rtol=1e-4)
    np.testing.assert_allclose(found.score_N, expected.score_N, rtol=1e-4)


def test_a_mirrored_copy_is_one_where_the_training_mirrors():
    training = quilts(20, seed=0)
    copy = plain(training[5:6, ..., ::-1])
    seen, unseen = (
        look_up(copy, training, plain, mirror=mirror, own_N=none_of_them(1))
        for mirror in (True, False)
    )
    assert seen.index_N.tolist() == [5]
    assert seen.distance_N[0] < 0.1 < unseen.distance_N[0]


def test_too_few_training_pictures_are_refused_by_their_number():
    training = quilts(MIN_TRAINING - 1, seed=0)
    with pytest.raises(ValueError, match=f"{MIN_TRAINING - 1} training pictures"):
        look_up(plain(training[:1]), training, plain, mirror=False, own_N=none_of_them(1))


def test_the_same_picture_twelve_times_is_no_division_by_nought():
    training = np.repeat(quilts(1, seed=0), MIN_TRAINING, axis=0)
    found = look_up(plain(training[:1]), training, plain, mirror=False, own_N=none_of_them(1))
    assert found.score_N.tolist() == [1.0]


def test_the_threshold_is_the_hundredth_part_of_the_references_or_the_smallest():
    scores = np.linspace(0.1, 1, 1000, dtype=np.float32)
    of = Nearest(np.zeros(1000, np.int64), scores, np.random.default_rng(0).permutation(scores))
    found = judge(of, of)
    assert found.threshold == pytest.approx(scores[9])
    assert found.share == 0.009
    assert found.expected == pytest.approx(10 / 1001)
    few = judge(of, of.part(slice(20)))
    assert few.threshold == of.score_N[:20].min()
    assert few.expected == pytest.approx(1 / 21)


def test_five_times_the_expected_share_is_the_most_that_chance_is_granted():
    assert not Verdict(share=0.05, expected=0.01, threshold=0.4).is_memorised
    assert Verdict(share=0.051, expected=0.01, threshold=0.4).is_memorised


@pytest.mark.parametrize("embed", [thumbnails, random_features])
@pytest.mark.parametrize("held_out", [None, quilts(150, seed=9)])
def test_a_generator_that_copies_its_training_set_is_found_out(embed, held_out):
    training, random = quilts(200, seed=0), np.random.default_rng(1)
    copies = training[random.integers(0, 200, 100)] + random.normal(0, 6, (100, 3, 16, 16))
    found = verdict(copies.clip(0, 255).astype(np.uint8), training, embed, held_out=held_out)
    assert found.is_memorised
    assert found.share > 0.9


@pytest.mark.parametrize("embed", [thumbnails, random_features])
@pytest.mark.parametrize("held_out", [None, quilts(150, seed=9)])
def test_one_that_draws_new_pictures_is_not(embed, held_out):
    found = verdict(quilts(300, seed=2), quilts(200, seed=0), embed, held_out=held_out)
    assert not found.is_memorised


@pytest.mark.parametrize("embed", [thumbnails, random_features])
def test_one_that_copies_a_tenth_of_the_time_is_found_out(embed):
    training = quilts(200, seed=0)
    some = np.concatenate([training[:20], quilts(180, seed=2)])
    found = verdict(some, training, embed)
    assert found.is_memorised
    assert found.share == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("embed", [thumbnails, random_features])
def test_smooth_pictures_are_near_to_many_and_copies_of_none(embed):
    training = quilts(200, seed=0)
    mean = training.mean(axis=0, keepdims=True).astype(np.uint8)
    random = np.random.default_rng(3)
    smooth = (mean + random.normal(0, 3, (100, 3, 16, 16))).clip(0, 255).astype(np.uint8)
    found = look_up(embed(smooth), training, embed, mirror=False, own_N=none_of_them(len(smooth)))
    among_reals = look_up(
        embed(training), training, embed, mirror=False, own_N=np.arange(len(training))
    )
    if embed is thumbnails:
        assert np.median(found.distance_N) < np.quantile(among_reals.distance_N, 0.01)
    assert not verdict(smooth, training, embed).is_memorised


def test_copies_that_are_moved_a_little_are_found_by_features_and_brighter_ones_by_thumbnails():
    training = quilts(200, seed=0, side=32)
    moved = np.roll(training[:100], 2, axis=-1)
    assert verdict(moved, training, random_features).share > 0.5
    brighter = (training[:100] * 0.9 + 20).astype(np.uint8)
    assert verdict(brighter, training, thumbnails).share > 0.5


@pytest.mark.parametrize(("channels", "numbers"), [(1, 1024), (3, 1536), (4, 2560)])
def test_a_thumbnail_holds_brightness_at_32_px_and_colour_at_16(channels, numbers):
    images = np.full((2, channels, 64, 64), 255, np.uint8)
    found = thumbnails(images)
    assert found.shape == (2, numbers)
    np.testing.assert_allclose(found[:, :1024], 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 1024:1536], 0, atol=1e-6)


def test_a_thumbnail_is_the_mean_of_its_blocks_and_small_pictures_stay_as_they_are():
    image = np.zeros((1, 1, 64, 64), np.uint8)
    image[..., ::2, :] = 255
    np.testing.assert_allclose(thumbnails(image), 0, atol=1e-6)
    small = np.random.default_rng(0).integers(0, 256, (1, 1, 8, 8), dtype=np.uint8)
    np.testing.assert_allclose(thumbnails(small)[0], small.ravel() / 127.5 - 1, atol=1e-6)


def test_a_red_and_a_green_picture_of_one_brightness_differ_in_colour_alone():
    red, green = (np.zeros((1, 3, 32, 32), np.uint8) for _ in range(2))
    red[:, 0] = 200
    green[:, 1] = round(200 * 0.299 / 0.587)
    difference = np.abs(thumbnails(red) - thumbnails(green))[0]
    assert difference[:1280].max() < 0.01, "both are as little blue as they are bright"
    assert difference[1280:].min() > 1
