import pytest
import torch

from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.networks.stylegan2_discriminator import (
    StyleGan2Discriminator,
    batch_deviation,
)
from wunderkammer.gan.networks.stylegan2_generator import Mapping, StyleGan2Generator
from wunderkammer.gan.objectives.penalties import r1_penalty


@pytest.mark.parametrize(("side", "channels"), [(8, 3), (16, 1), (64, 3), (256, 1)])
def test_images_and_scores_have_the_shapes_that_the_params_say(side, channels, tiny_networks):
    params = tiny_networks(side, channels, channel_base=2 * side)
    generator, discriminator = StyleGan2Generator(params), StyleGan2Discriminator(params)
    images = generator(torch.randn(2, params.z_dim))
    assert images.shape == (2, channels, side, side)
    assert discriminator(images).shape == (2,)
    assert bool(images.isfinite().all())


def test_a_generator_of_1024_px_takes_18_styles():
    params = StyleGan2Network(
        resolution_px=1024,
        channels=3,
        z_dim=512,
        w_dim=512,
        num_mapping_layers=8,
        channel_base=32768,
        channel_max=512,
    )
    assert 2 * len(params.sides_px) == 18
    assert [params.features(side) for side in params.sides_px] == [512] * 5 + [256, 128, 64, 32]


def test_the_mapping_does_not_depend_on_the_length_of_z(tiny_networks):
    mapping = Mapping(tiny_networks())
    z = torch.randn(4, 8)
    assert torch.allclose(mapping(z), mapping(7.0 * z), atol=1e-5)


def test_truncation_pulls_w_towards_its_tracked_average(tiny_networks):
    mapping = Mapping(tiny_networks())
    mapping.track(torch.full((5, 12), 2.0))
    assert torch.allclose(mapping.average, torch.tensor(2.0 * 0.005))
    z = torch.randn(4, 8)
    full, half, none = (mapping(z, truncation_psi=psi) for psi in (1.0, 0.5, 0.0))
    assert torch.allclose(half, (full + mapping.average) / 2)
    assert torch.allclose(none, mapping.average.expand(4, -1))


def test_a_w_for_each_layer_reaches_that_layer(tiny_networks):
    synthesis = StyleGan2Generator(tiny_networks()).synthesis
    w = torch.randn(1, 12)
    same = synthesis(w[:, None].repeat(1, synthesis.num_layers, 1))
    assert torch.equal(same, synthesis(w))
    for layer in range(synthesis.num_layers):
        changed = w[:, None].repeat(1, synthesis.num_layers, 1)
        changed[:, layer] = torch.randn(12)
        assert not torch.allclose(synthesis(changed), same)


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
