"""The generator of StyleGAN2: mapping network and skip synthesis (arXiv 1912.04958, figure 7b).

Shapes: N samples, Z and D numbers of z and w, L layers that take a w, C channels, H rows,
W columns.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from wunderkammer.gan.networks.fir import upsample
from wunderkammer.gan.networks.layers import EqualizedLinear, NoiseMode, StyledConv, ToImage
from wunderkammer.gan.networks.params import NetworkParams

MAPPING_LR_MULTIPLIER = 0.01
W_AVERAGE_BETA = 0.995


class Mapping(nn.Module):
    """z, normalised to unit mean square, to w (arXiv 1812.04948, section 2)."""

    average: Tensor

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        sizes = [params.z_dim] + [params.w_dim] * params.num_mapping_layers
        layers = (
            EqualizedLinear(a, b, lr_multiplier=MAPPING_LR_MULTIPLIER, activate=True)
            for a, b in pairwise(sizes)
        )
        self.layers = nn.Sequential(*layers)
        self.register_buffer("average", torch.zeros(params.w_dim))

    def forward(self, z_NZ: Tensor, *, truncation_psi: float = 1.0) -> Tensor:
        """w [N, D]; `truncation_psi` below 1 pulls it towards the average w (appendix B there)."""
        unit_NZ = z_NZ * torch.rsqrt(z_NZ.square().mean(dim=1, keepdim=True) + 1e-8)
        w_ND: Tensor = self.layers(unit_NZ)
        if truncation_psi == 1.0:
            return w_ND
        return torch.lerp(self.average, w_ND, truncation_psi)

    @torch.no_grad()
    def track(self, w_ND: Tensor) -> None:
        """Move the average w towards that of a batch."""
        self.average.lerp_(w_ND.mean(dim=0), 1.0 - W_AVERAGE_BETA)


class _Block(nn.Module):
    """One doubling of the side: two styled convolutions, and its share of the image."""

    def __init__(self, params: NetworkParams, side_px: int) -> None:
        super().__init__()
        below, here = params.features(side_px // 2), params.features(side_px)
        self.conv_up = StyledConv(below, here, w_dim=params.w_dim, resolution_px=side_px, up=True)
        self.conv = StyledConv(here, here, w_dim=params.w_dim, resolution_px=side_px, up=False)
        self.to_image = ToImage(here, params.channels, w_dim=params.w_dim)


class Synthesis(nn.Module):
    """w to an image; image contributions of all sides are summed (skip connections)."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        width = params.features(4)
        self.const = nn.Parameter(torch.randn(width, 4, 4))
        self.conv = StyledConv(width, width, w_dim=params.w_dim, resolution_px=4, up=False)
        self.to_image = ToImage(width, params.channels, w_dim=params.w_dim)
        self.blocks = nn.ModuleList(_Block(params, side) for side in params.sides_px[1:])
        self.num_layers = 2 * len(params.sides_px)

    def forward(
        self,
        w: Tensor,
        *,
        noise_mode: NoiseMode = "const",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images [N, C, H, W], about [-1, 1], from one w a sample [N, D] or one a layer [N, L, D].

        `generator` draws the noise of mode "random" (torch's default one if None).
        """
        w_NLD = w[:, None].expand(-1, self.num_layers, -1) if w.ndim == 2 else w
        w_LND = w_NLD.unbind(dim=1)
        x = self.const.expand(w.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.conv(x, w_LND[0], noise_mode=noise_mode, generator=generator)
        image: Tensor = self.to_image(x, w_LND[1])
        for index, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            # A block's image layer shares its w with the next block's first convolution.
            first, second, third = w_LND[2 * index + 1 : 2 * index + 4]
            x = block.conv_up(x, first, noise_mode=noise_mode, generator=generator)
            x = block.conv(x, second, noise_mode=noise_mode, generator=generator)
            image = upsample(image) + block.to_image(x, third)
        return image


class Generator(nn.Module):
    """Mapping and synthesis of one preset."""

    def __init__(self, params: NetworkParams) -> None:
        super().__init__()
        self.params = params
        self.z_dim = params.z_dim
        self.resolution_px = params.resolution_px
        self.channels = params.channels
        self.mapping = Mapping(params)
        self.synthesis = Synthesis(params)

    def forward(
        self, z_NZ: Tensor, *, truncation_psi: float = 1.0, noise_mode: NoiseMode = "const"
    ) -> Tensor:
        """Images [N, C, H, W] of latents [N, Z]."""
        w_ND = self.mapping(z_NZ, truncation_psi=truncation_psi)
        images: Tensor = self.synthesis(w_ND, noise_mode=noise_mode)
        return images
