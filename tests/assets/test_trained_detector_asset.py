"""The detector of a subject through Dagster; its process is run in this one."""

import json
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.definitions import defs
from pipelines.refresh import retrain
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles
from resources.trainer import Trainer, _report
from wunderkammer.detect.training.job import DetectorJob
from wunderkammer.detect.training.train import run
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions


@pytest.fixture
def here(monkeypatch):
    """Trains in this process; lists the subjects trained for."""
    trained = []

    def train(self, context, command, *, subject):
        trained.append(subject)
        job = DetectorJob.model_validate_json(Path(command[-1]).read_bytes())
        run(
            job,
            say=context.log.info,
            on_epoch=lambda epoch: _report(context, {"kind": "epoch", "metrics": epoch}, ""),
            should_stop=lambda: False,
        )

    monkeypatch.setattr(Trainer, "_run", train)
    monkeypatch.setenv("WUNDERKAMMER_DEVICE", "cpu")
    return trained


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def squares(workplace):
    """A subject with a folder of labelled squares, and its store."""
    kit = str(Path(__file__).parents[1] / "detect_training")
    sys.path.insert(0, kit)
    try:
        from training_kit import write_recipe
    finally:
        sys.path.remove(kit)
    recipe = yaml.safe_load(write_recipe(workplace.subjects.parent, epochs=8).read_text())
    recipe["scrape"]["path"] = "../pictures"
    (workplace.subjects / "square.yaml").write_text(yaml.safe_dump(recipe))
    return Store(str(workplace.data))


@pytest.mark.slow
def test_a_command_trains_anew_and_crops_with_what_it_has_learnt(squares, here, instance):
    said = []
    steps = retrain(instance, "square", say=said.append)
    chain = ["trained_detector", "raw_scrape", "detections", "filtered_crops"]
    assert [step.asset for step in steps] == chain
    assert said[0] == "square: trained_detector (asked to retrain)"
    versions = Versions(squares)
    detector = versions.current("square", "trained_detector")
    detections = versions.current("square", "detections")
    assert detections.upstreams["trained_detector"] == detector.data_version
    observed = instance.fetch_observations(dg.AssetKey("trained_detector"), limit=20).records
    assert len(observed) == 8
    assert "mAP50" in observed[0].asset_observation.metadata

    # Nothing new to learn: the same detector, and nothing after it runs.
    assert [step.asset for step in retrain(instance, "square", say=said.append)] == chain[:1]
    assert here == ["square"] * 2
    assert versions.current("square", "trained_detector").data_version == detector.data_version


def test_for_a_subject_that_trains_none_nothing_is_built_and_no_process_starts(
    workplace, here, instance
):
    workplace.write("tiny")
    sync_subjects(instance, SubjectFiles().load())
    result = defs.resolve_job_def("chain").execute_in_process(
        instance=instance,
        partition_key="tiny",
        asset_selection=[dg.AssetKey("trained_detector")],
    )
    assert result.success
    assert here == []
    assert Versions(Store(str(workplace.data))).current("tiny", "trained_detector") is None


def test_labels_are_checked_by_a_command_that_trains_nothing(workplace, squares):
    result = CliRunner().invoke(app, ["check-labels", "square"])
    assert result.exit_code == 0
    assert "**fit to train on**" in result.stdout
    paths = [Path(line) for line in result.stdout.splitlines() if line.startswith("/")]
    assert json.loads(paths[1].read_text())["boxes"] == 40

    labels = workplace.subjects.parent / "pictures" / "vott.csv"
    rows = labels.read_text().splitlines()
    labels.write_text("\n".join([*rows, *rows[1:]]))
    result = CliRunner().invoke(app, ["check-labels", "square"])
    assert result.exit_code == 1
    assert "40 of 80 boxes of 'square' are inconsistent" in result.stderr


@pytest.mark.parametrize("command", ["check-labels", "retrain-detector"])
def test_a_subject_without_a_detector_of_its_own_is_told_what_it_lacks(workplace, command):
    workplace.write("tiny")
    for name, words in (("tiny", "a section `detector`"), ("teeny", "did you mean 'tiny'?")):
        result = CliRunner().invoke(app, [command, name])
        assert result.exit_code == 2
        assert words in result.stderr
    assert not workplace.home.exists()
