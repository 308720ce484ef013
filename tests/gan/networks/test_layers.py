import math

import pytest
import torch
from torch.nn import functional

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.fir import blur
from wunderkammer.gan.networks.layers import (
    EqualizedConv,
    EqualizedLinear,
    ModulatedConv,
    StyledConv,
)


def explicit_modulated_conv(conv, x, w):
    """Equations 1 and 3 as they are written: a kernel of its own for each sample."""
    style = functional.linear(w, conv.affine.weight / math.sqrt(w.shape[1]), conv.affine.bias)
    outputs = []
    for sample, scale in zip(x, style, strict=True):
        kernel = conv.weight * conv.weight_gain * scale[None, :, None, None]
        if conv.demodulate:
            kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if conv.up:
            stuffed = torch.zeros(sample.shape[0], 2 * sample.shape[1] + 1, 2 * sample.shape[2] + 1)
            stuffed[:, 1::2, 1::2] = sample
            flipped = kernel.flip(2, 3)
            y = functional.conv2d(functional.pad(stuffed, (1, 1, 1, 1))[None], flipped)
            outputs.append(blur(y, padding=1) * 4.0)
        else:
            outputs.append(functional.conv2d(sample[None], kernel, padding=kernel.shape[-1] // 2))
    return torch.cat(outputs)


@pytest.mark.parametrize(
    ("size", "up", "demodulate"), [(3, False, True), (3, True, True), (1, False, False)]
)
def test_a_modulated_convolution_equals_one_with_weights_of_each_sample(size, up, demodulate):
    conv = ModulatedConv(6, 5, w_dim=4, size=size, up=up, demodulate=demodulate)
    x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 4)
    y, scale = conv(x, w)
    y = y if scale is None else y * scale
    assert y.shape == (3, 5, 16, 16) if up else (3, 5, 8, 8)
    assert torch.allclose(y, explicit_modulated_conv(conv, x, w), atol=1e-5)


def test_demodulated_activations_have_unit_deviation_whatever_the_style():
    conv = ModulatedConv(64, 64, w_dim=16, size=3, up=False, demodulate=True)
    y, scale = conv(torch.randn(8, 64, 16, 16), 5.0 * torch.randn(8, 16))
    assert scale is not None
    inner = (y * scale)[:, :, 1:-1, 1:-1]
    assert inner.std().item() == pytest.approx(1.0, abs=0.03)


def test_an_equalized_convolution_keeps_the_mean_square_of_its_input():
    conv = EqualizedConv(64, 64, size=3)
    y = conv(torch.randn(4, 64, 16, 16))[:, :, 1:-1, 1:-1]
    assert y.square().mean().item() == pytest.approx(1.0 + 0.2**2, abs=0.05)


def test_an_equalized_weight_is_drawn_from_a_unit_normal_and_scaled_when_used():
    dense = EqualizedLinear(400, 300, lr_multiplier=0.01)
    assert dense.weight.std().item() == pytest.approx(100.0, rel=0.02)
    assert dense.weight_gain == pytest.approx(0.01 / 20.0)
    assert dense(torch.randn(64, 400)).std().item() == pytest.approx(1.0, abs=0.03)


def test_a_learning_rate_multiplier_scales_the_effect_of_a_step():
    outputs = []
    for multiplier in (1.0, 0.01):
        dense = EqualizedLinear(4, 1, lr_multiplier=multiplier)
        with torch.no_grad():
            dense.weight += 1.0  # what one Adam step does to every weight alike
        before = EqualizedLinear(4, 1, lr_multiplier=multiplier)
        before.load_state_dict({**dense.state_dict(), "weight": dense.weight - 1.0})
        x = torch.ones(1, 4)
        outputs.append(float((dense(x) - before(x)).detach()))
    assert outputs[0] == pytest.approx(100.0 * outputs[1], rel=1e-3)


def test_the_style_bias_starts_at_one():
    conv = ModulatedConv(6, 5, w_dim=4, size=3, up=False, demodulate=True)
    assert torch.equal(conv.affine(torch.zeros(2, 4)), torch.ones(2, 6))


def test_noise_modes_differ_only_once_noise_has_strength():
    layer = StyledConv(4, 4, w_dim=4, resolution_px=8, up=False)
    x, w = torch.randn(2, 4, 8, 8), torch.randn(2, 4)

    def draw(mode, seed=0):
        draws = Draws.whole(torch.Generator().manual_seed(seed), 2)
        return layer(x, w, noise_mode=mode, draws=draws)

    assert torch.equal(draw("none"), draw("const"))
    with torch.no_grad():
        layer.noise_strength.fill_(0.5)
    assert not torch.allclose(draw("none"), draw("const"))
    assert torch.equal(draw("const", 0), draw("const", 1))
    assert torch.equal(draw("random", 0), draw("random", 0))
    assert not torch.allclose(draw("random", 0), draw("random", 1))


def test_random_noise_without_draws_is_refused():
    layer = StyledConv(4, 4, w_dim=4, resolution_px=8, up=False)
    with pytest.raises(ValueError, match="'random' needs draws"):
        layer(torch.randn(2, 4, 8, 8), torch.randn(2, 4), noise_mode="random", draws=None)


def test_a_clamp_cuts_activations_off_at_its_share_of_the_gain():
    conv = EqualizedConv(4, 4, size=3, gain=0.5, clamp=0.2)
    y = conv(10.0 * torch.randn(2, 4, 8, 8))
    assert (y.min().item(), y.max().item()) == (pytest.approx(-0.1), pytest.approx(0.1))
