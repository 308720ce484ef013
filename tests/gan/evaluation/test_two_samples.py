import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.evaluation.two_samples import (
    frechet_distance,
    kernel_distance,
    precision_recall,
    squared_distances,
)


def gaussian(num, dims=4, *, seed=0, mean=0.0, std=1.0):
    random = np.random.default_rng(seed)
    return (mean + std * random.standard_normal((num, dims))).astype(np.float32)


def test_kid_of_two_points_each_by_hand():
    """With D = 1 the kernel is (xy + 1)^3: real 0 and 1, fake 1 and 2."""
    real, fake = np.float32([[0], [1]]), np.float32([[1], [2]])
    among_real, among_fake = 1.0, 27.0
    between = (1 + 1 + 8 + 27) / 4
    expected = among_real + among_fake - 2 * between
    assert kernel_distance(real, fake) == pytest.approx(expected)


def test_kid_is_that_of_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    real, fake = gaussian(50, 8), gaussian(50, 8, seed=1, mean=0.3)
    expected = float(poly_mmd(torch.from_numpy(real).double(), torch.from_numpy(fake).double()))
    assert kernel_distance(real, fake) == pytest.approx(expected, rel=1e-5)


def test_kid_of_equal_distributions_is_nought_in_the_mean():
    found = [
        kernel_distance(gaussian(40, seed=seed), gaussian(30, seed=1000 + seed))
        for seed in range(400)
    ]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    assert min(found) < 0 < max(found)


def test_kid_of_shifted_gaussians_approaches_its_expectation():
    """D = 1, x of N(0, 1), y of N(m, 1): sum over k of C(3, k) (E x^k - E y^k)^2."""
    mean = 1.0
    moments = (mean, mean**2 + 1, mean**3 + 3 * mean)
    expected = 3 * moments[0] ** 2 + 3 * (1 - moments[1]) ** 2 + moments[2] ** 2
    found = kernel_distance(gaussian(4000, 1), gaussian(4000, 1, seed=1, mean=mean))
    assert found == pytest.approx(expected, rel=0.1)


@given(num=st.integers(2, 30), other=st.integers(2, 30), shuffle=st.integers(0, 99))
def test_kid_depends_on_no_order_and_not_on_which_set_is_real(num, other, shuffle):
    real, fake = gaussian(num), gaussian(other, seed=1)
    mixed = np.random.default_rng(shuffle).permutation(real)
    expected = kernel_distance(real, fake)
    assert kernel_distance(mixed, fake) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert kernel_distance(fake, real) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_kid_needs_pairs():
    with pytest.raises(ValueError, match="1 real and 5 fake"):
        kernel_distance(gaussian(1), gaussian(5))


def test_more_rows_than_fit_a_block_are_all_counted():
    real, fake = gaussian(1500), gaussian(1100, seed=1, mean=0.2)
    products = [
        (x.astype(np.float64) @ y.T / 4 + 1) ** 3
        for x, y in ((real, real), (fake, fake), (real, fake))
    ]
    among_real, among_fake = (
        (p.sum() - np.trace(p)) / (len(p) * (len(p) - 1)) for p in products[:2]
    )
    expected = among_real + among_fake - 2 * products[2].mean()
    assert kernel_distance(real, fake) == pytest.approx(expected, rel=1e-4)


def test_fid_of_two_gaussians_is_its_closed_form():
    """|m1 - m2|^2 + sum of (s1 - s2)^2 for independent dimensions."""
    real, fake = gaussian(100_000, 3), gaussian(100_000, 3, seed=1, mean=1.0, std=2.0)
    assert frechet_distance(real, fake) == pytest.approx(3 * 1 + 3 * 1, rel=0.03)


def test_fid_of_a_set_with_itself_is_nought():
    real = gaussian(500, 6)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-5)


def test_precision_and_recall_of_points_on_a_line_by_hand():
    """k = 1: reals 0, 1, 10 with radii 1, 1, 9; fakes 2, 19.5, 40 with radii 17.5, 17.5, 20.5."""
    real, fake = np.float32([[0], [1], [10]]), np.float32([[2], [19.5], [40]])
    precision, recall = precision_recall(real, fake, k=1)
    assert precision == pytest.approx(1 / 3), "2 only: 19.5 is 9.5 from 10"
    assert recall == 1.0
    precision, recall = precision_recall(real, np.float32([[0.5], [0.6], [0.7]]), k=1)
    assert (precision, recall) == (1.0, 0.0)


def test_fakes_of_one_mode_of_two_are_precise_and_recall_half():
    modes = np.float32([[-100] * 4, [100] * 4])
    real = np.concatenate([gaussian(200) + modes[0], gaussian(200, seed=1) + modes[1]])
    precision, recall = precision_recall(real, gaussian(200, seed=2) + modes[0], k=3)
    assert precision > 0.9
    assert 0.4 < recall <= 0.5


def test_the_same_points_are_all_precise_and_all_recalled():
    points = gaussian(1100)
    assert precision_recall(points, points.copy(), k=3) == (1.0, 1.0)


def test_a_neighbourhood_larger_than_a_set_is_refused():
    with pytest.raises(ValueError, match="k=3 needs more than 3"):
        precision_recall(gaussian(10), gaussian(3), k=3)


@given(num=st.integers(1, 20), other=st.integers(1, 20), seed=st.integers(0, 99))
def test_squared_distances_are_those_of_the_differences(num, other, seed):
    x, y = gaussian(num, seed=seed), gaussian(other, seed=seed + 1, mean=1.0)
    expected = ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(x, y), expected, atol=1e-4)
