"""The training set: distinct pictures at the model's resolution."""

import dagster as dg

from assets.materialization import Rebuild, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import DEDUPED_SHARDS


@stage_asset(DEDUPED_SHARDS, group="collection", kinds={"parquet"})
def deduped_shards(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """Parquet shards in the Hugging Face layout, without exact or near duplicates."""
    from wunderkammer.shards.build import dedupe_and_shard

    return materialize_stage(
        context,
        DEDUPED_SHARDS,
        dedupe_and_shard,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force,
    )
