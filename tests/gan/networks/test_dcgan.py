import pytest
import torch
from torch import nn

from wunderkammer.gan.networks.dcgan import DcganDiscriminator, DcganGenerator
from wunderkammer.gan.networks.params import DcganNetwork


def network(resolution_px=16, channels=3, layout="sane", **changes):
    settings = {"z_dim": 10, "channel_base": 64, "channel_max": 16, "spectral_norm": True}
    return DcganNetwork(
        resolution_px=resolution_px, channels=channels, layout=layout, **{**settings, **changes}
    )


def shapes(module):
    return [tuple(p.shape) for p in module.parameters() if p.ndim > 1]


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (32, 3), (256, 4)])
@pytest.mark.parametrize("spectral_norm", [True, False])
def test_sane_networks_are_there_for_16_to_256_px(side, channels, spectral_norm):
    params = network(side, channels, channel_base=2 * side, spectral_norm=spectral_norm)
    images = DcganGenerator(params)(torch.randn(2, 10))
    assert images.shape == (2, channels, side, side)
    assert images.abs().max() <= 1.0
    assert DcganDiscriminator(params)(images).shape == (2,)


@pytest.mark.parametrize("side", [8, 512])
@pytest.mark.parametrize("family", [DcganGenerator, DcganDiscriminator])
def test_other_sizes_are_refused_by_their_value(side, family):
    with pytest.raises(ValueError, match=f"resolution_px={side}: .* for 16 to 256 px"):
        family(network(side))


def test_the_sane_layout_at_64_px_has_the_features_of_the_paper():
    params = DcganNetwork(resolution_px=64, channels=3, z_dim=100, layout="sane")
    generator, discriminator = DcganGenerator(params), DcganDiscriminator(params)
    assert shapes(generator) == [
        (1024 * 4 * 4, 100),
        (1024, 512, 4, 4),
        (512, 256, 4, 4),
        (256, 128, 4, 4),
        (128, 3, 4, 4),
    ]
    assert shapes(discriminator) == [
        (128, 3, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
        (1024, 512, 4, 4),
        (1, 1024 * 4 * 4),
    ]


def test_the_quilt_layout_at_64_px_has_the_layers_of_the_quilt_gan():
    params = DcganNetwork(resolution_px=64, channels=3, z_dim=100, layout="quilt")
    with torch.device("meta"):
        generator, discriminator = DcganGenerator(params), DcganDiscriminator(params)
    assert shapes(generator) == [(49152, 100), (50, 3, 3, 3), (25, 50, 3, 3), (3, 25, 2, 2)]
    assert generator.synthesis.layers[0].bias is None
    assert shapes(discriminator) == [
        (1024, 3, 3, 3),
        (512, 1024, 3, 3),
        (1024, 512 * 17 * 17),
        (1, 1024),
    ]
    kinds = [type(layer) for layer in generator.synthesis.layers]
    assert kinds.count(nn.BatchNorm2d) == kinds.count(nn.ReLU) == 3
    assert kinds[-1] is nn.Tanh
    assert nn.BatchNorm2d not in [type(layer) for layer in discriminator.layers]


def test_quilt_networks_have_images_and_scores_of_other_sizes_too():
    params = network(8, 1, layout="quilt", num_labels=2)
    labels = torch.eye(2)
    images = DcganGenerator(params)(torch.randn(2, 10), labels)
    assert images.shape == (2, 1, 8, 8)
    assert DcganDiscriminator(params)(images, labels).shape == (2,)


def test_no_layer_of_a_trained_critic_lengthens_anything():
    discriminator = DcganDiscriminator(network(32))
    weights = list(discriminator.parameters())
    for _ in range(20):
        loss = discriminator(torch.randn(4, 3, 32, 32)).square().mean()
        with torch.no_grad():
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight -= 0.1 * slope
    with torch.no_grad():
        for _ in range(30):  # each pass in training mode iterates once towards the norm
            discriminator(torch.randn(1, 3, 32, 32))
        layers = [x for x in discriminator.layers if isinstance(x, nn.Conv2d | nn.Linear)]
        norms = [float(torch.linalg.matrix_norm(x.weight.flatten(1), ord=2)) for x in layers]
    assert len(norms) == 4
    assert max(norms) <= 1.01
    assert min(norms) >= 0.99


def test_there_is_no_batch_normalisation_beside_spectral_norm():
    def count(spectral_norm):
        layers = DcganDiscriminator(network(32, spectral_norm=spectral_norm)).modules()
        return sum(isinstance(layer, nn.BatchNorm2d) for layer in layers)

    assert count(True) == 0
    assert count(False) == 2


def test_an_image_does_not_depend_on_its_batch_in_eval_mode():
    generator, z = DcganGenerator(network()), torch.randn(6, 10)
    generator(z)
    assert not torch.allclose(generator(z)[:2], generator(z[:2]), atol=1e-4)
    generator.eval()
    assert torch.allclose(generator(z)[:2], generator(z[:2]), atol=1e-6)
