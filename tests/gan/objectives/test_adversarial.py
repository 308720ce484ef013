import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.gan.objectives.adversarial import LOSSES, drift

scores = st.floats(-20, 20)


def _sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def _costs(name, real, fake):
    real_N, fake_N = torch.tensor([[real], [fake]], dtype=torch.float64)
    loss = LOSSES[name]
    return float(loss.generator(fake_N, real_N)), float(loss.discriminator(real_N, fake_N))


@given(scores, scores)
def test_the_logistic_losses_are_the_negative_log_likelihoods(real, fake):
    generator, discriminator = _costs("non_saturating", real, fake)
    assert generator == pytest.approx(-math.log(_sigmoid(fake)), abs=1e-6)
    wanted = -math.log(_sigmoid(real)) - math.log(_sigmoid(-fake))
    assert discriminator == pytest.approx(wanted, abs=1e-6)


def test_an_undecided_discriminator_costs_two_log_two():
    assert _costs("non_saturating", 0.0, 0.0)[1] == pytest.approx(2 * math.log(2.0))


@given(scores, scores)
def test_the_hinge_is_free_beyond_its_margin_and_linear_within(real, fake):
    generator, discriminator = _costs("hinge", real, fake)
    assert generator == pytest.approx(-fake)
    assert discriminator == pytest.approx(max(0.0, 1.0 - real) + max(0.0, 1.0 + fake))


@given(scores, scores, scores)
def test_the_relativistic_losses_see_differences_only(real, fake, shift):
    generator, discriminator = _costs("relativistic", real, fake)
    assert generator == pytest.approx(-math.log(_sigmoid(fake - real)), abs=1e-6)
    assert discriminator == pytest.approx(-math.log(_sigmoid(real - fake)), abs=1e-6)
    shifted = _costs("relativistic", real + shift, fake + shift)
    assert shifted == pytest.approx((generator, discriminator), abs=1e-6)


def test_a_relativistic_generator_without_reals_is_refused():
    with pytest.raises(ValueError, match="real_N=None"):
        LOSSES["relativistic"].generator(torch.zeros(2), None)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_only_a_loss_that_pairs_needs_the_reals(name):
    fake_N = torch.linspace(-2, 2, 5)
    if not LOSSES[name].pairs:
        without = LOSSES[name].generator(fake_N, None)
        assert torch.equal(without, LOSSES[name].generator(fake_N, torch.ones(5)))


@given(scores, scores)
def test_the_wasserstein_critic_is_paid_the_distance(real, fake):
    generator, discriminator = _costs("wasserstein", real, fake)
    assert generator == pytest.approx(-fake)
    assert discriminator == pytest.approx(fake - real)


def test_the_drift_term_is_the_squared_score():
    assert drift(torch.tensor([-3.0, 0.5])).tolist() == [9.0, 0.25]


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_each_player_gains_where_the_other_loses(name):
    real_N = torch.full((4,), 0.5, dtype=torch.float64)
    fake_N = torch.full((4,), -0.25, dtype=torch.float64, requires_grad=True)
    loss = LOSSES[name]
    (generator,) = torch.autograd.grad(loss.generator(fake_N, real_N).sum(), fake_N)
    (discriminator,) = torch.autograd.grad(loss.discriminator(real_N, fake_N).sum(), fake_N)
    assert (generator < 0).all()
    assert (discriminator > 0).all()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_derivatives_of_every_loss_are_those_of_finite_differences(name):
    random = torch.Generator().manual_seed(0)
    real_N, fake_N = torch.randn(2, 4, generator=random, dtype=torch.float64).requires_grad_()
    loss = LOSSES[name]
    assert torch.autograd.gradcheck(
        lambda real, fake: (loss.generator(fake, real), loss.discriminator(real, fake)),
        (real_N, fake_N),
    )
