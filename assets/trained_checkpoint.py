"""The GAN of the subject."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.trainer import Trainer
from resources.warehouse import Warehouse
from wunderkammer.build import StageInputs
from wunderkammer.stages import TRAINED_CHECKPOINT
from wunderkammer.storage.versions import Draft


@stage_asset(TRAINED_CHECKPOINT, group="model", kinds={"pytorch"}, pool="gpu")
def trained_checkpoint(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
    trainer: Trainer,
) -> dg.MaterializeResult[None]:
    """The trained networks, everything that a resume needs, and what they draw.

    Runs as its own process in the pool `gpu`. A run that was killed goes on from its checkpoint.
    """

    def build(inputs: StageInputs) -> Draft:
        return trainer.train(context, inputs)

    return materialize_stage(
        context,
        TRAINED_CHECKPOINT,
        build,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
        links={"tensorboard": trainer.tensorboard_url},
    )
