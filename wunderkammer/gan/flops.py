"""What the networks cost to compute, by their equations. No torch here.

Counted are the multiply-adds of convolutions and dense layers, 2 FLOP each. A strided or transposed
convolution counts at the smaller of its sides. Filters, activations, normalisation and noise count
nothing: they move numbers rather than multiply them.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from wunderkammer.gan.growth import growth_stages
from wunderkammer.gan.networks.params import (
    DcganNetwork,
    NetworkParams,
    ProgressiveNetwork,
    R3ganNetwork,
    StyleGan2Network,
)
from wunderkammer.gan.params import ProgressiveParams, StyleGan2Params, TrainParams
from wunderkammer.gan.settings import (
    StyleGan2Settings,
    batch_size,
    network_params,
    stylegan2_settings,
)

# The share of a batch that sees the path length penalty (arXiv 1912.04958, appendix B).
PATH_LENGTH_SHARE = 0.5


def generator_flops(network: NetworkParams) -> float:
    """FLOP of one image, forward."""
    if isinstance(network, StyleGan2Network):
        return 2.0 * sum(_stylegan2_generator(network))
    if isinstance(network, ProgressiveNetwork):
        return 2.0 * sum(_progressive_generator(network))
    if isinstance(network, DcganNetwork):
        return 2.0 * sum(_dcgan_generator(network))
    return 2.0 * sum(_r3gan(network, is_generator=True))


def discriminator_flops(network: NetworkParams) -> float:
    """FLOP of one score, forward."""
    if isinstance(network, StyleGan2Network):
        return 2.0 * sum(_stylegan2_discriminator(network))
    if isinstance(network, ProgressiveNetwork):
        return 2.0 * sum(_progressive_discriminator(network))
    if isinstance(network, DcganNetwork):
        return 2.0 * sum(_dcgan_discriminator(network))
    return 2.0 * sum(_r3gan(network, is_generator=False))


def image_flops(train: TrainParams, *, resolution_px: int, channels: int, num_labels: int) -> float:
    """FLOP of training on one image; of a progressive training, the mean over its stages.

    With G and D forward, backward costs twice that (once, where only inputs need gradients), and a
    penalty on the gradient of an input costs 6 in all: the generator's step 3G + 2D, the
    discriminator's G + 6D, each penalty 6D more.
    """
    picture = {"resolution_px": resolution_px, "channels": channels, "num_labels": num_labels}
    if isinstance(train, StyleGan2Params):
        return stylegan2_image_flops(stylegan2_settings(train, **picture))
    network = network_params(train, **picture)
    if isinstance(train, ProgressiveParams):
        assert isinstance(network, ProgressiveNetwork)
        return _progressive_image(train, network)
    g, d = generator_flops(network), discriminator_flops(network)
    # R3GAN: its loss sees pairs, and both penalties at every step share their forward with it.
    return 4.0 * g + (15.0 if train.kind == "r3gan" else 8.0) * d


def stylegan2_image_flops(settings: StyleGan2Settings) -> float:
    """FLOP of training on one image, with lazy regularisation.

    Besides G's and D's steps: path length 6G on half a batch, R1 6D, R2 6D + G, each divided by its
    interval. At the usual intervals, without R2: 4.75G + 8.375D.
    """
    g = generator_flops(settings.network)
    d = discriminator_flops(settings.network)
    flops = 4.0 * g + 8.0 * d
    if settings.path_length_weight:
        flops += 6.0 * g * PATH_LENGTH_SHARE / settings.path_length_interval
    if settings.r1_gamma:
        flops += 6.0 * d / settings.r1_interval
    if settings.r2_gamma:
        flops += (6.0 * d + g) / settings.r1_interval
    return flops


def _progressive_image(train: ProgressiveParams, network: ProgressiveNetwork) -> float:
    """Every stage at its own side: 3G + 2D; the critic's G + 12D, R1 shares 3 of them."""
    per_critic = 12.0 if train.loss == "wgan_gp" else 9.0
    total_px = network.resolution_px
    batch = batch_size(train, resolution_px=total_px)
    stages = growth_stages(train, resolution_px=total_px, batch_size=batch)
    flops = 0.0
    for stage in stages:
        grown = network.model_copy(update={"resolution_px": stage.side_px})
        g, d = generator_flops(grown), discriminator_flops(grown)
        flops += stage.num_images * (3.0 * g + 2.0 * d + train.critic_steps * (g + per_critic * d))
    return flops / stages[-1].end_image


def _conv(num_in: int, num_out: int, *, side_px: int, size: int = 3) -> int:
    return num_in * num_out * size**2 * side_px**2


def _dense(*sizes: int) -> int:
    return sum(a * b for a, b in pairwise(sizes))


def _stylegan2_generator(net: StyleGan2Network) -> Iterator[int]:
    """Mapping, styles, and per side: a doubling convolution, a plain one, the image's."""
    width, w_dim = net.features(4), net.w_dim
    z_dim = net.z_dim + (w_dim if net.num_labels else 0)
    yield _dense(net.num_labels, w_dim)
    yield _dense(z_dim, *[w_dim] * net.num_mapping_layers)
    yield 2 * w_dim * width
    yield _conv(width, width, side_px=4) + _conv(width, net.channels, side_px=4, size=1)
    for below_px, side_px in pairwise(net.sides_px):
        below, here = net.features(below_px), net.features(side_px)
        yield w_dim * (below + 2 * here)
        yield _conv(below, here, side_px=below_px)
        yield _conv(here, here, side_px=side_px)
        yield _conv(here, net.channels, side_px=side_px, size=1)


def _stylegan2_discriminator(net: StyleGan2Network) -> Iterator[int]:
    """Per side: a plain convolution, a halving one, the skip's; then the head."""
    width, side_px = net.features(4), net.resolution_px
    yield _conv(net.channels, net.features(side_px), side_px=side_px, size=1)
    for below_px, side_px in pairwise(net.sides_px):
        below, here = net.features(below_px), net.features(side_px)
        yield _conv(here, here, side_px=side_px)
        yield _conv(here, below, side_px=below_px)
        yield _conv(here, below, side_px=below_px, size=1) if net.residual else 0
    yield _conv(width + 1, width, side_px=4)
    yield _dense(width * 16, width, width if net.num_labels else 1)
    if net.num_labels:
        yield _dense(net.num_labels, *[width] * (net.num_label_layers + 1))


def _progressive_generator(net: ProgressiveNetwork) -> Iterator[int]:
    width, side_px = net.features(4), net.resolution_px
    yield _dense(net.z_dim + net.num_labels, width * 16) + _conv(width, width, side_px=4)
    for below_px, side_px in pairwise(net.sides_px):
        below, here = net.features(below_px), net.features(side_px)
        yield _conv(below, here, side_px=side_px) + _conv(here, here, side_px=side_px)
    yield _conv(net.features(side_px), net.channels, side_px=side_px, size=1)


def _progressive_discriminator(net: ProgressiveNetwork) -> Iterator[int]:
    width, side_px = net.features(4), net.resolution_px
    yield _conv(net.channels, net.features(side_px), side_px=side_px, size=1)
    for below_px, side_px in pairwise(net.sides_px):
        below, here = net.features(below_px), net.features(side_px)
        yield _conv(here, here, side_px=side_px) + _conv(here, below, side_px=side_px)
    yield _conv(width + 1, width, side_px=4)
    yield _dense(width * 16, width, max(net.num_labels, 1))


def _dcgan_generator(net: DcganNetwork) -> Iterable[int]:
    side_px, z_dim = net.resolution_px, net.z_dim + net.num_labels
    if net.layout == "quilt":
        return (
            _dense(z_dim, 3 * (2 * side_px) ** 2),
            _conv(3, 50, side_px=2 * side_px) + _conv(50, 25, side_px=2 * side_px),
            _conv(25, net.channels, side_px=side_px, size=2),
        )
    return (_dense(z_dim, net.features(4) * 16), *_dcgan_sides(net))


def _dcgan_discriminator(net: DcganNetwork) -> Iterable[int]:
    num_out = max(net.num_labels, 1)
    if net.layout == "quilt":
        first_px = net.resolution_px + 2
        second_px = first_px // 2 + 2
        return (
            _conv(net.channels, 1024, side_px=first_px),
            _conv(1024, 512, side_px=second_px),
            _dense(512 * (second_px // 2) ** 2, 1024, num_out),
        )
    return (_dense(net.features(4) * 16, num_out), *_dcgan_sides(net))


def _dcgan_sides(net: DcganNetwork) -> Iterator[int]:
    """4 by 4 convolutions that halve or double; the image stands at the last side."""
    *sides_px, _ = net.sides_px
    for below_px, side_px in pairwise(sides_px):
        yield _conv(net.features(below_px), net.features(side_px), side_px=below_px, size=4)
    yield _conv(net.features(sides_px[-1]), net.channels, side_px=sides_px[-1], size=4)


def _r3gan(net: R3ganNetwork, *, is_generator: bool) -> Iterator[int]:
    """Residual blocks; between sides of other widths a 1 by 1 convolution, at the smaller one."""
    side_px, width = net.resolution_px, net.features(4)
    yield _conv(net.features(side_px), net.channels, side_px=side_px, size=1)
    if is_generator:
        yield _dense(net.z_dim * (2 if net.num_labels else 1), width)
        yield net.num_labels * net.z_dim
    else:
        yield _dense(width, width if net.num_labels else 1)
        yield net.num_labels * width
    for side_px in net.sides_px:
        here, inner = net.features(side_px), net.features(side_px) * net.expansion
        block = 2 * here * inner + 9 * inner * net.group_size
        yield net.blocks_per_side * block * side_px**2
        below_px = max(side_px // 2, 4)
        below = net.features(below_px)
        yield _conv(below, here, side_px=below_px, size=1) if below != here else 0
