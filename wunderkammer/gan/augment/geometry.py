"""Where each pixel of an augmented picture comes from.

Positions are (x, y, 1) in pixels from the centre of the picture, y downwards. A chain of moves
X1, X2, … sends a point to … X2 X1 x, so an output point q shows X1⁻¹ X2⁻¹ … q: the inverses are
multiplied in the order of application.

Shapes: N samples, K amounts of a transformation.
"""

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

# Those that map pixels onto pixels.
BLITS = frozenset({"mirror_h", "mirror_v", "rotation_90", "translation_px"})
MOVES = BLITS | {
    "zoom",
    "rotation_before",
    "stretch",
    "rotation_after",
    "translation",
    "translation_x",
    "translation_y",
}


def inverse_of_moves(amounts: Mapping[str, Tensor], *, side_px: int) -> Tensor:
    """From output to input positions, [N, 3, 3]: exactly the identity where every amount is 0.

    Args:
        amounts: at least one of `MOVES`, in the order of application; others are passed over.
        side_px: of the picture.
    """
    inverses = [_inverse(name, a, side_px) for name, a in amounts.items() if name in MOVES]
    return reduce(compose, inverses)


def compose(outer_N33: Tensor, inner_N33: Tensor) -> Tensor:
    """The matrix product, in full precision: TF32 would misplace pixels."""
    return (outer_N33[:, :, :, None] * inner_N33[:, None]).sum(dim=2)


def apply(matrix_N33: Tensor, axis_P: Tensor) -> Tensor:
    """Where the points of a square lattice go, [N, P (y), P (x), 2], in full precision."""
    x_N12, y_N12, shift_N12 = matrix_N33[:, None, :2].unbind(-1)
    columns_NP2 = axis_P[:, None] * x_N12
    rows_NP2 = axis_P[:, None] * y_N12 + shift_N12
    return columns_NP2[:, None] + rows_NP2[:, :, None]


def is_identity(inverse_N33: Tensor) -> Tensor:
    """Which samples stay where they are, bool [N]."""
    identity = torch.eye(3, dtype=inverse_N33.dtype, device=inverse_N33.device)
    return (inverse_N33 == identity).flatten(1).all(dim=1)


def linear(xx: Tensor, xy: Tensor, yx: Tensor, yy: Tensor) -> Tensor:
    """The matrices [N, 3, 3] of x' = xx x + xy y, y' = yx x + yy y."""
    zero = torch.zeros_like(xx)
    return _affine(xx, xy, zero, yx, yy, zero)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """The matrices [N, 3, 3] of x' = x-factor x, y' = y-factor y."""
    zero = torch.zeros_like(x)
    return linear(x, zero, zero, y)


def turn(cosine: Tensor, sine: Tensor) -> Tensor:
    """The matrices [N, 3, 3] of a turn from the x axis to the y axis."""
    return linear(cosine, -sine, sine, cosine)


def shift(x: Tensor, y: Tensor) -> Tensor:
    """The matrices [N, 3, 3] of a shift in pixels."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return _affine(one, zero, x, zero, one, y)


def _affine(*entries_N: Tensor) -> Tensor:
    """Two rows of matrices [N, 3, 3], whose third is (0, 0, 1)."""
    zero, one = torch.zeros_like(entries_N[0]), torch.ones_like(entries_N[0])
    return torch.stack([*entries_N, zero, zero, one], dim=-1).view(-1, 3, 3)


def _inverse(name: str, amount_NK: Tensor, side_px: int) -> Tensor:
    a, b = amount_NK[:, 0], amount_NK[:, -1]  # most have one
    one = torch.ones_like(a)
    match name:
        case "mirror_h":
            return scaling(1.0 - 2.0 * a, one)
        case "mirror_v":
            return scaling(one, 1.0 - 2.0 * a)
        case "rotation_90":  # cosine and sine of quarter turns, exact for a = 0, 1, 2, 3
            return turn((a - 2.0).abs() - 1.0, (a - 1.0).abs() - 1.0)
        case "translation_px":
            return shift(-(a * side_px).round(), -(b * side_px).round())
        case "zoom":
            return scaling((-a).exp2(), (-a).exp2())
        case "stretch":
            return scaling((-a).exp2(), a.exp2())
        case "rotation_before" | "rotation_after":
            return turn(a.cos(), -a.sin())
        case "translation" | "translation_x" | "translation_y":
            return shift(-a * side_px, -b * side_px)
    raise AssertionError(name)
