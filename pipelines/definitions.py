"""Everything that Dagster loads."""

import dagster as dg

from assets.checks import CHECKS
from assets.deduped_shards import deduped_shards
from assets.detections import detections
from assets.evaluation import evaluation
from assets.filtered_crops import filtered_crops
from assets.interpolation_video import interpolation_video
from assets.raw_scrape import raw_scrape
from assets.recipe import SECTION_ASSETS
from assets.reviewed_crops import reviewed_crops
from assets.trained_checkpoint import trained_checkpoint
from assets.trained_detector import trained_detector
from pipelines.automation import AUTOMATION
from pipelines.console import console
from pipelines.jobs import CHAIN, RESCRAPE
from pipelines.schedules import rescrapes
from pipelines.sensors import subject_files_sensor
from resources.subjects import SubjectFiles
from resources.trainer import Trainer
from resources.warehouse import Warehouse

defs = dg.Definitions(
    assets=[
        *SECTION_ASSETS,
        raw_scrape,
        trained_detector,
        detections,
        filtered_crops,
        reviewed_crops,
        deduped_shards,
        trained_checkpoint,
        interpolation_video,
        evaluation,
    ],
    asset_checks=CHECKS,
    jobs=[CHAIN, RESCRAPE],
    schedules=[rescrapes],
    sensors=[subject_files_sensor, AUTOMATION],
    resources={
        "subject_files": SubjectFiles(),
        "warehouse": Warehouse(),
        "trainer": Trainer(),
    },
    loggers={"console": console},
    # A run is a process of its own already; a process a step would cost seconds each.
    executor=dg.in_process_executor,
)
