"""What may become a crop: a window of a picture with its measures, as a row of a table.

picture   the row of the picture
number    0 for the only candidate of its picture, else 1, 2, … among several
x0 y0 x1 y1 angle_deg shown_width shown_height   the window (null where there is none)
object_x0 … object_y1 class_name   what it is cut around, in px (null where nothing looked)
proposed_by   what has found it (`manifests.CROPS`)
reason detail   why there is none (null where there is one)
measure/<name>  null where it was not measured
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from wunderkammer.crops.cuts import MEASURE, Floats
from wunderkammer.crops.windows import Boxes, Ints, Windows

# Reasons of pictures that were looked at without a fault, in which nothing makes a window.
NO_OBJECT, NO_REGION, NO_PAGE = "no_object", "no_region", "no_page"
NOTHING_FOUND = (NO_OBJECT, NO_REGION, NO_PAGE)


def candidates(
    picture: Ints,
    number: Ints,
    windows: Windows,
    measures: Mapping[str, Floats],
    *,
    proposed_by: pa.Array,
    boxes: Boxes | None = None,
    class_name: pa.Array | None = None,
) -> pa.Table:
    """A table of windows, about `boxes` of objects where there are such."""
    nothing = pa.nulls(len(picture), pa.string())
    unknown = pa.nulls(len(picture), pa.float64())
    columns = {
        "picture": picture,
        "number": number,
        "x0": windows.x0,
        "y0": windows.y0,
        "x1": windows.x1,
        "y1": windows.y1,
        "angle_deg": windows.angle_deg,
        "shown_width": windows.shown_width,
        "shown_height": windows.shown_height,
        **{
            f"object_{edge}": unknown if boxes is None else getattr(boxes, edge)
            for edge in ("x0", "y0", "x1", "y1")
        },
        "class_name": nothing if class_name is None else class_name,
        "proposed_by": proposed_by,
        "reason": nothing,
        "detail": nothing,
    }
    named = {MEASURE + name: pa.array(v, pa.float64()) for name, v in measures.items()}
    return pa.table({**columns, **named})


def with_missing(
    found: pa.Table, missing: Ints, *, reasons: pa.Array, details: pa.Array
) -> pa.Table:
    """`found` and a row for each of the pictures `missing`, which have no window, and why.

    The rows come in the order of the pictures, those of one picture by their numbers.
    """
    without = pa.table(
        {
            "picture": missing,
            "number": np.zeros(len(missing), np.int64),
            "reason": reasons,
            "detail": details,
        }
    )
    both = pa.concat_tables([found, without], promote_options="default")
    return both.sort_by([("picture", "ascending"), ("number", "ascending")])
