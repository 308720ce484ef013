"""The subject files become partitions, and their sections observed data versions."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import dagster as dg

from assets.recipe import section_key
from pipelines.partitions import SUBJECTS
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.externals import DECISIONS, EXTERNALS, RETRAINING, external_version
from wunderkammer.review.journal import decisions_version
from wunderkammer.stages import TRAINED_DETECTOR
from wunderkammer.storage.store import Store
from wunderkammer.subject import SECTIONS, Subject, SubjectFolder

Digests = dict[str, dict[str, str]]


# Who is still deciding should not set off a training at every key.
QUIET_S = 60.0


def digests_of(subjects: Mapping[str, Subject], store: Store) -> Digests:
    """The digest of every section of every subject that is built by itself, and of its decisions.

    Of the others no section is observed: what it reads is missing to the automation, which
    therefore leaves them alone.
    """
    return {
        name: {
            **{section: subject.spec.section_digest(section) for section in SECTIONS},
            **_externals(subject, store),
        }
        for name, subject in subjects.items()
        if subject.spec.automatic
    }


def _externals(subject: Subject, store: Store) -> dict[str, str]:
    decisions = decisions_version(store, subject.name, quiet_s=QUIET_S)
    return {
        RETRAINING: external_version(store, subject, RETRAINING),
        **({} if decisions is None else {DECISIONS: decisions}),
    }


def observations(seen: Digests, present: Digests) -> Iterator[dg.AssetObservation]:
    """One observation a section that differs from what was last seen."""
    for subject, sections in sorted(present.items()):
        for section, digest in sections.items():
            if seen.get(subject, {}).get(section) != digest:
                yield dg.AssetObservation(
                    asset_key=section_key(section),
                    partition=subject,
                    tags={"dagster/data_version": digest},
                )


def absences(seen: Collection[str], present: Collection[str]) -> Iterator[dg.AssetMaterialization]:
    """That subjects train no detector, noted without a run, which would wait for the GPU."""
    for subject in sorted(set(present) - set(seen)):
        yield dg.AssetMaterialization(
            asset_key=TRAINED_DETECTOR.name,
            description="The recipe trains no detector.",
            partition=subject,
            tags={"dagster/data_version": "none"},
        )


def without_detector(subjects: Mapping[str, Subject]) -> list[str]:
    """The subjects that train none."""
    specs = {name: subject.spec for name, subject in subjects.items()}
    return [n for n, spec in specs.items() if spec.automatic and spec.detector.kind == "none"]


def _with_unseen(seen: Digests, present: Digests) -> Digests:
    """`present`, with the last version of decisions that somebody is just adding to."""
    return {
        name: {**{k: v for k, v in seen.get(name, {}).items() if k == DECISIONS}, **digests}
        for name, digests in present.items()
    }


def partition_changes(folder: SubjectFolder, known: set[str]) -> tuple[list[str], list[str]]:
    """Subjects to add and to drop. A file that is broken just now keeps its partition."""
    broken = {Path(problem.file).stem for problem in folder.problems}
    present = set(folder.subjects)
    return sorted(present - known), sorted(known - present - broken)


def sync_subjects(instance: dg.DagsterInstance, folder: SubjectFolder) -> None:
    """Do at once what the sensor does at its next tick."""
    known = set(instance.get_dynamic_partitions(str(SUBJECTS.name)))
    added, dropped = partition_changes(folder, known)
    if added:
        instance.add_dynamic_partitions(str(SUBJECTS.name), added)
    for name in dropped:
        instance.delete_dynamic_partition(str(SUBJECTS.name), name)
    present = digests_of(folder.subjects, Warehouse().open())
    for event in observations(_observed(instance, folder), present):
        instance.report_runless_asset_event(event)
    none = without_detector(folder.subjects)
    for absence in absences([name for name in none if _is_noted(instance, name)], none):
        instance.report_runless_asset_event(absence)


def _is_noted(instance: dg.DagsterInstance, subject: str) -> bool:
    """Whether the subject's detector, or that there is none, was ever reported."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(TRAINED_DETECTOR.name), asset_partitions=[subject]
    )
    return bool(instance.fetch_materializations(wanted, limit=1).records)


def _observed(instance: dg.DagsterInstance, folder: SubjectFolder) -> Digests:
    seen: Digests = {name: {} for name in folder.subjects}
    for section in (*SECTIONS, *EXTERNALS):
        for name in folder.subjects:
            records = instance.fetch_observations(
                dg.AssetRecordsFilter(asset_key=section_key(section), asset_partitions=[name]),
                limit=1,
            ).records
            tags = records[0].asset_observation if records else None
            if tags is not None and tags.tags:
                seen[name][section] = tags.tags.get("dagster/data_version", "")
    return seen


@dg.sensor(
    name="subject_files",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Follows the folder of subject files: partitions, and versions of their sections.",
)
def subject_files_sensor(
    context: dg.SensorEvaluationContext, subject_files: SubjectFiles, warehouse: Warehouse
) -> dg.SensorResult:
    """Add and drop partitions, observe changed sections, log once what is wrong with a file."""
    folder = subject_files.load()
    cursor = json.loads(context.cursor) if context.cursor else {}
    for problem in folder.problems:
        if str(problem) not in cursor.get("problems", []):
            context.log.warning("%s", problem)
    known = set(context.instance.get_dynamic_partitions(str(SUBJECTS.name)))
    added, dropped = partition_changes(folder, known)
    seen: Digests = cursor.get("digests", {})
    present = _with_unseen(seen, digests_of(folder.subjects, warehouse.open()))
    none = without_detector(folder.subjects)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if added:
        requests.append(SUBJECTS.build_add_request(added))
    if dropped:
        requests.append(SUBJECTS.build_delete_request(dropped))
    return dg.SensorResult(
        dynamic_partitions_requests=requests,
        asset_events=[
            *observations(seen, present),
            *absences(cursor.get("without_detector", []), none),
        ],
        cursor=json.dumps(
            {
                "digests": present,
                "problems": [str(problem) for problem in folder.problems],
                "without_detector": none,
            },
            sort_keys=True,
        ),
    )
