"""Bring one stage of one subject up to date: skip what is built, else build and publish it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

from wunderkammer.externals import external_version, externals_of
from wunderkammer.manifests import TRANSIENT
from wunderkammer.review.journal import has_decisions
from wunderkammer.stages import RAW_SCRAPE, Stage, fingerprint, upstreams_of
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.lease import wait_for_removal
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions, now
from wunderkammer.subject import Subject


class MissingUpstreamError(RuntimeError):
    """A stage was asked for before the one that it reads."""


@dataclass(frozen=True)
class StageInputs:
    """What a stage may read: the recipe, the finished upstream versions, and the store."""

    subject: Subject
    store: Store
    upstreams: Mapping[str, Record]
    fingerprint: str
    externals: Mapping[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> Versions:
        """The finished versions of the store."""
        return Versions(self.store)

    @property
    def blobs(self) -> Blobs:
        """The blobs of the store."""
        return Blobs(self.store)


@dataclass(frozen=True)
class Built:
    """The version in force after a build, and whether it was there already."""

    record: Record
    was_fresh: bool


Builder = Callable[[StageInputs], Draft]


def build_stage(
    stage: Stage, subject: Subject, *, store: Store, builder: Builder, force: bool = False
) -> Built:
    """Run `builder` unless a finished version has the same fingerprint.

    `force` runs it all the same (a rescrape: the world may have changed, the recipe has not).

    Raises:
        MissingUpstreamError: an upstream stage was never built.
    """
    versions = Versions(store)
    inputs = stage_inputs(stage, subject, store=store)
    current = versions.current(subject.name, stage.name)
    if not force and current is not None and current.fingerprint == inputs.fingerprint:
        built = versions.built(subject.name, stage.name, inputs.fingerprint)
        if built is not None and built.version == current.version and not num_to_try_again(built):
            versions.succeed(subject.name, stage.name, inputs.fingerprint)
            return Built(built, was_fresh=True)
    attempt = versions.begin(subject.name, stage.name, inputs.fingerprint)
    start = perf_counter()
    try:
        # What it would find in the store may be about to go; of what begins now all stays.
        wait_for_removal(store)
        built = versions.built(subject.name, stage.name, inputs.fingerprint)
        is_second_try = built is not None and num_to_try_again(built) > 0
        if built is not None and not force and not is_second_try:
            versions.restore(built)
            versions.succeed(subject.name, stage.name, inputs.fingerprint)
            return Built(built, was_fresh=True)
        draft = builder(inputs)
        record = _record(stage, inputs, draft, perf_counter() - start)
        record = record.model_copy(update={"tries": 2 if is_second_try else 1})
        record = versions.commit(record, draft, attempt=attempt)
    except BaseException as error:
        name = type(error).__name__
        reason = f"{name}: {error}" if str(error) else f"stopped by {name}"
        versions.fail(subject.name, stage.name, attempt, reason)
        raise
    versions.succeed(subject.name, stage.name, inputs.fingerprint)
    return Built(record, was_fresh=False)


def num_to_try_again(record: Record) -> int:
    """How many pictures a version has rejected for what may have passed since; 0 after two tries.

    A source is asked again in any case, so what failed in a scrape does not count.
    """
    if record.stage == RAW_SCRAPE.name or record.tries > 1:
        return 0
    return sum(record.summary.rejections.get(reason, 0) for reason in TRANSIENT)


def stage_inputs(stage: Stage, subject: Subject, *, store: Store) -> StageInputs:
    """The inputs of a stage as they stand now.

    Raises:
        MissingUpstreamError: an upstream stage was never built.
    """
    versions = Versions(store)
    upstreams: dict[str, Record] = {}
    is_decided = has_decisions(store, subject.name)
    for name in upstreams_of(stage, subject.spec, has_decisions=is_decided):
        record = versions.current(subject.name, name)
        if record is None:
            raise MissingUpstreamError(
                f"{stage.name} of {subject.name!r} reads {name}, which was never built; "
                f"materialize it first, or run: wunderkammer refresh {subject.name}"
            )
        upstreams[name] = record
    data_versions = {name: record.data_version for name, record in upstreams.items()}
    names = externals_of(stage, subject)
    externals = {name: external_version(store, subject, name) for name in names}
    wanted = fingerprint(stage, subject.spec, {**data_versions, **externals})
    return StageInputs(subject, store, upstreams, wanted, externals)


def _record(stage: Stage, inputs: StageInputs, draft: Draft, seconds: float) -> Record:
    spec = inputs.subject.spec
    timings = {**draft.summary.timings_s, "total": round(seconds, 3)}
    summary: Summary = draft.summary.model_copy(update={"timings_s": timings})
    return Record(
        subject=inputs.subject.name,
        stage=stage.name,
        version="",
        data_version=draft.data_version,
        fingerprint=inputs.fingerprint,
        code_version=stage.code_version,
        sections={name: spec.section(name).canonical() for name in stage.sections},
        upstreams={
            **{name: record.data_version for name, record in inputs.upstreams.items()},
            **inputs.externals,
        },
        files=(),
        summary=summary,
        created_at=now(),
    )
