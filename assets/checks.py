"""What must hold of each finished version; a failed check stops what reads it, a warning not."""

import warnings
from collections.abc import Callable

import dagster as dg

from pipelines.partitions import SUBJECTS
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import (
    DEDUPED_SHARDS,
    EVALUATION,
    FILTERED_CROPS,
    INTERPOLATION_VIDEO,
    TRAINED_CHECKPOINT,
    Stage,
)
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

# Says what is wrong, or None.
Verify = Callable[[Subject, Store], str | None]


def _check(stage: Stage, name: str, description: str, verify: Verify) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=stage.name,
        name=name,
        description=description,
        blocking=True,
        partitions_def=SUBJECTS,
    )
    def check(
        context: dg.AssetCheckExecutionContext, subject_files: SubjectFiles, warehouse: Warehouse
    ) -> dg.AssetCheckResult:
        subject = subject_files.load()[context.partition_key]
        store = warehouse.open()
        fault = verify(subject, store)
        record = Versions(store).current(subject.name, stage.name)
        if fault is not None and record is not None:
            Versions(store).disown(record, f"check {name}: {fault}")
        return dg.AssetCheckResult(passed=fault is None, description=fault or "holds")

    return check


def _warn_of_copies() -> dg.AssetChecksDefinition:
    """A model that copies is finished all the same: this one warns and takes nothing back."""

    @dg.asset_check(
        asset=EVALUATION.name,
        name="not_memorised",
        description="The generator does not draw its training pictures again.",
        partitions_def=SUBJECTS,
    )
    def check(
        context: dg.AssetCheckExecutionContext, subject_files: SubjectFiles, warehouse: Warehouse
    ) -> dg.AssetCheckResult:
        from wunderkammer.gan.evaluation.verdict import memorisation_verdict

        subject = subject_files.load()[context.partition_key]
        is_original, words = memorisation_verdict(subject, warehouse.open())
        return dg.AssetCheckResult(
            passed=is_original, severity=dg.AssetCheckSeverity.WARN, description=words
        )

    return check


def _crops_readable(subject: Subject, store: Store) -> str | None:
    from wunderkammer.crops.readable import check_crops_readable

    return check_crops_readable(subject, store)


def _no_duplicates(subject: Subject, store: Store) -> str | None:
    from wunderkammer.shards.build import check_no_duplicates_left

    return check_no_duplicates_left(subject, store)


def _shard_rows(subject: Subject, store: Store) -> str | None:
    from wunderkammer.shards.read import check_shard_counts

    return check_shard_counts(subject, store)


def _checkpoint_loads(subject: Subject, store: Store) -> str | None:
    from wunderkammer.gan.check import check_trained

    return check_trained(subject, store)


def _film_complete(subject: Subject, store: Store) -> str | None:
    from wunderkammer.video.film import check_film

    return check_film(subject, store)


_ARGUMENTS: list[tuple[Stage, str, str, Verify]] = [
    (
        FILTERED_CROPS,
        "crops_are_readable",
        "Every kept crop exists, has the hash it is named by, and decodes.",
        _crops_readable,
    ),
    (
        DEDUPED_SHARDS,
        "no_duplicates_left",
        "No two kept pictures are within the duplicate threshold.",
        _no_duplicates,
    ),
    (
        DEDUPED_SHARDS,
        "shards_match_manifest",
        "The shards hold exactly the rows that the manifest lists.",
        _shard_rows,
    ),
    (
        TRAINED_CHECKPOINT,
        "checkpoint_loads",
        "The checkpoint loads; its pictures and its loss are finite.",
        _checkpoint_loads,
    ),
    (
        INTERPOLATION_VIDEO,
        "film_is_complete",
        "The film has the frames and the duration that it claims.",
        _film_complete,
    ),
]


def _all_checks() -> list[dg.AssetChecksDefinition]:
    with warnings.catch_warnings():
        # Without partitions the result of one subject would stand for all of them.
        warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec")
        return [*(_check(*arguments) for arguments in _ARGUMENTS), _warn_of_copies()]


CHECKS = _all_checks()
