import pytest
import torch

from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import DcganNetwork, ProgressiveNetwork, R3ganNetwork
from wunderkammer.gan.networks.stylegan2_discriminator import StyleGan2Discriminator
from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator

SIZES = {"resolution_px": 8, "channels": 3, "z_dim": 8}
FEATURES = {"4": 16, "8": 16}


def test_the_pair_of_stylegan2_is_built_with_its_params(tiny_networks):
    params = tiny_networks()
    generator, discriminator = build_networks(params)
    assert isinstance(generator, StyleGan2Generator)
    assert isinstance(discriminator, StyleGan2Discriminator)
    assert generator.params is discriminator.params is params


@pytest.mark.parametrize(
    "params",
    [
        ProgressiveNetwork(**SIZES, features_by_side=FEATURES),
        DcganNetwork(resolution_px=64, channels=3, z_dim=8, layout="sane", channel_base=256),
        R3ganNetwork(**SIZES, features_by_side=FEATURES),
    ],
    ids=lambda params: params.kind,
)
def test_every_family_draws_images_that_its_discriminator_scores(params):
    generator, discriminator = build_networks(params)
    images = generator(torch.randn(4, params.z_dim))
    assert images.shape == (4, 3, params.resolution_px, params.resolution_px)
    assert discriminator(images).shape == (4,)
    assert type(generator).__name__.lower().startswith(params.kind)
