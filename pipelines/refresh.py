"""Bring a subject up to date, one step a run, looking again after each what is still stale.

A step at a time is what makes early cut-off exact: after a step whose content came out the same,
nothing downstream is stale any more, so nothing more is run.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from pipelines.definitions import defs
from pipelines.jobs import CHAIN, RESCRAPE
from pipelines.launcher import fail_dead_runs
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.stages import (
    FILTERED_CROPS,
    RAW_SCRAPE,
    STAGES,
    TRAINED_DETECTOR,
    Stage,
)
from wunderkammer.staleness import StepState, assess, steps_to_run
from wunderkammer.storage.versions import Versions

Say = Callable[[str], None]


class RefreshError(RuntimeError):
    """A step failed; what was built before it stays."""


def refresh(
    instance: dg.DagsterInstance, subject: str, *, rescrape: bool, say: Say
) -> list[StepState]:
    """Run the stale steps of `subject`; returns those that ran.

    Raises:
        RefreshError: a step or one of its checks failed.
        SubjectError: there is no such subject, or its file is wrong.
    """
    fail_dead_runs(instance)
    ran: list[StepState] = []
    if rescrape:
        step = StepState(subject, RAW_SCRAPE.name, "stale", "asked to rescrape")
        _run(instance, step, force=True, say=say)
        ran.append(step)
    return ran + _run_stale(instance, subject, among=STAGES, say=say)


def retrain(instance: dg.DagsterInstance, subject: str, *, say: Say) -> list[StepState]:
    """Train the subject's detector anew, and bring its crops up to date for the next review.

    Raises:
        RefreshError: a step failed.
        SubjectError: there is no such subject, or its file is wrong.
    """
    fail_dead_runs(instance)
    step = StepState(subject, TRAINED_DETECTOR.name, "stale", "asked to retrain")
    _run(instance, step, force=True, say=say)
    until_crops = STAGES[: STAGES.index(FILTERED_CROPS) + 1]
    return [step, *_run_stale(instance, subject, among=until_crops, say=say)]


def _run_stale(
    instance: dg.DagsterInstance, subject: str, *, among: Sequence[Stage], say: Say
) -> list[StepState]:
    names = {stage.name for stage in among}
    ran: list[StepState] = []
    while steps := [step for step in stale_steps(subject) if step.asset in names]:
        step = steps[0]
        if any(done.asset == step.asset for done in ran):
            raise RefreshError(
                f"{step.asset} of {subject!r} ran and is still {step.state}: {step.cause}"
            )
        _run(instance, step, force=False, say=say)
        ran.append(step)
    return ran


def rescrape(instance: dg.DagsterInstance, subject: str) -> None:
    """Ask the subject's source for what is new, as the button of the job `rescrape` does.

    Raises:
        RefreshError: it failed; the version before it stays.
    """
    fail_dead_runs(instance)
    sync_subjects(instance, SubjectFiles().load())
    result = defs.resolve_job_def(RESCRAPE.name).execute_in_process(
        instance=instance,
        partition_key=subject,
        run_config={"loggers": {"console": {"config": {}}}},
        raise_on_error=False,
    )
    if not result.success:
        raise RefreshError(f"{RAW_SCRAPE.name} of {subject!r} failed: {_reason(result)}")


def stale_steps(subject: str) -> list[StepState]:
    """What a refresh would run now, in order, with the cause of each."""
    recipe = SubjectFiles().load()[subject]
    return steps_to_run(assess(recipe, Versions(Warehouse().open())))


def _run(instance: dg.DagsterInstance, step: StepState, *, force: bool, say: Say) -> None:
    say(f"{step.subject}: {step.asset} ({step.cause})")
    sync_subjects(instance, SubjectFiles().load())
    result = defs.resolve_job_def(CHAIN.name).execute_in_process(
        instance=instance,
        partition_key=step.subject,
        asset_selection=[dg.AssetKey(step.asset)],
        run_config={
            "ops": {step.asset: {"config": {"force": force}}},
            "loggers": {"console": {"config": {}}},
        },
        raise_on_error=False,
    )
    if result.success:
        return
    raise RefreshError(f"{step.asset} of {step.subject!r} failed: {_reason(result)}")


def _words(message: str, cls_name: str | None) -> str:
    """What an error says, without its name, which only the code knows."""
    if cls_name == "DagsterExecutionInterruptedError":
        return "it was stopped; run it again, and it goes on from where it was"
    name, _, words = message.partition(": ")
    return words if words and name.rpartition(".")[2] == cls_name else message


def _reason(result: dg.ExecuteInProcessResult) -> str:
    for event in result.filter_events(lambda event: event.is_step_failure):
        error = event.step_failure_data.error
        if error is not None:
            told = error.cause or error
            return _words(told.message.strip(), told.cls_name)
    return "see the run in the Dagster UI"
