"""Windows for subjects that fill their pictures: the centre square."""

from math import ceil

import numpy as np
import pyarrow as pa

from wunderkammer.crops.candidates import candidates
from wunderkammer.crops.cuts import Cut
from wunderkammer.crops.params import CentreParams, CropParams, SquareParams
from wunderkammer.crops.windows import Ints, centre_squares

CENTRE = "centre"
TOO_SMALL = "too_small"
TOO_ELONGATED = "too_elongated"


def centre_candidates(width: Ints, height: Ints) -> pa.Table:
    """The centre square of each picture."""
    windows = centre_squares(width, height)
    rows = np.arange(len(width))
    aspect = np.maximum(width, height) / np.maximum(windows.shorter_side, 1)
    return candidates(
        rows,
        np.zeros_like(rows),
        windows,
        {"aspect": aspect},
        proposed_by=pa.repeat(CENTRE, len(rows)),
    )


def centre_cuts(params: CentreParams) -> list[Cut]:
    """The rule about elongated pictures."""
    words = "aspect; filter.max_aspect"
    return [Cut(measure="aspect", reason=TOO_ELONGATED, words=words, at_most=params.max_aspect)]


def size_cut(params: CropParams) -> Cut:
    """The rule that no crop is blown up further than allowed."""
    # The margin keeps rounding (256 / 1.28 is not quite 200) from costing a pixel.
    side, setting = ceil(params.size_px / params.max_upsample - 1e-9), "size_px / max_upsample"
    words = f"shorter side of the window in px; filter.{setting.replace(' / ', ' / filter.')}"
    if isinstance(params, SquareParams) and params.min_side_px >= side:
        side, words = params.min_side_px, "shorter side in px; filter.min_side_px"
    return Cut(measure="window_px", reason=TOO_SMALL, words=words, at_least=side)


def rendered_cuts(params: CropParams) -> list[Cut]:
    """The rules about what is measured of the crop itself."""
    dark, bright = params.brightness
    return [
        Cut(
            measure="sharpness",
            reason="blurred",
            words="variance of the Laplacian; filter.min_sharpness",
            at_least=params.min_sharpness,
        ),
        Cut(
            measure="brightness",
            reason="too_dark",
            words="mean grey of 0 to 1; filter.brightness",
            at_least=dark,
        ),
        Cut(
            measure="brightness",
            reason="too_bright",
            words="mean grey of 0 to 1; filter.brightness",
            at_most=bright,
        ),
        Cut(
            measure="contrast",
            reason="flat",
            words="standard deviation of grey of 0 to 1; filter.min_contrast",
            at_least=params.min_contrast,
        ),
    ]
