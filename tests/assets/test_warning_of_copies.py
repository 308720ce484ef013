"""A model that copies its training pictures is shown with a warning, and stays."""

import json

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles
from wunderkammer.staleness import assess
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Record, Summary, Versions, now
from wunderkammer.subject import load_subject


def publish(versions, stage):
    record = Record(
        subject="tiny",
        stage=stage,
        version="",
        data_version=stage,
        fingerprint=stage,
        code_version="1",
        sections={},
        upstreams={},
        files=(),
        summary=Summary(),
        created_at=now(),
    )
    versions.commit(record, Draft(stage, Summary()))


@pytest.mark.parametrize("is_memorised", [True, False])
def test_the_check_warns_and_takes_nothing_back(workplace, monkeypatch, is_memorised):
    found = {"is_memorised": is_memorised, "verdict": "so many are copies"}

    def evaluate(inputs):
        measures = json.dumps({"memorisation": found}).encode()
        return Draft("measures", Summary(), files={"measures.json": measures})

    monkeypatch.setattr("wunderkammer.gan.evaluation.evaluate.evaluate", evaluate)
    file = workplace.write("tiny")
    versions = Versions(Store(str(workplace.data)))
    for stage in ("deduped_shards", "trained_checkpoint"):
        publish(versions, stage)
    with dg.instance_for_test() as instance:
        sync_subjects(instance, SubjectFiles().load())
        result = defs.resolve_job_def("chain").execute_in_process(
            instance=instance, partition_key="tiny", asset_selection=[dg.AssetKey("evaluation")]
        )
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == "not_memorised"
    assert check.passed is not is_memorised
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == "so many are copies"
    assert versions.current("tiny", "evaluation") is not None
    state = {step.asset: step.state for step in assess(load_subject(file), versions)}
    assert state["evaluation"] != "failed"
