"""Jobs for one click or one command."""

import dagster as dg

from wunderkammer.stages import RAW_SCRAPE, STAGES

CHAIN = dg.define_asset_job(
    "chain",
    selection=dg.AssetSelection.assets(*(stage.name for stage in STAGES)),
    description="Brings a subject up to date, from source to film; what is built is skipped.",
)

RESCRAPE = dg.define_asset_job(
    "rescrape",
    selection=dg.AssetSelection.assets(RAW_SCRAPE.name),
    description="Asks a subject's source again and appends what is new.",
)
