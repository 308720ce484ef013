"""DiffAugment (arXiv 2006.10738, section 3.2): few changes, on every image.

Shapes: N samples, C channels, S px of a side.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from wunderkammer.gan.augment.color import NUM_COLORS
from wunderkammer.gan.augment.corruption import cut_out
from wunderkammer.gan.augment.interface import Augment
from wunderkammer.gan.draws import Draws

MAX_SHIFT = 1 / 8
CUTOUT_SIZE = 1 / 2


class DiffAugmentation(Augment):
    """Any of "color", "translation" and "cutout", in this order."""

    def __init__(self, policy: Collection[str], *, channels: int) -> None:
        super().__init__()
        self.policy = frozenset(policy)
        self.channels = channels

    def forward(self, images_NCSS: Tensor, draws: Draws, p: Tensor) -> Tensor:
        """See `Augment`; p changes nothing."""
        if "color" in self.policy:
            colors = _recolored(images_NCSS[:, :NUM_COLORS], draws)
            images_NCSS = torch.cat([colors, images_NCSS[:, NUM_COLORS:]], dim=1)
        if "translation" in self.policy:
            images_NCSS = _shifted(images_NCSS, draws)
        if "cutout" in self.policy:
            x_N, y_N = draws.uniform(2).unbind(1)
            images_NCSS = cut_out(images_NCSS, torch.full_like(x_N, CUTOUT_SIZE), x_N, y_N)
        return images_NCSS


def _recolored(colors_NCSS: Tensor, draws: Draws) -> Tensor:
    """Brightness by U(-½, ½), contrast times U(½, 1½), saturation times U(0, 2)."""
    shares = draws.uniform(3).to(colors_NCSS.dtype)
    brightness, contrast, saturation = (share.view(-1, 1, 1, 1) for share in shares.unbind(1))
    colors_NCSS = colors_NCSS + (brightness - 0.5)
    mean = colors_NCSS.mean(dim=(1, 2, 3), keepdim=True)
    colors_NCSS = mean + (colors_NCSS - mean) * (contrast + 0.5)
    grey = colors_NCSS.mean(dim=1, keepdim=True)
    return grey + (colors_NCSS - grey) * (2.0 * saturation)


def _shifted(images_NCSS: Tensor, draws: Draws) -> Tensor:
    """By whole pixels, up to an eighth of the side each way; 0 comes in at the edges."""
    side = images_NCSS.shape[-1]
    reach = round(side * MAX_SHIFT)
    place_S = torch.arange(side, device=images_NCSS.device)
    for dim, shift_N in zip((-1, -2), draws.integers(-reach, reach + 1, 2).unbind(1), strict=True):
        source_NS = place_S - shift_N[:, None]
        is_outside_NS = (source_NS < 0) | (source_NS >= side)
        along = (-1, 1, 1, side) if dim == -1 else (-1, 1, side, 1)
        index = source_NS.clamp(0, side - 1).view(along).expand_as(images_NCSS)
        images_NCSS = images_NCSS.gather(dim, index).masked_fill(is_outside_NS.view(along), 0.0)
    return images_NCSS
