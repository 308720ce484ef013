"""Windows about specimens that stand out from their background."""

from functools import partial

import numpy as np

from wunderkammer.crops.cuts import Floats
from wunderkammer.crops.params import ThresholdParams
from wunderkammer.crops.regions import Finder
from wunderkammer.crops.windows import Boxes, Windows, squares_around
from wunderkammer.segment.settings import ThresholdSettings


def threshold_finder(params: ThresholdParams) -> Finder:
    """What looks for specimens."""
    from wunderkammer.segment.threshold import threshold_regions

    settings = ThresholdSettings.of(params)
    find = partial(threshold_regions, settings=settings)
    return Finder("threshold", find, settings.digest, params.background)


def place_specimen(boxes: Boxes, angle_deg: Floats, *, params: ThresholdParams) -> Windows:
    """The window of each specimen, with its padding.

    `square` is the square about the padded box, slid into the picture as far as it fits; `squash`
    is the padded box itself, clipped to the picture.
    """
    del angle_deg  # Specimens are not turned.
    pad = params.pad_px + params.pad * boxes.longer_side
    if params.fit == "squash":
        return Windows.upright(
            np.floor(np.maximum(boxes.x0 - pad, 0)).astype(np.int64),
            np.floor(np.maximum(boxes.y0 - pad, 0)).astype(np.int64),
            np.ceil(np.minimum(boxes.x1 + pad, boxes.width)).astype(np.int64),
            np.ceil(np.minimum(boxes.y1 + pad, boxes.height)).astype(np.int64),
        )
    side = np.ceil(boxes.longer_side + 2 * pad).astype(np.int64)
    return squares_around(boxes, side, slide=True)
