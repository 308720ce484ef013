"""How good the model is, and whether it copies."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import EVALUATION


@stage_asset(EVALUATION, group="model", kinds={"pytorch"})
def evaluation(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """Distances between generated and real pictures, and each fake's nearest training picture."""
    from wunderkammer.gan.evaluation.evaluate import evaluate

    return materialize_stage(
        context,
        EVALUATION,
        evaluate,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
