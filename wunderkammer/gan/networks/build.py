"""The pair of networks that params describe."""

from wunderkammer.gan.networks.interface import DiscriminatorNetwork, GeneratorNetwork
from wunderkammer.gan.networks.params import (
    DcganNetwork,
    NetworkParams,
    ProgressiveNetwork,
    StyleGan2Network,
)
from wunderkammer.gan.networks.stylegan2_discriminator import StyleGan2Discriminator
from wunderkammer.gan.networks.stylegan2_generator import StyleGan2Generator


def build_networks(params: NetworkParams) -> tuple[GeneratorNetwork, DiscriminatorNetwork]:
    """Generator and discriminator, weights random, on the CPU."""
    if isinstance(params, StyleGan2Network):
        return StyleGan2Generator(params), StyleGan2Discriminator(params)
    if isinstance(params, ProgressiveNetwork):
        from wunderkammer.gan.networks import progressive

        return progressive.ProgressiveGenerator(params), progressive.ProgressiveDiscriminator(
            params
        )
    if isinstance(params, DcganNetwork):
        from wunderkammer.gan.networks import dcgan

        return dcgan.DcganGenerator(params), dcgan.DcganDiscriminator(params)
    from wunderkammer.gan.networks import r3gan

    return r3gan.R3ganGenerator(params), r3gan.R3ganDiscriminator(params)
