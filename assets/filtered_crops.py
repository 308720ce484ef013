"""Square crops worth training on."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import FILTERED_CROPS


@stage_asset(FILTERED_CROPS, group="collection", kinds={"parquet", "jpeg"})
def filtered_crops(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """One square crop an accepted picture; a refused one keeps its row, with the reason."""
    from wunderkammer.crops.stage import crop_images

    return materialize_stage(
        context,
        FILTERED_CROPS,
        crop_images,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
