"""Windows about specimens that stand out from their background."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from wunderkammer.crops.cuts import Floats
from wunderkammer.crops.params import ThresholdParams
from wunderkammer.crops.regions import Finder
from wunderkammer.crops.windows import Boxes, Windows, squares_around
from wunderkammer.segment.params import METHOD_CODES
from wunderkammer.segment.settings import ThresholdSettings


def threshold_finder(params: ThresholdParams) -> Finder:
    """What looks for specimens."""
    from wunderkammer.segment.threshold import threshold_regions

    settings = ThresholdSettings.of(params)
    find = partial(threshold_regions, settings=settings)
    return Finder("threshold", find, settings.digest, params.background)


def place_specimen(
    boxes: Boxes, angle_deg: Floats, measures: Mapping[str, Floats], *, params: ThresholdParams
) -> Windows:
    """The window of each specimen, with its padding as far as the strips of the frame leave room.

    `square` is the square about the padded box, slid into the picture as far as it fits; `squash`
    is the padded box itself, clipped to the picture. A tile has no padding, which would be canvas.
    """
    del angle_deg  # Specimens are not turned.
    if not measures:  # Nothing was found.
        return Windows.upright(*np.empty((4, 0), np.int64))
    pad = params.pad_px + params.pad * boxes.longer_side
    pad[measures["method"] == METHOD_CODES["tile"]] = 0
    left, top, right, bottom = (measures[f"field_{edge}"] for edge in ("x0", "y0", "x1", "y1"))
    if params.fit == "squash":
        return Windows.upright(
            np.floor(np.maximum(boxes.x0 - pad, left)).astype(np.int64),
            np.floor(np.maximum(boxes.y0 - pad, top)).astype(np.int64),
            np.ceil(np.minimum(boxes.x1 + pad, right)).astype(np.int64),
            np.ceil(np.minimum(boxes.y1 + pad, bottom)).astype(np.int64),
        )
    room = np.maximum(np.minimum(right - left, bottom - top), boxes.longer_side)
    side = np.ceil(np.minimum(boxes.longer_side + 2 * pad, room)).astype(np.int64)
    x, y = left.astype(np.int64), top.astype(np.int64)
    width, height = (right - left).astype(np.int64), (bottom - top).astype(np.int64)
    in_field = Boxes(boxes.x0 - x, boxes.y0 - y, boxes.x1 - x, boxes.y1 - y, width, height)
    return squares_around(in_field, side, slide=True).moved(x=x, y=y)
