import json

import pytest
from obstore.exceptions import GenericError
from typer.testing import CliRunner

from pipelines import cli
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
    "evaluation",
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


@pytest.fixture
def quickly_measured(monkeypatch):
    from wunderkammer.gan import device

    monkeypatch.setattr(device, "MEASURED_S", 0.01)


def test_a_plan_explains_a_training_and_trains_nothing(run, workplace, quickly_measured):
    workplace.write("corgi", train={"augment": {"kind": "ada"}})
    result = run("plan", "corgi", "--device", "cpu")
    assert result.exit_code == 0
    for word in ("batch", "train.batch_size", "forecast", "s/kimg", "ada: bgc; target 0.6"):
        assert word in result.stdout
    assert not workplace.data.exists()


def test_a_plan_for_machines_has_its_forecasts_as_numbers(run, workplace, quickly_measured):
    workplace.write("corgi")
    made = json.loads(run("plan", "corgi", "--device", "cpu", "--json").stdout)
    assert made["micro_batch"] == 8
    assert made["peak_bytes"] > 10_000
    assert made["s_per_kimg"] > 0
    assert {"name": "batch", "value": "8", "reason": "train.batch_size"} in made["choices"]


def test_a_plan_for_a_gpu_that_is_not_there_is_refused(run, workplace):
    workplace.write("corgi")
    result = run("plan", "corgi", "--device", "cuda:99")
    assert result.exit_code == 2
    assert "use 'auto' or 'cpu'" in result.stderr


def test_a_refresh_ends_with_the_verdict_and_the_places_of_what_it_made(
    run, workplace, monkeypatch
):
    workplace.write("corgi")
    monkeypatch.setattr(cli, "_refresh", lambda name, *, rescrape, quiet: [])
    film = workplace.data / "film.mp4"
    monkeypatch.setattr(cli, "_places", lambda name: [("the film", film)])
    result = run("refresh", "corgi")
    assert "corgi is up to date, nothing was run. Look at:" in result.stdout
    assert f"the film          {film}" in result.stdout
    assert "Memorisation: evaluation of 'corgi' was never built" in result.stdout
    made = json.loads(run("refresh", "corgi", "--json").stdout)
    assert made["places"] == {"the film": str(film)}
    assert made["memorisation"].startswith("evaluation of 'corgi'")


@pytest.mark.parametrize("command", ["status", "refresh", "plan"])
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


def test_a_store_that_can_not_be_reached_is_told_in_a_line(monkeypatch):
    def fail():
        raise GenericError("Generic S3 error: no route\n\nDebug source: many lines")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setenv("WUNDERKAMMER_DATA", "s3://bucket/prefix")
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    told = str(stopped.value)
    assert told.startswith("the store s3://bucket/prefix can't be used: Generic S3 error: no route")
    assert "AWS_REGION" in told
    assert "Debug" not in told
