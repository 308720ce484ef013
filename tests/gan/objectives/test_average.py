import pytest
import torch
from torch import nn

from wunderkammer.gan.objectives.average import ema_beta, lazy_adam, update_ema


def test_lazy_regularisation_rescales_adam_as_the_paper_says():
    rate, betas = lazy_adam(0.002, (0.0, 0.99), interval=16)
    assert rate == pytest.approx(0.002 * 16 / 17)
    assert betas == (0.0, pytest.approx(0.99 ** (16 / 17)))


def test_the_weight_average_halves_its_past_in_ema_images():
    beta = ema_beta(batch_size=32, num_images=10**9, ema_images=10_000, rampup=0.05)
    assert beta ** (10_000 / 32) == pytest.approx(0.5)


def test_the_weight_average_starts_with_a_short_memory():
    betas = [
        ema_beta(batch_size=32, num_images=n, ema_images=10_000, rampup=0.05)
        for n in (0, 3_200, 64_000, 200_000, 10**8)
    ]
    assert betas[0] == 0.0
    assert betas == sorted(betas)
    assert betas[1] == pytest.approx(0.5 ** (32 / 160))
    assert betas[3] == betas[4]
    unramped = ema_beta(batch_size=32, num_images=0, ema_images=10_000, rampup=None)
    assert unramped == betas[4]


def test_the_weight_average_mixes_parameters_and_copies_buffers():
    average, source = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        source.weight.fill_(3.0)
    source.running_mean.fill_(5.0)
    update_ema(average, source, beta=0.75)
    assert torch.allclose(average.weight, torch.tensor(0.75 * 1.0 + 0.25 * 3.0))
    assert torch.equal(average.running_mean, source.running_mean)
