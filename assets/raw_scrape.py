"""Pictures as the source gives them, with where they come from."""

import dagster as dg

from assets.materialization import Rebuild, is_asked_for_alone, materialize_stage, stage_asset
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import RAW_SCRAPE


@stage_asset(RAW_SCRAPE, group="collection", kinds={"parquet"})
def raw_scrape(
    context: dg.AssetExecutionContext,
    config: Rebuild,
    subject_files: SubjectFiles,
    warehouse: Warehouse,
) -> dg.MaterializeResult[None]:
    """Every picture of the subject's source, one content-addressed blob each, with its provenance.

    Materialized by itself it asks the source again and appends what is new; within the chain it
    is left alone while its section of the recipe is the same.
    """
    from wunderkammer.sources.scrape import scrape_images

    return materialize_stage(
        context,
        RAW_SCRAPE,
        scrape_images,
        subject_files=subject_files,
        warehouse=warehouse,
        force=config.force or is_asked_for_alone(context),
    )
