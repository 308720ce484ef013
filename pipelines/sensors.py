"""The subject files become partitions, and their sections observed data versions."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import dagster as dg

from assets.materialization import ABSENT
from assets.recipe import section_key
from pipelines.partitions import SUBJECTS
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.externals import (
    DECISIONS,
    EXTERNALS,
    FILES,
    RETRAINING,
    automatic_version,
    external_version,
    is_settled,
)
from wunderkammer.review.journal import decisions_version, has_decisions
from wunderkammer.stages import STAGES, chain
from wunderkammer.storage.store import Store
from wunderkammer.subject import SECTIONS, Subject, SubjectFolder

Digests = dict[str, dict[str, str]]
# A subject and a stage.
Absence = tuple[str, str]


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
        **{
            name: automatic_version(store, subject, name)
            for name in FILES
            if is_settled(subject, name, quiet_s=QUIET_S)
        },
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


def absences(
    seen: Collection[Absence], present: Iterable[Absence]
) -> Iterator[dg.AssetMaterialization]:
    """That subjects have no such stage, noted without a run, which might wait for the GPU.

    Dagster's graph is the same for all subjects, and waits for what was never materialized.
    """
    for subject, stage in present:
        if (subject, stage) not in seen:
            yield dg.AssetMaterialization(
                asset_key=stage,
                description="The recipe asks for none.",
                partition=subject,
                tags={"dagster/data_version": ABSENT},
            )


def absent_stages(subjects: Mapping[str, Subject], store: Store) -> list[Absence]:
    """The stages that are in the graph and not in the chain of a subject."""
    return [
        (name, stage.name)
        for name, subject in sorted(subjects.items())
        if subject.spec.automatic
        for stage in STAGES
        if stage not in chain(subject.spec, has_decisions=has_decisions(store, name))
    ]


def _with_unseen(seen: Digests, present: Digests) -> Digests:
    """`present`, with the last version of what somebody is just changing: decisions, files."""
    return {
        name: {**{k: v for k, v in seen.get(name, {}).items() if k in EXTERNALS}, **digests}
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
    store = Warehouse().open()
    present = digests_of(folder.subjects, store)
    for event in observations(_observed(instance, folder), present):
        instance.report_runless_asset_event(event)
    absent = absent_stages(folder.subjects, store)
    for absence in absences(_noted(instance, absent), absent):
        instance.report_runless_asset_event(absence)


def _noted(instance: dg.DagsterInstance, absent: Iterable[Absence]) -> list[Absence]:
    """Those of which anything was ever reported."""
    return [
        (subject, stage)
        for subject, stage in absent
        if instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage), asset_partitions=[subject]), limit=1
        ).records
    ]


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
    store = warehouse.open()
    present = _with_unseen(seen, digests_of(folder.subjects, store))
    absent = absent_stages(folder.subjects, store)
    told = [tuple(pair) for pair in cursor.get("absent", [])]
    told += _noted(context.instance, [pair for pair in absent if pair not in told])
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if added:
        requests.append(SUBJECTS.build_add_request(added))
    if dropped:
        requests.append(SUBJECTS.build_delete_request(dropped))
    return dg.SensorResult(
        dynamic_partitions_requests=requests,
        asset_events=[
            *observations(seen, present),
            *absences(told, absent),
        ],
        cursor=json.dumps(
            {
                "digests": present,
                "problems": [str(problem) for problem in folder.problems],
                "absent": absent,
            },
            sort_keys=True,
        ),
    )
