from datetime import UTC, datetime

import dagster as dg
import pytest

from pipelines.schedules import is_due, rescrapes
from resources.subjects import SubjectFiles
from wunderkammer.subject import ScheduleParams

BERLIN = ScheduleParams(rescrape_cron="30 3 * * *", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("minute", "due"),
    [
        (datetime(2026, 1, 10, 2, 30, tzinfo=UTC), True),  # winter: UTC+1
        (datetime(2026, 1, 10, 2, 31, tzinfo=UTC), False),
        (datetime(2026, 7, 10, 1, 30, tzinfo=UTC), True),  # summer: UTC+2
        (datetime(2026, 7, 10, 2, 30, tzinfo=UTC), False),
    ],
)
def test_a_cron_line_is_due_in_its_own_time_zone(minute, due):
    assert is_due(BERLIN, minute) is due


def requests(minute):
    context = dg.build_schedule_context(
        scheduled_execution_time=minute, resources={"subject_files": SubjectFiles()}
    )
    return list(rescrapes(context))


def test_only_subjects_with_a_schedule_that_is_due_are_rescraped(workplace):
    workplace.write("corgi", schedule={"rescrape_cron": "0 3 * * *"})
    workplace.write("foram", schedule={"rescrape_cron": "0 4 * * *"})
    workplace.write("quilt")
    (request,) = requests(datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "corgi"


def test_no_schedule_means_no_run(workplace):
    workplace.write("quilt")
    (skip,) = requests(datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
    assert isinstance(skip, dg.SkipReason)
