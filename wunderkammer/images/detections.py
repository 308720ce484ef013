"""The stage `detections`: where in each picture the subject is, by a detector's judgement."""

import pyarrow as pa

from wunderkammer.build import StageInputs
from wunderkammer.params import digest
from wunderkammer.storage.versions import Draft, Summary

DETECTIONS = pa.schema(
    [
        ("sha256", pa.string()),
        ("box_x0", pa.float64()),
        ("box_y0", pa.float64()),
        ("box_x1", pa.float64()),
        ("box_y1", pa.float64()),
        ("class_name", pa.string()),
        ("confidence", pa.float64()),
        ("weights_sha256", pa.string()),
    ]
)


def no_detections(inputs: StageInputs) -> Draft:
    """The detections of a subject without a detector: none, whatever its pictures."""
    return Draft(digest("no detector"), Summary(), DETECTIONS.empty_table())
