"""The generator of StyleGAN2: mapping network and skip synthesis (arXiv 1912.04958, figure 7b).

Shapes: N samples, Z and D numbers of z and w, K labels, L layers that take a w, C channels,
H rows, W columns.
"""

import torch
from torch import Tensor, nn

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.fir import upsample
from wunderkammer.gan.networks.interface import GeneratorNetwork, NoiseMode
from wunderkammer.gan.networks.layers import (
    EqualizedLinear,
    StyledConv,
    ToImage,
    mapping_layers,
    unit_mean_square,
)
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.networks.precision import Block

W_AVERAGE_BETA = 0.995


class Mapping(nn.Module):
    """z, normalised to unit mean square, to w (arXiv 1812.04948, section 2).

    With labels, each label's learned embedding, normalised too, follows z (arXiv 2006.06676,
    appendix D.1).
    """

    average: Tensor

    def __init__(self, params: StyleGan2Network) -> None:
        super().__init__()
        width = params.w_dim
        self.embed = EqualizedLinear(params.num_labels, width) if params.num_labels else None
        num_in = params.z_dim + (width if params.num_labels else 0)
        self.layers = mapping_layers([num_in] + [width] * params.num_mapping_layers)
        self.register_buffer("average", torch.zeros(width))

    def forward(
        self, z_NZ: Tensor, labels_NK: Tensor | None = None, *, truncation_psi: float = 1.0
    ) -> Tensor:
        """w [N, D]; `truncation_psi` below 1 pulls it towards the average w (appendix B there).

        Raises:
            ValueError: the network was trained with labels and there are none.
        """
        inputs = unit_mean_square(z_NZ)
        if self.embed is not None:
            if labels_NK is None:
                raise ValueError("this network was trained with labels: give one-hot labels")
            inputs = torch.cat([inputs, unit_mean_square(self.embed(labels_NK))], dim=1)
        w_ND: Tensor = self.layers(inputs)
        if truncation_psi == 1.0:
            return w_ND
        return torch.lerp(self.average, w_ND, truncation_psi)

    @torch.no_grad()
    def track(self, w_ND: Tensor) -> None:
        """Move the average w towards that of a batch."""
        self.average.lerp_(w_ND.mean(dim=0), 1.0 - W_AVERAGE_BETA)


class _Block(Block):
    """One doubling of the side: two styled convolutions, and its share of the image."""

    def __init__(self, params: StyleGan2Network, side_px: int) -> None:
        super().__init__(side_px)
        below, here = params.features(side_px // 2), params.features(side_px)
        width, clamp = params.w_dim, params.clamp
        self.conv_up = StyledConv(
            below, here, w_dim=width, resolution_px=side_px, up=True, clamp=clamp
        )
        self.conv = StyledConv(
            here, here, w_dim=width, resolution_px=side_px, up=False, clamp=clamp
        )
        self.to_image = ToImage(here, params.channels, w_dim=width, clamp=clamp)


class Synthesis(nn.Module):
    """w to an image; image contributions of all sides are summed (skip connections)."""

    def __init__(self, params: StyleGan2Network) -> None:
        super().__init__()
        width, clamp = params.features(4), params.clamp
        self.const = nn.Parameter(torch.randn(width, 4, 4))
        self.conv = StyledConv(
            width, width, w_dim=params.w_dim, resolution_px=4, up=False, clamp=clamp
        )
        self.to_image = ToImage(width, params.channels, w_dim=params.w_dim, clamp=clamp)
        self.blocks = nn.ModuleList(_Block(params, side) for side in params.sides_px[1:])
        self.num_layers = 2 * len(params.sides_px)

    def forward(
        self, w: Tensor, *, noise_mode: NoiseMode = "const", draws: Draws | None = None
    ) -> Tensor:
        """Images [N, C, H, W], about [-1, 1], from one w a sample [N, D] or one a layer [N, L, D].

        `draws` gives the noise of mode "random".

        Raises:
            ValueError: the noise is to be random and there are no draws.
        """
        w_NLD = w[:, None].expand(-1, self.num_layers, -1) if w.ndim == 2 else w
        w_LND = w_NLD.unbind(dim=1)
        x = self.const.expand(w.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.conv(x, w_LND[0], noise_mode=noise_mode, draws=draws)
        image: Tensor = self.to_image(x, w_LND[1])
        for index, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            # A block's image layer shares its w with the next block's first convolution.
            first, second, third = w_LND[2 * index + 1 : 2 * index + 4]
            x = block.conv_up(block.enter(x), first, noise_mode=noise_mode, draws=draws)
            x = block.conv(x, second, noise_mode=noise_mode, draws=draws)
            image = upsample(image) + block.to_image(x, third)
        return image


class StyleGan2Generator(GeneratorNetwork):
    """Mapping and synthesis of one size."""

    mapping: Mapping
    synthesis: Synthesis

    def __init__(self, params: StyleGan2Network) -> None:
        super().__init__()
        self.params = params
        self.mapping = Mapping(params)
        self.synthesis = Synthesis(params)
