"""Which steps of a subject are fresh, stale, missing or failed, and why.

Everything is read from the store and the recipe, so the whole stale chain shows at once: a step
is stale if its own inputs changed, or if a step that it reads is not fresh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wunderkammer.build import num_to_try_again
from wunderkammer.externals import external_version, externals_of
from wunderkammer.review.journal import has_decisions
from wunderkammer.stages import Stage, chain, upstreams_of
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Attempt, Record, Versions
from wunderkammer.subject import Subject

State = Literal["fresh", "stale", "missing", "failed"]


@dataclass(frozen=True)
class StepState:
    """The state of one asset of one subject; `cause` is empty for a fresh one."""

    subject: str
    asset: str
    state: State
    cause: str = ""


def assess(subject: Subject, versions: Versions) -> list[StepState]:
    """The state of every step of the subject, in the order of their running."""
    states: dict[str, StepState] = {}
    records: dict[str, Record | None] = {}
    is_decided = has_decisions(versions.store, subject.name)
    for stage in chain(subject.spec, has_decisions=is_decided):
        records[stage.name] = versions.current(subject.name, stage.name)
        attempt = versions.attempt(subject.name, stage.name)
        failure = attempt.failure if attempt else None
        record = records[stage.name]
        upstreams = upstreams_of(stage, subject.spec, has_decisions=is_decided)
        causes = _causes(stage, upstreams, subject, versions.store, records, states)
        is_past = not causes and attempt and record and _is_past(attempt, record)
        state: State = "fresh"
        if failure is not None and not is_past:
            # With what was edited since: the failure may be of a setting that is no more.
            state, causes = "failed", [failure, *(causes if record else [])]
        elif record is None:
            state = "missing"
        elif causes:
            state = "stale"
        if state != "fresh" and attempt is not None and attempt.is_running:
            causes = [*causes, f"running since {attempt.started_at}"]
        states[stage.name] = StepState(subject.name, stage.name, state, "; ".join(causes))
    return list(states.values())


def steps_to_run(states: list[StepState]) -> list[StepState]:
    """The steps that a refresh would run, in order; an unchanged result may spare later ones."""
    return [step for step in states if step.state != "fresh"]


def _is_past(attempt: Attempt, record: Record) -> bool:
    """Whether a failure says nothing of the version in force."""
    if attempt.fingerprint != record.fingerprint:
        return True  # it was for other settings, which have been taken back since
    # Killed after it had published, before it could take back its note.
    return attempt.error is None and record.created_at >= attempt.started_at


def _causes(
    stage: Stage,
    upstreams: Sequence[str],
    subject: Subject,
    store: Store,
    records: Mapping[str, Record | None],
    states: Mapping[str, StepState],
) -> list[str]:
    record = records[stage.name]
    if record is None:
        return ["never built"]
    causes = _own_causes(stage, subject, store, record)
    for name in sorted({*upstreams, *record.upstreams} - {*stage.externals}):
        upstream = records.get(name)
        if name not in upstreams:
            causes.append(f"{name} is no longer read")
        elif states[name].state != "fresh":
            state = states[name].state
            causes.append(f"{name} failed" if state == "failed" else f"{name} is {state}")
        elif upstream is not None and upstream.data_version != record.upstreams.get(name):
            causes.append(f"{name} has new content")
    return causes


def _own_causes(stage: Stage, subject: Subject, store: Store, record: Record) -> list[str]:
    """What has changed beside the stages that it reads."""
    spec = subject.spec
    causes = []
    if record.code_version != stage.code_version:
        causes.append(f"code version {record.code_version} → {stage.code_version}")
    for name in stage.sections:
        causes += _changes(record.sections.get(name, {}), spec.section(name).canonical(), name)
    if num := num_to_try_again(record):
        causes.append(f"{num} failed in passing, to be tried once more")
    for name in externals_of(stage, subject):
        if record.upstreams.get(name) != external_version(store, subject, name):
            causes.append(f"new {name.replace('_', ' ')}")
    return causes


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> list[str]:
    """Each setting that differs, as `filter.min_side_px: 64 → 96`; an unset one is `default`."""
    changes = []
    for key in sorted({*old, *new}):
        before, after = old.get(key, "default"), new.get(key, "default")
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changes += _changes(before, after, f"{path}.{key}")
        elif before != after:
            changes.append(f"{path}.{key}: {before} → {after}")
    return changes
