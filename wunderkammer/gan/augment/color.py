"""ADA's five colour transformations as one matrix (arXiv 2006.06676, appendix B).

About the luma axis v = (1, 1, 1) / √3, brightness shifts along v, contrast scales everything, a
luma flip reflects along v, hue turns around v and saturation scales across v. With
P = v vᵀ, Q = I - P, and K the cross product with v, in that order they are

    y = [l P + k (cos θ Q + sin θ K)] x + l b 1,   l = c (1 - 2 i),   k = c s.

Shapes: N samples, C channels, S px of a side, K amounts of a transformation.
"""

from collections.abc import Mapping
from functools import cache
from math import sqrt

import torch
from torch import Tensor

NAMES = frozenset({"brightness", "contrast", "luma_flip", "hue", "saturation"})
NUM_COLORS = 3


def recolor(images_NCSS: Tensor, amounts: Mapping[str, Tensor]) -> Tensor:
    """Change colours; images whose amounts are all 0 come out bit for bit.

    Args:
        images_NCSS: three colours, or one: grey is on the luma axis and stays there.
        amounts: at least one of `NAMES`, [N, 1]; others are passed over.
    """
    zero_N = next(iter(amounts.values()))[:, 0] * 0.0
    brightness, contrast, flip, hue, saturation = (
        amounts[name][:, 0] if name in amounts else zero_N
        for name in ("brightness", "contrast", "luma_flip", "hue", "saturation")
    )
    luma = contrast.exp2() * (1.0 - 2.0 * flip)
    chroma = (contrast + saturation).exp2()
    shift_N111 = (luma * brightness).to(images_NCSS.dtype).view(-1, 1, 1, 1)
    if images_NCSS.shape[1] == 1:
        return images_NCSS * luma.to(images_NCSS.dtype).view(-1, 1, 1, 1) + shift_N111
    along, across, around = _bases(luma.device)
    # The identity is added apart so that neutral amounts give exactly it.
    matrix_N33 = (
        torch.eye(NUM_COLORS, device=luma.device)
        + (luma - 1.0).view(-1, 1, 1) * along
        + (chroma * hue.cos() - 1.0).view(-1, 1, 1) * across
        + (chroma * hue.sin()).view(-1, 1, 1) * around
    ).to(images_NCSS.dtype)
    recolored = torch.baddbmm(shift_N111[..., 0], matrix_N33, images_NCSS.flatten(2))
    return recolored.view_as(images_NCSS)


@cache
def _bases(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """P, Q and K. Kept: to make them stalls a GPU."""
    with torch.inference_mode(False):  # what is kept must serve training too
        along = torch.full((NUM_COLORS, NUM_COLORS), 1.0 / NUM_COLORS, device=device)
        across = torch.eye(NUM_COLORS, device=device) - along
        around = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / sqrt(3.0)
        return along, across, around.to(device)
