"""Runs in processes of the code server, whose death is noticed.

Dagster's default launcher has no health check: after a reboot, or the death of the code server,
its run stays STARTED for ever and keeps its slot of the pool `gpu`.
"""

import time

import psutil
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultRunLauncher,
    RunsFilter,
)
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

# The event is written a moment after the process has started, never before.
CLOCK_SLACK_S = 2.0
# A run is STARTED a moment before its process says which it is; the daemon fails UNKNOWN ones.
FIRST_WORD_S = 60.0


class WatchedRunLauncher(DefaultRunLauncher):
    """`DefaultRunLauncher` that knows whether the process of a run still lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Asks the run-monitoring daemon to call `check_run_worker_health`."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED if the run's process is gone, or its pid now belongs to a younger one."""
        return run_health(self._instance, run)


def run_health(instance: DagsterInstance, run: DagsterRun) -> CheckRunHealthResult:
    """Whether the process that executes `run` lives, on this machine."""
    worker = _worker(instance, run.run_id)
    if worker is None:
        record = instance.get_run_record_by_id(run.run_id)
        if record is not None and time.time() - record.update_timestamp.timestamp() < FIRST_WORD_S:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.UNKNOWN, "the run names no process")
    pid, seen_at = worker
    try:
        process = psutil.Process(pid)
        alive = (
            process.status() != psutil.STATUS_ZOMBIE
            and process.create_time() <= seen_at + CLOCK_SLACK_S
        )
    except psutil.NoSuchProcess:
        alive = False
    if alive:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} of the run is gone")


def fail_dead_runs(instance: DagsterInstance) -> None:
    """Fail every run whose process is gone and free its slots, as the daemon does when it is up.

    Without it a refresh would wait for ever for the `gpu` slot of a run that was killed.
    """
    started = RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
    for run in instance.get_runs(started):
        health = run_health(instance, run)
        if health.status == WorkerStatus.FAILED:
            instance.report_run_failed(run, health.msg)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _worker(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The pid that the run's newest engine event names, and that event's time."""
    records = instance.get_records_for_run(
        run_id, of_type=DagsterEventType.ENGINE_EVENT, ascending=False
    ).records
    for record in records:
        event = record.event_log_entry.get_dagster_event()
        pid = event.engine_event_data.metadata.get("pid")
        if pid is not None:
            return int(str(pid.value)), record.event_log_entry.timestamp
    return None
