import pytest
import torch

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.networks.stylegan2_generator import Mapping, StyleGan2Generator


@pytest.mark.parametrize(("side", "channels"), [(8, 3), (16, 1), (64, 4), (256, 1)])
def test_images_have_the_shape_that_the_params_say(side, channels, tiny_networks):
    params = tiny_networks(side, channels, channel_base=2 * side)
    images = StyleGan2Generator(params)(torch.randn(2, params.z_dim))
    assert images.shape == (2, channels, side, side)
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


def test_a_label_changes_the_image_and_its_length_does_not(tiny_networks):
    generator = StyleGan2Generator(tiny_networks(num_labels=3))
    z, labels = torch.randn(3, 8), torch.eye(3)
    images = generator(z, labels)
    assert not torch.allclose(images, generator(z, labels.roll(1, 0)), atol=1e-3)
    with torch.no_grad():
        generator.mapping.embed.bias.zero_()
    assert torch.allclose(generator(z, labels), generator(z, 5.0 * labels), atol=1e-4)


def test_a_network_with_labels_refuses_to_do_without(tiny_networks):
    with pytest.raises(ValueError, match="give one-hot labels"):
        StyleGan2Generator(tiny_networks(num_labels=3))(torch.randn(2, 8))


def test_random_noise_of_a_part_of_a_batch_is_that_of_the_whole(tiny_networks):
    generator = StyleGan2Generator(tiny_networks())
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.3)
    z = torch.randn(4, 8)

    def drawn(rows):
        draws = Draws(torch.Generator().manual_seed(1), 4, rows)
        return generator(z[rows], noise_mode="random", draws=draws)

    whole = drawn(slice(0, 4))
    parts = torch.cat([drawn(slice(0, 1)), drawn(slice(1, 4))])
    assert torch.allclose(whole, parts, atol=1e-5)
    assert not torch.allclose(whole, generator(z), atol=1e-3)


def test_the_network_tells_its_sizes(tiny_networks):
    generator = StyleGan2Generator(tiny_networks(32, 1, num_labels=2))
    sizes = (generator.z_dim, generator.num_labels, generator.resolution_px, generator.channels)
    assert sizes == (8, 2, 32, 1)
