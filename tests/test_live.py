"""Real sites are asked by `make live` and by nothing else."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def collected(*arguments: str) -> set[str]:
    """The files of tests/live whose tests a run of pytest would take."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/live", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert run.returncode in (0, 5), run.stdout + run.stderr  # 5: none was left
    return {line.split("::")[0] for line in run.stdout.splitlines() if "::" in line}


def test_no_other_run_asks_a_real_site():
    assert collected() == collected("-m", "not slow") == set()


def test_the_command_runs_every_test_of_a_real_site():
    files = {f"tests/live/{path.name}" for path in (PROJECT / "tests/live").glob("test_*.py")}
    assert collected("-m", "live") == files


def test_the_command_names_one_file_a_source():
    run = subprocess.run(
        ["make", "--dry-run", "live", "SOURCE=inaturalist"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pytest -v -m live tests/live/test_live_inaturalist.py" in run.stdout
