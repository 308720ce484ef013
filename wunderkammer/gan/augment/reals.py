"""Classic augmentation of real pictures: the generator is meant to learn it.

Shapes: N samples, C channels, S px of a side.
"""

from functools import reduce
from math import radians

import torch
from torch import Tensor

from wunderkammer.gan.augment.color import NUM_COLORS
from wunderkammer.gan.augment.corruption import blur
from wunderkammer.gan.augment.geometry import compose, linear, scaling, shift, turn
from wunderkammer.gan.augment.interface import Augment
from wunderkammer.gan.augment.params import Range, RealsAffine, RealsAugment
from wunderkammer.gan.augment.resample import gather_pixels, resample
from wunderkammer.gan.draws import Draws


class RealsAugmentation(Augment):
    """Flips, affine map, crop, blur and brightness, in this order."""

    reals_only = True

    def __init__(self, params: RealsAugment) -> None:
        super().__init__()
        self.params = params

    def forward(self, images_NCSS: Tensor, draws: Draws, p: Tensor) -> Tensor:
        """See `Augment`; p changes nothing. What comes out is within [-1, 1]."""
        images_NCSS = self._moved(images_NCSS, draws)
        colors, opacity = images_NCSS[:, :NUM_COLORS], images_NCSS[:, NUM_COLORS:]
        if self.params.blur:
            gate_N, share_N = draws.uniform(2).unbind(1)
            sigma_N = _between(self.params.blur.sigma_px, share_N)
            colors = blur(colors, torch.where(gate_N < self.params.blur.p, sigma_N, 0.0))
        if self.params.brightness:
            factor_N1 = _between(self.params.brightness, draws.uniform(1)).to(colors.dtype)
            colors = (colors + 1.0) * factor_N1[..., None, None] - 1.0
        return torch.cat([colors, opacity], dim=1).clamp(-1.0, 1.0)

    def _moved(self, images_NCSS: Tensor, draws: Draws) -> Tensor:
        params, inverses = self.params, []
        if params.mirror_h or params.mirror_v:
            x_N, y_N = draws.uniform(2).unbind(1)
            flip_x, flip_y = x_N < params.mirror_h, y_N < params.mirror_v
            inverses.append(scaling(1.0 - 2.0 * flip_x.float(), 1.0 - 2.0 * flip_y.float()))
        whole_pixels = not (params.affine or params.crop)
        if params.affine:
            inverses.append(_inverse_affine(params.affine, draws))
        if params.crop:
            inverses.append(_crop(params.crop, draws, side_px=images_NCSS.shape[-1]))
        if not inverses:
            return images_NCSS
        move = gather_pixels if whole_pixels else resample
        return move(images_NCSS, reduce(compose, inverses))


def _inverse_affine(params: RealsAffine, draws: Draws) -> Tensor:
    """Undoes a zoom, a shear along x and a turn, [N, 3, 3]."""
    gate_N, zoom_N, angle_N, shear_N = draws.uniform(4).unbind(1)
    is_open_N = gate_N < params.p
    zoom_N = torch.where(is_open_N, _between(params.scale, zoom_N), 1.0)
    angle_N, slope_N = (
        torch.where(is_open_N, radians(reach) * (2.0 * share_N - 1.0), 0.0)
        for reach, share_N in ((params.rotate_deg, angle_N), (params.shear_deg, shear_N))
    )
    one_N = torch.ones_like(zoom_N)
    shear = linear(one_N, -slope_N.tan(), torch.zeros_like(one_N), one_N)
    unzoom, unturn = scaling(1.0 / zoom_N, 1.0 / zoom_N), turn(angle_N.cos(), -angle_N.sin())
    return compose(compose(unzoom, shear), unturn)


def _crop(share: Range, draws: Draws, *, side_px: int) -> Tensor:
    """From the whole side to what is left of it when each edge has lost its share, [N, 3, 3]."""
    left_N, right_N, top_N, bottom_N = _between(share, draws.uniform(4)).unbind(1)
    middle = shift((left_N - right_N) * (side_px / 2), (top_N - bottom_N) * (side_px / 2))
    return compose(middle, scaling(1.0 - left_N - right_N, 1.0 - top_N - bottom_N))


def _between(ends: Range, share: Tensor) -> Tensor:
    """Linearly from the first end at 0 to the last at 1."""
    return ends[0] + (ends[1] - ends[0]) * share
