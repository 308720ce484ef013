"""A detector of the subject's own."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.trainer import Trainer
from resources.warehouse import Warehouse
from wunderkammer.build import StageInputs
from wunderkammer.stages import TRAINED_DETECTOR
from wunderkammer.storage.versions import Draft


@stage_asset(TRAINED_DETECTOR, group="collection", kinds={"pytorch"}, pool="gpu")
def trained_detector(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
    trainer: Trainer,
) -> dg.MaterializeResult[None]:
    """A detector trained on labels, and how good it is; empty for a recipe that trains none.

    Runs as its own process in the pool `gpu`. A run that was killed goes on from its last epoch.
    """

    def build(inputs: StageInputs) -> Draft:
        return trainer.train_detector(context, inputs)

    return materialize_stage(
        context,
        TRAINED_DETECTOR,
        build,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
