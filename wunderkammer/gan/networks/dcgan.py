"""DCGAN (arXiv 1511.06434), as the paper has it and as the quilt GAN had it.

Shapes: N samples, Z numbers of z (and of labels), L labels, C channels, H rows, W columns.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.interface import (
    DiscriminatorNetwork,
    GeneratorNetwork,
    NoiseMode,
)
from wunderkammer.gan.networks.labels import chosen_score, plain_mapping
from wunderkammer.gan.networks.params import DCGAN_SANE_SIDES_PX, DcganNetwork

SLOPE = 0.2
SANE_DEVIATION = 0.02  # of first weights: the paper, section 4


class DcganSynthesis(nn.Module):
    """z, and labels beside it, to images within [-1, 1]."""

    def __init__(self, params: DcganNetwork) -> None:
        super().__init__()
        self.layers = _quilt_synthesis(params) if _is_quilt(params) else _sane_synthesis(params)

    def forward(
        self, w_NZ: Tensor, *, noise_mode: NoiseMode = "const", draws: Draws | None = None
    ) -> Tensor:
        """Images [N, C, H, W]; there is no noise.

        In training mode, batches are normalised by their own statistics.
        """
        images_NCHW: Tensor = self.layers(w_NZ)
        return images_NCHW


class DcganGenerator(GeneratorNetwork):
    """z [N, Z] to images.

    Raises:
        ValueError: the layout is not made for this resolution.
    """

    params: DcganNetwork

    def __init__(self, params: DcganNetwork) -> None:
        super().__init__()
        self.params = params
        self.mapping = plain_mapping(params.num_labels)
        self.synthesis = DcganSynthesis(params)


class DcganDiscriminator(DiscriminatorNetwork):
    """Images to one score each.

    Raises:
        ValueError: the layout is not made for this resolution.
    """

    params: DcganNetwork

    def __init__(self, params: DcganNetwork) -> None:
        super().__init__()
        self.params = params
        self.layers = _quilt_critic(params) if _is_quilt(params) else _sane_critic(params)

    def forward(self, image_NCHW: Tensor, labels_NL: Tensor | None = None) -> Tensor:
        """Scores [N] of images in [-1, 1]; labels are one-hot."""
        return chosen_score(self.layers(image_NCHW), labels_NL)


def _is_quilt(params: DcganNetwork) -> bool:
    if params.layout == "quilt":
        return True
    least, most = DCGAN_SANE_SIDES_PX
    if not least <= params.resolution_px <= most:
        raise ValueError(
            f"resolution_px={params.resolution_px}: the layout 'sane' is made for {least} to "
            f"{most} px; choose a side of that, or the layout 'quilt'"
        )
    return False


def _quilt_synthesis(params: DcganNetwork) -> nn.Sequential:
    """A picture of twice the side from one dense layer, then two convolutions and a halving."""
    side_px = 2 * params.resolution_px
    layers = nn.Sequential(
        nn.Linear(params.z_dim + params.num_labels, 3 * side_px**2, bias=False),
        nn.Unflatten(1, (3, side_px, side_px)),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 50, 3, padding=1),
        nn.BatchNorm2d(50),
        nn.ReLU(),
        nn.Conv2d(50, 25, 3, padding=1),
        nn.BatchNorm2d(25),
        nn.ReLU(),
        nn.Conv2d(25, params.channels, 2, stride=2),
        nn.Tanh(),
    )
    return _start(layers, nn.init.xavier_uniform_)


def _quilt_critic(params: DcganNetwork) -> nn.Sequential:
    side_px = (params.resolution_px + 2) // 2  # a padding of 2 adds 2 to the side
    side_px = (side_px + 2) // 2
    layers = nn.Sequential(
        nn.Conv2d(params.channels, 1024, 3, padding=2),
        nn.LeakyReLU(SLOPE),
        nn.AvgPool2d(2),
        nn.Conv2d(1024, 512, 3, padding=2),
        nn.LeakyReLU(SLOPE),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(512 * side_px**2, 1024),
        nn.LeakyReLU(SLOPE),
        nn.Linear(1024, max(params.num_labels, 1)),
    )
    return _start(layers, nn.init.xavier_uniform_)


def _sane_synthesis(params: DcganNetwork) -> nn.Sequential:
    """4 px from a dense layer, then each doubling by a transposed convolution (figure 1)."""
    widths = [params.features(side) for side in params.sides_px[:-1]]
    layers = nn.Sequential(
        nn.Linear(params.z_dim + params.num_labels, widths[0] * 4 * 4, bias=False),
        nn.Unflatten(1, (widths[0], 4, 4)),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
        *_doublings(widths),
        nn.ConvTranspose2d(widths[-1], params.channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    return _start(layers, _small_normal)


def _doublings(widths: list[int]) -> Iterator[nn.Module]:
    for below, here in pairwise(widths):
        yield nn.ConvTranspose2d(below, here, 4, stride=2, padding=1, bias=False)
        yield nn.BatchNorm2d(here)
        yield nn.ReLU()


def _sane_critic(params: DcganNetwork) -> nn.Sequential:
    widths = [params.features(side) for side in params.sides_px[-2::-1]]
    layers = _start(
        nn.Sequential(
            nn.Conv2d(params.channels, widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            *_halvings(widths, normalise=not params.spectral_norm),
            nn.Flatten(),
            nn.Linear(widths[-1] * 4 * 4, max(params.num_labels, 1)),
        ),
        _small_normal,
    )
    if params.spectral_norm:
        for layer in layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                spectral_norm(layer)
    return layers


def _halvings(widths: list[int], *, normalise: bool) -> Iterator[nn.Module]:
    for above, here in pairwise(widths):
        yield nn.Conv2d(above, here, 4, stride=2, padding=1, bias=not normalise)
        if normalise:
            yield nn.BatchNorm2d(here)
        yield nn.LeakyReLU(SLOPE)


def _small_normal(weight: Tensor) -> Tensor:
    return nn.init.normal_(weight, std=SANE_DEVIATION)


def _start(layers: nn.Sequential, draw: Callable[[Tensor], Tensor]) -> nn.Sequential:
    """First weights by `draw`, biases 0; batch normalisation starts as the identity."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            with torch.no_grad():
                draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return layers
