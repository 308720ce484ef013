import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.classify import neighbours
from wunderkammer.classify.neighbours import nearest, outlier_scores, unit


def vectors(num, width, seed):
    return unit(np.random.default_rng(seed).normal(size=(num, width)))


def by_definition(units_NK, k):
    cosines_NN = units_NK.astype(float) @ units_NK.astype(float).T
    np.fill_diagonal(cosines_NN, -np.inf)
    k = min(k, len(units_NK) - 1)
    return (1 - np.sort(cosines_NN, axis=1)[:, -k:]).mean(axis=1)


@given(
    num=st.integers(2, 40),
    width=st.integers(1, 6),
    k=st.integers(1, 45),
    seed=st.integers(0, 99),
    block_bytes=st.sampled_from([1, 500, 10_000]),
)
def test_scores_are_those_of_the_definition(num, width, k, seed, block_bytes):
    units_NK = vectors(num, width, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK_BYTES", block_bytes)
        found = outlier_scores(units_NK, k=k)
    np.testing.assert_allclose(found, by_definition(units_NK, k), atol=1e-6)


@given(seed=st.integers(0, 99), k=st.integers(1, 5))
def test_scores_go_with_their_crops_whatever_the_order_and_the_axes(seed, k):
    units_NK = vectors(20, 4, seed)
    rng = np.random.default_rng(seed)
    order_N = rng.permutation(20)
    turn_KK = np.linalg.qr(rng.normal(size=(4, 4)))[0].astype(np.float32)
    found = outlier_scores(units_NK[order_N] @ turn_KK, k=k)
    np.testing.assert_allclose(found, outlier_scores(units_NK, k=k)[order_N], atol=1e-6)


def test_one_vector_across_from_the_others_is_the_outlier():
    units_NK = np.array([[1, 0]] * 4 + [[0, 1]], np.float32)
    np.testing.assert_allclose(outlier_scores(units_NK, k=3), [0, 0, 0, 0, 1], atol=1e-7)
    # With four neighbours the outlier is one of them.
    np.testing.assert_allclose(outlier_scores(units_NK, k=4), [0.25] * 4 + [1], atol=1e-7)


def test_a_vector_that_is_alone_has_no_score():
    assert np.isnan(outlier_scores(np.ones((1, 1), np.float32), k=3)).all()
    assert outlier_scores(np.ones((0, 1), np.float32), k=3).shape == (0,)


@given(seed=st.integers(0, 99), num=st.integers(0, 30), block_bytes=st.sampled_from([1, 100_000]))
def test_the_nearest_example_is_the_one_of_the_largest_cosine(seed, num, block_bytes):
    units_NK, examples_MK = vectors(num, 5, seed), vectors(7, 5, seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK_BYTES", block_bytes)
        cosine_N, which_N = nearest(units_NK, examples_MK)
    cosines_NM = units_NK @ examples_MK.T
    np.testing.assert_allclose(cosine_N, cosines_NM.max(axis=1, initial=-2), atol=1e-6)
    taken_N = cosines_NM[np.arange(num), which_N]
    np.testing.assert_allclose(taken_N, cosine_N, atol=1e-6)


def test_vectors_of_any_length_come_out_at_length_one():
    found = unit(np.array([[3, 4], [-2, 0]], np.float16))
    np.testing.assert_allclose(found, [[0.6, 0.8], [-1, 0]], atol=1e-7)
