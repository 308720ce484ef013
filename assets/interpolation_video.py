"""The film of the model's latent space."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import INTERPOLATION_VIDEO


@stage_asset(INTERPOLATION_VIDEO, group="film", kinds={"ffmpeg"})
def interpolation_video(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """A walk through seeded latents, as an MP4 that any browser plays."""
    from wunderkammer.video.film import render_film

    return materialize_stage(
        context,
        INTERPOLATION_VIDEO,
        render_film,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
