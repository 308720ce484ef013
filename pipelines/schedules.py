"""The nightly rescrape: each subject's own cron line, in its own time zone."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from cronsim import CronSim

from pipelines.jobs import RESCRAPE
from resources.subjects import SubjectFiles
from wunderkammer.subject import ScheduleParams


def is_due(schedule: ScheduleParams, minute: datetime) -> bool:
    """Whether the cron line fires in this minute (an aware datetime, whole minute)."""
    local = minute.astimezone(ZoneInfo(schedule.timezone))
    fires = next(CronSim(schedule.rescrape_cron, local - timedelta(minutes=1)))
    return fires.astimezone(ZoneInfo("UTC")) == minute.astimezone(ZoneInfo("UTC"))


@dg.schedule(
    name="rescrapes",
    cron_schedule="* * * * *",
    execution_timezone="UTC",
    job=RESCRAPE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks each minute for subjects whose `schedule.rescrape_cron` is due.",
)
def rescrapes(
    context: dg.ScheduleEvaluationContext, subject_files: SubjectFiles
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run of `raw_scrape` a subject that is due; a new subject needs no reload."""
    minute = context.scheduled_execution_time.replace(second=0, microsecond=0)
    subjects = subject_files.load().subjects
    due = [
        name
        for name, subject in sorted(subjects.items())
        if subject.spec.schedule and is_due(subject.spec.schedule, minute)
    ]
    for name in due:
        yield dg.RunRequest(run_key=f"{name} {minute.isoformat()}", partition_key=name)
    if not due:
        yield dg.SkipReason("no subject's rescrape is due in this minute")
