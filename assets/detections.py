"""Objects found in the pictures, for subjects that have a detector."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import DETECTIONS


@stage_asset(DETECTIONS, group="collection", kinds={"parquet", "jpeg"})
def detections(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """Boxes, classes and confidences an image; empty for a subject whose recipe has no detector.

    Stored apart from the crops, so that another filter threshold never runs the detector again.
    """
    from wunderkammer.detect.stage import detect_images

    return materialize_stage(
        context,
        DETECTIONS,
        detect_images,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
