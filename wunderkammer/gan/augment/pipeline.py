"""ADA's pipeline (arXiv 2006.06676, appendix B): moves, colours, filter, noise, cutout.

With p below 1 it does not leak into the generator: every transformation leaves an image alone
with a chance of 1 - p, so only the true pictures explain what the discriminator sees (section 2.2).
What moves uncover is the reflected picture, also where the subject must not be mirrored; that is
padding of real and generated images alike, and as little a goal of the generator as a turn is.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from wunderkammer.gan.augment import color
from wunderkammer.gan.augment.amounts import PARTS, Amounts
from wunderkammer.gan.augment.corruption import add_noise, amplify_bands, cut_out
from wunderkammer.gan.augment.geometry import BLITS, MOVES, inverse_of_moves
from wunderkammer.gan.augment.interface import Augment
from wunderkammer.gan.augment.resample import gather_pixels, resample
from wunderkammer.gan.draws import Draws


class AdaPipeline(Augment):
    """Each of the named transformations with probability p, independently of the others.

    A fourth channel is opacity: moves and cutout change it too, colours, filter and noise do not.
    """

    def __init__(self, names: frozenset[str], *, channels: int, strength: float) -> None:
        """Set up.

        Raises:
            ValueError: none of the transformations changes such a picture.
        """
        super().__init__()
        without_effect = {"hue", "saturation"} if channels == 1 else set()
        if not names - without_effect:
            raise ValueError(
                f"transforms {', '.join(sorted(names))} do nothing to a picture of {channels} "
                f"channel; choose others or kind: none"
            )
        self.channels = channels
        self.amounts = Amounts(names - without_effect, strength=strength)
        gates = frozenset(self.amounts.gates)
        self.moves = gates & MOVES
        self.recolors = bool(gates & color.NAMES)

    def forward(self, images_NCSS: Tensor, draws: Draws, p: Tensor) -> Tensor:
        """See `Augment`; with p = 0 the images come out bit for bit."""
        amounts = self.amounts(draws, p)
        images_NCSS = self._moved(images_NCSS, amounts)
        if self.channels == color.NUM_COLORS + 1:
            colors, opacity = images_NCSS[:, :-1], images_NCSS[:, -1:]
            images_NCSS = torch.cat([self._corrupted(colors, amounts, draws), opacity], dim=1)
        else:
            images_NCSS = self._corrupted(images_NCSS, amounts, draws)
        if "cutout" in amounts:
            size_N, x_N, y_N = amounts["cutout"].unbind(1)
            images_NCSS = cut_out(images_NCSS, size_N, x_N + 0.5, y_N + 0.5)
        return images_NCSS

    def _moved(self, images_NCSS: Tensor, amounts: Mapping[str, Tensor]) -> Tensor:
        if not self.moves:
            return images_NCSS
        inverse_N33 = inverse_of_moves(amounts, side_px=images_NCSS.shape[-1])
        move = gather_pixels if self.moves <= BLITS else resample
        return move(images_NCSS, inverse_N33)

    def _corrupted(
        self, images_NCSS: Tensor, amounts: Mapping[str, Tensor], draws: Draws
    ) -> Tensor:
        """What touches colours only."""
        if self.recolors:
            images_NCSS = color.recolor(images_NCSS, amounts)
        if PARTS["filter"][0] in amounts:
            octaves_NB = torch.cat([amounts[band] for band in PARTS["filter"]], dim=1)
            images_NCSS = amplify_bands(images_NCSS, octaves_NB)
        if "noise" in amounts:
            images_NCSS = add_noise(images_NCSS, amounts["noise"][:, 0], draws)
        return images_NCSS
