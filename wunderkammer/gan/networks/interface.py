"""What every pair of networks offers, whatever its family.

Shapes: N samples, Z numbers of z, D of w, L labels, C channels, H rows, W columns.
"""

from abc import ABC, abstractmethod
from typing import Any, Literal

from torch import Tensor, nn

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.networks.params import NetworkParams

NoiseMode = Literal["const", "random", "none"]


class GeneratorNetwork(nn.Module):
    """Latents to images: `mapping` (z to w), then `synthesis` (w to images).

    `mapping(z_NZ, labels_NL, *, truncation_psi)` gives w; `synthesis(w, *, noise_mode, draws)`
    takes it. A family without a w has a `PlainMapping`.
    """

    params: NetworkParams
    mapping: nn.Module
    synthesis: nn.Module

    @property
    def z_dim(self) -> int:
        """Numbers of a z."""
        return self.params.z_dim

    @property
    def num_labels(self) -> int:
        """Labels that it was trained with; 0 is unconditional."""
        return self.params.num_labels

    @property
    def resolution_px(self) -> int:
        """Side of its images."""
        return self.params.resolution_px

    @property
    def channels(self) -> int:
        """1 grey, 3 colour, 4 colour and opacity."""
        return self.params.channels

    def forward(
        self,
        z_NZ: Tensor,
        labels_NL: Tensor | None = None,
        *,
        truncation_psi: float = 1.0,
        noise_mode: NoiseMode = "const",
        draws: Draws | None = None,
    ) -> Tensor:
        """Images [N, C, H, W], about [-1, 1]. `draws` gives the noise of mode "random"."""
        w = self.mapping(z_NZ, labels_NL, truncation_psi=truncation_psi)
        images_NCHW: Tensor = self.synthesis(w, noise_mode=noise_mode, draws=draws)
        return images_NCHW


class DiscriminatorNetwork(nn.Module, ABC):
    """Images to one score each, [N]; a higher one means more real."""

    params: NetworkParams

    @abstractmethod
    def forward(self, image_NCHW: Tensor, labels_NL: Tensor | None = None) -> Tensor:
        """Scores [N] of images in [-1, 1]; labels are one-hot."""

    def layers_from_image(self) -> list[nn.Module]:
        """Modules with weights of their own, the nearest to the image first (for FreezeD)."""
        return [m for m in self.modules() if next(m.parameters(recurse=False), None) is not None]


class PlainMapping(nn.Module):
    """The mapping of a family that has none: w is z."""

    def forward(
        self, z_NZ: Tensor, labels_NL: Tensor | None = None, *, truncation_psi: float = 1.0
    ) -> Any:
        """z as it is.

        Raises:
            ValueError: a truncation is asked for; there is no average w to pull towards.
        """
        if truncation_psi != 1.0:
            raise ValueError(
                f"truncation_psi={truncation_psi}: this family has no w to truncate; set it to 1"
            )
        return z_NZ
