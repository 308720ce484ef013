import math

import pytest
import torch

from wunderkammer.gan.objectives.penalties import (
    decay_mean,
    gradient_penalty,
    path_length_penalty,
    path_lengths,
    r1_penalty,
    r2_penalty,
)


def _normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _linear(normal):
    return lambda x: (x * normal).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
def test_r1_and_r2_of_a_linear_critic_are_its_squared_norm(penalty):
    normal = _normal(3, 4, 4)
    values = penalty(_linear(normal), _normal(5, 3, 4, 4, seed=1))
    torch.testing.assert_close(values, normal.square().sum().expand(5))


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
def test_r1_and_r2_of_a_quadratic_critic_are_four_times_the_squared_image(penalty):
    images = _normal(5, 3, 4, 4)
    values = penalty(lambda x: x.square().sum(dim=(1, 2, 3)), images)
    torch.testing.assert_close(values, 4.0 * images.square().sum(dim=(1, 2, 3)))


def test_the_penalty_trains_the_critic_and_not_whoever_made_the_images():
    made = _normal(2, 1, 2, 2).requires_grad_()
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    value = r2_penalty(lambda x: scale * x.sum(dim=(1, 2, 3)), made * 2.0).sum()
    value.backward()
    assert made.grad is None
    assert float(scale.grad) == pytest.approx(2 * 4 * 2 * 3.0)  # d/ds of N · CHW · s²


def test_the_gradient_penalty_of_a_linear_critic_is_its_distance_from_slope_one():
    normal = _normal(3, 4, 4)
    values = gradient_penalty(
        _linear(normal), _normal(2, 3, 4, 4), _normal(2, 3, 4, 4, seed=1), _normal(2).sigmoid()
    )
    torch.testing.assert_close(values, (normal.norm() - 1.0).square().expand(2))


def test_the_gradient_penalty_is_taken_between_the_real_and_the_fake_of_a_pair():
    real, fake = torch.full((3, 1, 1, 1), 2.0), torch.full((3, 1, 1, 1), 10.0)
    mix = torch.tensor([0.0, 0.25, 0.75])  # x̂ = 10, 8, 4: the slope of x² is 2 x̂
    values = gradient_penalty(lambda x: x.square().sum(dim=(1, 2, 3)), real, fake, mix)
    assert values.tolist() == pytest.approx([19.0**2, 15.0**2, 7.0**2])


def test_a_flat_critic_costs_one_and_has_a_finite_gradient():
    scale = torch.zeros((), requires_grad=True)
    images = torch.ones(2, 1, 2, 2)
    values = gradient_penalty(
        lambda x: scale * x.sum(dim=(1, 2, 3)), images, images, torch.zeros(2)
    )
    assert values.tolist() == [1.0, 1.0]
    values.sum().backward()
    assert scale.grad.isfinite()


def test_path_lengths_of_a_linear_generator_are_those_of_its_transposed_matrix():
    matrix_PD, noise = _normal(2 * 4 * 4, 6), _normal(3, 2, 4, 4, seed=1)
    w_NLD = _normal(3, 1, 6, seed=2).requires_grad_()
    images = (w_NLD[:, 0] @ matrix_PD.T).reshape(3, 2, 4, 4)
    wanted = (noise.flatten(1) @ matrix_PD).norm(dim=1) / 4.0  # √(HW) = 4
    torch.testing.assert_close(path_lengths(images, w_NLD, noise), wanted)


def test_path_lengths_are_the_root_of_the_mean_square_over_layers():
    noise = torch.ones(2, 1, 1, 1)
    w_NLD = torch.zeros(2, 2, 1, requires_grad=True)
    images = (3.0 * w_NLD[:, 0] + 4.0 * w_NLD[:, 1])[:, :, None, None]
    assert path_lengths(images, w_NLD, noise).tolist() == pytest.approx([math.sqrt(12.5)] * 2)


def test_the_expected_squared_path_length_is_that_of_the_jacobian_over_the_pixels():
    w_NLD = torch.zeros(4000, 1, 2, requires_grad=True)
    images = (w_NLD.sum(dim=2, keepdim=True) * 5.0)[:, :, :, None].expand(-1, 1, 8, 8)
    noise = torch.randn(4000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    # J is 64 by 2 full of fives: E‖Jᵀy‖² = ‖J‖² / 64 = 50.
    assert float(path_lengths(images, w_NLD, noise).square().mean()) == pytest.approx(50, rel=0.1)


def test_the_path_length_penalty_is_zero_at_the_mean_and_grows_squarely():
    values = path_length_penalty(torch.tensor([1.0, 2.0, 4.0]), torch.tensor(2.0))
    assert values.tolist() == [1.0, 0.0, 4.0]


def test_the_mean_path_length_decays_towards_the_batches():
    mean = torch.tensor(0.0)
    for _ in range(100):
        mean = decay_mean(mean, torch.tensor(5.0, requires_grad=True))
    assert not mean.requires_grad
    assert float(mean) == pytest.approx(5.0 * (1.0 - 0.99**100), rel=1e-5)
    assert float(decay_mean(mean, torch.tensor(7.0), decay=1.0)) == 7.0


@pytest.mark.parametrize("penalty", ["r1", "gradient", "path"])
def test_derivatives_of_penalties_are_those_of_finite_differences(penalty):
    images, others = _normal(2, 1, 3, 3), _normal(2, 1, 3, 3, seed=1)
    weight = _normal(1, 1, 3, 3, seed=2).requires_grad_()

    def cost(weight):
        def critic(x):
            return torch.tanh(torch.nn.functional.conv2d(x, weight)).sum(dim=(1, 2, 3))

        if penalty == "r1":
            return r1_penalty(critic, images)
        if penalty == "gradient":
            return gradient_penalty(critic, images, others, torch.tensor([0.25, 0.5]))
        w_NLD = _normal(2, 3, 1, seed=3).requires_grad_()
        made = torch.tanh(w_NLD[:, :, :, None] * weight)
        return path_length_penalty(path_lengths(made, w_NLD, others), torch.tensor(0.5))

    assert torch.autograd.gradcheck(cost, (weight,))
