"""When an asset runs by itself: something that it reads, or its code, has changed in content.

Unlike `AutomationCondition.eager()` a rerun that yields the same data version sets nothing in
motion. `executed_with_root_target` leaves alone what the same run brings up to date anyway.
"""

import dagster as dg
from dagster import AutomationCondition as AC  # noqa: N817 - the form in Dagster's own guides

# `executed_with_root_target` is exported but not yet marked public (dagster 1.13).
SYNC = (
    (
        AC.any_deps_match(AC.data_version_changed() & ~AC.executed_with_root_target())
        | AC.code_version_changed()
        | AC.newly_missing()
    ).since(AC.newly_requested())
    & ~AC.any_deps_missing()
    & ~AC.any_deps_in_progress()
    & ~AC.in_progress()
    & AC.all_deps_blocking_checks_passed()
).with_label("sync")

AUTOMATION = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
    # A backfill moves on every half minute only; a run a subject starts at once.
    emit_backfills=False,
    description="Runs each stale step of each subject, one hop a tick.",
)
