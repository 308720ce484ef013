"""The sections of the subject files as observable assets, `config/<section>`, and the decisions.

Each holds one data version a subject; the sensor `subject_files` reports it when it changes.
"""

import warnings

import dagster as dg

from pipelines.partitions import SUBJECTS
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.externals import DECISIONS, EXTERNALS, RETRAINING, automatic_version
from wunderkammer.subject import SECTIONS

DESCRIPTIONS = {
    DECISIONS: "What persons have decided on the page of `wunderkammer review`.",
    RETRAINING: "Which round of the review a detector that is trained anew by itself has reached.",
    "detector_files": "What the labels and weights hold that the section `detector` names.",
    "detect_files": "What the weights hold that the section `detect` names.",
    "filter_files": "What the weights, labels and examples hold that the section `filter` names.",
    "dedupe_files": "What the weights hold that the section `dedupe` names.",
}


def section_key(section: str) -> dg.AssetKey:
    """The asset key of a section of the recipes."""
    return dg.AssetKey(["config", section])


def _observable(section: str) -> dg.SourceAsset:
    @dg.observable_source_asset(
        key=section_key(section),
        partitions_def=SUBJECTS,
        group_name="config",
        description=f"The `{section}` section of `subjects/<subject>.yaml`, by its hash.",
    )
    def observe(
        context: dg.AssetExecutionContext, subject_files: SubjectFiles
    ) -> dg.DataVersionsByPartition:
        subjects = subject_files.load().subjects
        return dg.DataVersionsByPartition(
            {
                name: subjects[name].spec.section_digest(section)
                for name in context.partition_keys
                if name in subjects
            }
        )

    return observe


def _external(external: str) -> dg.SourceAsset:
    @dg.observable_source_asset(
        key=section_key(external),
        partitions_def=SUBJECTS,
        group_name="config",
        description=DESCRIPTIONS[external],
    )
    def observe(
        context: dg.AssetExecutionContext, subject_files: SubjectFiles, warehouse: Warehouse
    ) -> dg.DataVersionsByPartition:
        store, subjects = warehouse.open(), subject_files.load().subjects
        return dg.DataVersionsByPartition(
            {
                name: automatic_version(store, subjects[name], external)
                for name in context.partition_keys
                if name in subjects
            }
        )

    return observe


def _observables() -> list[dg.SourceAsset]:
    with warnings.catch_warnings():
        # Only an observable asset has versions a partition; a plain AssetSpec's are ignored.
        warnings.filterwarnings("ignore", "Function `observable_source_asset` is currently in beta")
        return [*map(_observable, SECTIONS), *map(_external, EXTERNALS)]


SECTION_ASSETS = _observables()
