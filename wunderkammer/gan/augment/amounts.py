"""How much of each of ADA's transformations a sample gets (arXiv 2006.06676, appendix B).

Every amount is neutral at 0, which it is with probability 1 - p. All of a batch are drawn at
once: a hundred small launches would cost a GPU more than the pictures do.

Shapes: N samples, G gates (each open with probability p), V amounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn

from wunderkammer.gan.draws import Draws


@dataclass(frozen=True)
class Law:
    """A sum of: N(0, spread²), U(-reach, reach), a whole number of 0 … levels - 1, a constant."""

    spread: float = 0.0
    reach: float = 0.0
    levels: int = 0
    constant: float = 0.0


# Single transformations of several gates. A turn before and one after the stretch, each with
# probability 1 - √(1 - p), make it p that there is one.
PARTS: Mapping[str, tuple[str, ...]] = {
    "rotation": ("rotation_before", "rotation_after"),
    "filter": ("band_1", "band_2", "band_3", "band_4"),
}


def laws(strength: float) -> dict[str, tuple[Law, ...]]:
    """The laws behind each gate, in the paper's order; `strength` multiplies magnitudes.

    Units: quarter turns, sides of the picture, octaves (of zoom, stretch, contrast, saturation
    and the bands' gain), radians, and the images' own range of [-1, 1].
    """
    one_in_two = (Law(levels=2),)
    spread_of_zoom = (Law(spread=0.2 * strength),)
    spread_of_shift = Law(spread=0.125 * strength)
    reach_of_turn = (Law(reach=pi * strength),)
    band = (Law(spread=strength),)
    # A cutout has a side, and a centre off the picture's.
    cutout = (Law(constant=0.5 * strength), Law(reach=0.5), Law(reach=0.5))
    return {
        "mirror_h": one_in_two,
        "mirror_v": one_in_two,
        "rotation_90": (Law(levels=4),),
        "translation_px": (Law(reach=0.125 * strength),) * 2,
        "zoom": spread_of_zoom,
        "rotation_before": reach_of_turn,
        "stretch": spread_of_zoom,
        "rotation_after": reach_of_turn,
        "translation": (spread_of_shift,) * 2,
        "translation_x": (spread_of_shift, Law()),
        "translation_y": (Law(), spread_of_shift),
        "brightness": (Law(spread=0.2 * strength),),
        "contrast": (Law(spread=0.5 * strength),),
        "luma_flip": one_in_two,
        "hue": reach_of_turn,
        "saturation": (Law(spread=strength),),
        **dict.fromkeys(PARTS["filter"], band),
        "noise": (Law(spread=0.1 * strength),),
        "cutout": cutout,
    }


class Amounts(nn.Module):
    """Draws the amounts of the named transformations."""

    reach: Tensor
    spread: Tensor
    levels: Tensor
    constant: Tensor
    gate_of: Tensor
    is_half_turn: Tensor

    def __init__(self, names: frozenset[str], *, strength: float) -> None:
        super().__init__()
        parts = {part for name in names for part in PARTS.get(name, (name,))}
        behind = {part: laws for part, laws in laws(strength).items() if part in parts}
        self.gates = tuple(behind)
        self.counts = [len(laws) for laws in behind.values()]
        columns = [law for laws in behind.values() for law in laws]
        for field in ("spread", "reach", "levels", "constant"):
            row = torch.tensor([float(getattr(law, field)) for law in columns])
            self.register_buffer(field, row, persistent=False)
        gate_of = [gate for gate, count in enumerate(self.counts) for _ in range(count)]
        self.register_buffer("gate_of", torch.tensor(gate_of), persistent=False)
        halves = torch.tensor([gate in PARTS["rotation"] for gate in self.gates])
        self.register_buffer("is_half_turn", halves, persistent=False)

    def forward(self, draws: Draws, p: Tensor) -> dict[str, Tensor]:
        """The amounts by gate, float32 [N, how many it has]."""
        uniform_NV = draws.uniform(len(self.gate_of))
        amounts_NV = (
            draws.normal(len(self.gate_of)) * self.spread
            + (2.0 * uniform_NV - 1.0) * self.reach
            + (uniform_NV * self.levels).floor()
            + self.constant
        )
        chances_G = torch.where(self.is_half_turn, 1.0 - (1.0 - p).sqrt(), p)
        is_open_NG = draws.uniform(len(self.gates)) < chances_G
        amounts_NV = torch.where(is_open_NG[:, self.gate_of], amounts_NV, 0.0)
        return dict(zip(self.gates, torch.split(amounts_NV, self.counts, dim=1), strict=True))
