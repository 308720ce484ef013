import json

import pytest
from typer.testing import CliRunner

from pipelines.cli import app


@pytest.fixture
def run(workplace):
    def invoke(*arguments):
        return CliRunner().invoke(app, arguments)

    return invoke


CHAIN = [
    "raw_scrape",
    "filtered_crops",
    "deduped_shards",
    "trained_checkpoint",
    "interpolation_video",
]


def test_status_lists_every_asset_of_every_subject(run, workplace):
    workplace.write("corgi")
    workplace.write("foram")
    rows = json.loads(run("status", "--json").stdout)
    assert [(row["subject"], row["asset"]) for row in rows] == [
        (subject, asset) for subject in ("corgi", "foram") for asset in CHAIN
    ]
    assert {row["state"] for row in rows} == {"missing"}
    assert all(row["cause"] for row in rows)


def test_the_table_names_what_is_wrong_with_a_file_and_shows_the_others(run, workplace):
    workplace.write("corgi")
    workplace.write("foram", filter={"min_side_px": "big"})
    result = run("status")
    assert "raw_scrape" in result.stdout
    assert "foram.yaml: filter.min_side_px: 'big' is not allowed" in result.stderr


def test_a_dry_run_prints_the_whole_stale_chain_in_order_and_runs_nothing(run, workplace):
    workplace.write("corgi")
    plan = json.loads(run("refresh", "corgi", "--dry-run", "--json").stdout)
    assert plan["subject"] == "corgi"
    assert [step["asset"] for step in plan["steps"]] == CHAIN
    assert not workplace.home.exists()


@pytest.mark.parametrize("command", ["status", "refresh"])
def test_an_unknown_subject_is_refused_with_those_known(run, workplace, command):
    workplace.write("corgi")
    result = run(command, "dodo")
    assert result.exit_code == 2
    assert "no such subject (known: corgi)" in result.stderr


def test_a_missing_folder_of_subjects_is_refused_with_the_remedy(run, workplace, monkeypatch):
    monkeypatch.setenv("WUNDERKAMMER_SUBJECTS", str(workplace.subjects / "nowhere"))
    result = run("status")
    assert result.exit_code == 2
    assert "WUNDERKAMMER_SUBJECTS" in result.stderr
