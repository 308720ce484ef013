import numpy as np
import pytest
import torch
from torch import nn

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.params import R3ganNetwork
from wunderkammer.gan.params import R3ganParams
from wunderkammer.gan.training.phases import Batch

NETWORKS = R3ganNetwork(
    resolution_px=8, channels=3, z_dim=8, features_by_side={"4": 8, "8": 8}, blocks_per_side=1
)


@pytest.fixture
def recipe():
    def make(**changes):
        settings = {"batch_size": 8, "total_kimg": 1.0, "learning_rate": (0.002, 0.0005)}
        settings |= {"gamma": (1.0, 0.1), "burn_in_kimg": 0.064}
        plain = {"kind": "r3gan", **settings, **changes}
        return R3ganParams.model_validate(plain)

    return make


def test_a_training_stopped_and_resumed_goes_on_to_equal_bits(
    recipe, begin, steps, numbers, pictures
):
    whole = steps(begin(recipe(), NETWORKS, pictures), 4)
    stopped = steps(begin(recipe(), NETWORKS, pictures), 2)
    resumed = steps(begin(recipe(), NETWORKS, pictures, checkpoint=stopped), 2)
    assert np.array_equal(numbers(whole), numbers(resumed))
    assert bool(np.isfinite(numbers(whole)).all())


def test_micro_batches_give_the_result_of_the_whole_batch(recipe, begin, steps, numbers, pictures):
    whole = steps(begin(recipe(), NETWORKS, pictures), 3)
    split = steps(begin(recipe(micro_batch=3), NETWORKS, pictures), 3)
    assert np.allclose(numbers(whole), numbers(split), atol=1e-4)


@pytest.mark.parametrize(
    ("kimg", "rate", "gamma", "beta2", "ema_kimg", "p"),
    [
        (0.0, 2e-4, 150.0, 0.9, 0.0, 0.0),
        (5000.0, 2e-4 - 1.5e-4 * 0.14644661, 150 - 135 * 0.14644661, 0.9131802, 73.223305, 0.0439),
        (10000.0, 1.25e-4, 82.5, 0.945, 250.0, 0.15),
        (20000.0, 5e-5, 15.0, 0.99, 500.0, 0.3),
        (30000.0, 5e-5, 15.0, 0.99, 500.0, 0.3),
    ],
)
def test_everything_follows_half_a_cosine_over_the_burn_in(
    kimg, rate, gamma, beta2, ema_kimg, p, begin, pictures
):
    augment = {"kind": "fixed", "p": 0.3}
    plain = {"kind": "r3gan", "total_kimg": 1.0, "gamma": (150.0, 15.0), "augment": augment}
    method = begin(R3ganParams.model_validate(plain), NETWORKS, pictures).method
    method.rate_scale = 0.5
    method.begin_step(round(kimg * 1000))
    assert method.gamma == pytest.approx(gamma)
    assert method.ema_images == pytest.approx(ema_kimg * 1000)
    assert float(method.augmenter.p) == pytest.approx(p, abs=1e-4)
    for adam in method.adams.values():
        (group,) = adam.param_groups
        assert group["lr"] == pytest.approx(rate * 0.5)
        assert group["betas"] == (0.0, pytest.approx(beta2))


@pytest.mark.parametrize(("side", "first"), [(16, 0.05), (64, 2.0), (128, 17.0), (512, 150.0)])
def test_a_gamma_left_out_is_the_papers_for_the_resolution(side, first, begin, pictures):
    widths = {str(2**k): 8 for k in range(2, side.bit_length())}
    networks = NETWORKS.model_copy(update={"resolution_px": side, "features_by_side": widths})
    method = begin(R3ganParams(kind="r3gan", total_kimg=1.0), networks, pictures).method
    assert method.gammas == pytest.approx((first, first / 10))


class _Linear(nn.Module):
    """D(x) = <a, x>."""

    def __init__(self, direction):
        super().__init__()
        self.direction = direction

    def forward(self, image_NCHW, labels_NL=None):
        return (image_NCHW * self.direction).flatten(1).sum(dim=1)


def test_the_losses_of_a_linear_critic_are_their_closed_forms(recipe, begin, pictures):
    method = begin(recipe(gamma=(3.0, 3.0)), NETWORKS, pictures).method
    direction = torch.randn(3, 8, 8) / 10
    method.discriminator = _Linear(direction)
    reals = torch.randn(4, 3, 8, 8)

    def batch():
        return Batch(reals, None, Draws.whole(torch.Generator().manual_seed(7), 4))

    difference = method.discriminator(reals) - method.discriminator(method._draw(batch()))
    loss, rows = method._discriminator_loss(batch())
    penalties = 2 * direction.square().sum()
    assert torch.allclose(loss, nn.functional.softplus(-difference) + 1.5 * penalties, atol=1e-5)
    assert torch.equal(rows["scores/real_sign"], difference.sign())
    generator_loss, _ = method._generator_loss(batch())
    assert torch.allclose(generator_loss, nn.functional.softplus(difference), atol=1e-5)


def test_labels_of_the_pictures_reach_both_networks(recipe, begin, steps, pictures):
    labelled = NETWORKS.model_copy(update={"num_labels": 3})
    state = steps(begin(recipe(conditional=True), labelled, pictures), 2)
    for embed in (state.method.generator.synthesis.embed, state.method.discriminator.head.embed):
        assert bool((embed.grad != 0).any())


def test_it_comes_near_its_pictures(recipe, begin, steps, distance, halves):
    rates = {"learning_rate": (0.004, 0.002), "ema_kimg": (0.0, 0.2), "burn_in_kimg": 2.0}
    wide = NETWORKS.model_copy(update={"features_by_side": {"4": 16, "8": 16}})
    state = begin(recipe(batch_size=16, **rates), wide, halves[:, :, ::2, ::2])
    before = distance(state)
    steps(state, 120)
    assert distance(state) < before / 3
