"""The Dagster instance of the command line: the repository's own, unless `DAGSTER_HOME` is set."""

import os
from pathlib import Path

import dagster as dg

PROJECT = Path(__file__).parents[1]


def dagster_home() -> Path:
    """`DAGSTER_HOME`, else `.dagster/` of the project, made and linked to `dagster.yaml`."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(PROJECT / ".dagster")))
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        # The link of a project that has been moved since points nowhere.
        made = home / f".dagster.yaml.{os.getpid()}"
        made.symlink_to(PROJECT / "dagster.yaml")
        made.replace(settings)
    return home


def open_instance() -> dg.DagsterInstance:
    """The instance that the web server and the daemon of `wunderkammer up` use too."""
    dagster_home()
    return dg.DagsterInstance.get()
