"""Which part of a picture becomes its crop, and which pictures have none; from sizes alone.

Everything works on whole columns at once, so that a changed threshold costs no decoding.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wunderkammer.crops.params import CropParams, SquareParams

TOO_SMALL = "too_small"
TOO_ELONGATED = "too_elongated"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Squares in px of the upright pictures: columns x0 to x1, rows y0 to y1, ends excluded."""

    x0: Ints
    y0: Ints
    x1: Ints
    y1: Ints


@dataclass(frozen=True)
class Verdicts:
    """For each picture: why it is rejected (null: it is not), what was measured, and the limit."""

    reason: pa.Array
    measured: pa.Array
    limit: pa.Array
    detail: pa.Array


def centre_squares(width: Ints, height: Ints) -> Windows:
    """The largest centred square of each picture (half a pixel to the upper left if odd)."""
    side = np.minimum(width, height)
    x0, y0 = (width - side) // 2, (height - side) // 2
    return Windows(x0, y0, x0 + side, y0 + side)


def judge(width: Ints, height: Ints, *, params: CropParams) -> Verdicts:
    """Reject pictures too small for a crop without blowing it up, and elongated ones."""
    side = np.minimum(width, height)
    aspect = np.maximum(width, height) / np.maximum(side, 1)
    min_side_px, why_small = smallest_side(params)
    small = side < min_side_px
    long = ~small & (aspect > params.max_aspect)
    kept = ~small & ~long
    return Verdicts(
        reason=_masked(np.where(small, TOO_SMALL, TOO_ELONGATED), kept, pa.string()),
        measured=_masked(np.where(small, side, aspect), kept, pa.float64()),
        limit=_masked(np.where(small, min_side_px, params.max_aspect), kept, pa.float64()),
        detail=_masked(
            np.where(small, f"shorter side in px; {why_small}", "aspect; filter.max_aspect"),
            kept,
            pa.string(),
        ),
    )


def smallest_side(params: CropParams) -> tuple[int, str]:
    """The shortest allowed side in px, and the settings that say so."""
    # The margin keeps rounding (256 / 1.28 is not quite 200) from costing a pixel.
    from_size = ceil(params.size_px / params.max_upsample - 1e-9)
    if isinstance(params, SquareParams) and params.min_side_px >= from_size:
        return params.min_side_px, "filter.min_side_px"
    return from_size, "filter.size_px / filter.max_upsample"


def _masked(
    values: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_], kind: pa.DataType
) -> pa.Array:
    return pa.array(values, mask=mask).cast(kind)
