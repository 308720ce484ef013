"""Crops that a person has approved, where the recipe asks for one."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import REVIEWED_CROPS


@stage_asset(REVIEWED_CROPS, group="collection", kinds={"parquet"})
def reviewed_crops(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """The crops that may be trained on, as decided on the page of `wunderkammer review`."""
    from wunderkammer.review.stage import review_crops

    return materialize_stage(
        context,
        REVIEWED_CROPS,
        review_crops,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
