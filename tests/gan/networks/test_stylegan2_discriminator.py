import math

import pytest
import torch
from torch import nn

from wunderkammer.gan.networks.stylegan2_discriminator import (
    StyleGan2Discriminator,
    batch_deviation,
)
from wunderkammer.gan.objectives.penalties import r1_penalty


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize(("side", "channels"), [(8, 3), (16, 1), (64, 4), (256, 1)])
def test_there_is_a_score_for_each_image(side, channels, residual, tiny_networks):
    params = tiny_networks(side, channels, channel_base=2 * side, residual=residual)
    scores = StyleGan2Discriminator(params)(torch.randn(2, channels, side, side))
    assert scores.shape == (2,)
    assert bool(scores.isfinite().all())


def test_batch_deviation_of_equal_samples_is_zero_and_of_plus_minus_a_is_a():
    x = torch.randn(1, 3, 4, 4).expand(4, -1, -1, -1)
    assert batch_deviation(x, group=4).abs().max() == pytest.approx(1e-4, abs=1e-5)
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None, None, None]
    assert torch.allclose(
        batch_deviation(signs.expand(-1, 3, 4, 4) * 0.6, group=4), torch.tensor(0.6)
    )


def test_two_batches_in_one_pass_do_not_see_each_other(tiny_networks):
    discriminator = StyleGan2Discriminator(tiny_networks())
    first, second = torch.randn(8, 3, 16, 16), 3.0 * torch.randn(8, 3, 16, 16)
    both = discriminator(torch.cat([first, second]))
    assert torch.allclose(both[:8], discriminator(first), atol=1e-5)
    assert torch.allclose(both[8:], discriminator(second), atol=1e-5)


def test_the_gradient_penalty_reaches_every_weight_before_the_score(tiny_networks):
    discriminator = StyleGan2Discriminator(tiny_networks())
    r1_penalty(discriminator, torch.randn(4, 3, 16, 16)).mean().backward()
    missing = [n for n, p in discriminator.named_parameters() if p.grad is None]
    assert missing == ["score.bias"]


def test_the_gradient_penalty_has_the_derivative_that_differences_give(tiny_networks):
    discriminator = StyleGan2Discriminator(tiny_networks(8)).double()
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    weight = discriminator.blocks[0].conv_down.weight
    (gradient,) = torch.autograd.grad(r1_penalty(discriminator, images).mean(), weight)
    direction, step = torch.randn_like(weight), 1e-6
    penalties = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            weight += sign * step * direction
        penalties.append(r1_penalty(discriminator, images).mean().item())
        with torch.no_grad():
            weight -= sign * step * direction
    slope = (penalties[0] - penalties[1]) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-4)


def test_without_residuals_there_is_no_skip_and_full_gain(tiny_networks):
    plain = StyleGan2Discriminator(tiny_networks(residual=False))
    residual = StyleGan2Discriminator(tiny_networks())
    assert not any("skip" in name for name, _ in plain.named_parameters())
    ratio = plain.blocks[0].conv_down.weight_gain / residual.blocks[0].conv_down.weight_gain
    assert ratio == pytest.approx(math.sqrt(2.0))


def test_a_conditional_score_is_the_projection_of_features_on_the_mapped_label(tiny_networks):
    discriminator = StyleGan2Discriminator(tiny_networks(num_labels=3, num_label_layers=2))
    images, labels = torch.randn(3, 3, 16, 16), torch.eye(3)
    kept = []
    discriminator.score.register_forward_hook(lambda _module, _inputs, y: kept.append(y))
    scores = discriminator(images, labels)
    mapped = discriminator.mapping(labels)
    expected = torch.stack(
        [f @ m / math.sqrt(len(m)) for f, m in zip(kept[0], mapped, strict=True)]
    )
    assert torch.allclose(scores, expected, atol=1e-5)
    assert not torch.allclose(scores, discriminator(images, labels.roll(1, 0)), atol=1e-3)


def test_a_network_with_labels_refuses_to_do_without(tiny_networks):
    with pytest.raises(ValueError, match="give one-hot labels"):
        StyleGan2Discriminator(tiny_networks(num_labels=3))(torch.randn(2, 3, 16, 16))


def test_layers_are_told_from_the_image_on(tiny_networks):
    discriminator = StyleGan2Discriminator(tiny_networks())
    first = discriminator.blocks[0]
    layers = discriminator.layers_from_image()
    assert layers[:4] == [discriminator.from_image, first.conv, first.conv_down, first.skip]
    assert layers[-1] is discriminator.score
    weights = {id(p) for layer in layers for p in layer.parameters()}
    assert weights == {id(p) for p in discriminator.parameters()}
    assert not any(isinstance(layer, nn.Sequential) for layer in layers)
