"""The sections of the subject files as observable assets, `config/<section>`, and the decisions.

Each holds one data version a subject; the sensor `subject_files` reports it when it changes.
"""

import warnings

import dagster as dg

from pipelines.partitions import SUBJECTS
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.externals import DECISIONS, external_version
from wunderkammer.subject import SECTIONS


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


def _decisions() -> dg.SourceAsset:
    @dg.observable_source_asset(
        key=section_key(DECISIONS),
        partitions_def=SUBJECTS,
        group_name="config",
        description="What persons have decided on the page of `wunderkammer review`.",
    )
    def observe(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> dg.DataVersionsByPartition:
        store = warehouse.open()
        return dg.DataVersionsByPartition(
            {name: external_version(store, name, DECISIONS) for name in context.partition_keys}
        )

    return observe


def _observables() -> list[dg.SourceAsset]:
    with warnings.catch_warnings():
        # Only an observable asset has versions a partition; a plain AssetSpec's are ignored.
        warnings.filterwarnings("ignore", "Function `observable_source_asset` is currently in beta")
        return [*(_observable(section) for section in SECTIONS), _decisions()]


SECTION_ASSETS = _observables()
