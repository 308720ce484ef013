import json

import dagster as dg
import pytest

from pipelines.partitions import SUBJECTS
from pipelines.sensors import subject_files_sensor, sync_subjects
from resources.subjects import SubjectFiles
from resources.warehouse import Warehouse
from wunderkammer.externals import EXTERNALS
from wunderkammer.subject import SECTIONS

# And which stages its recipe does not ask for.
REPORTED = (*SECTIONS, *EXTERNALS, "trained_detector", "detections", "reviewed_crops")


def tick(instance, cursor=None):
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources={"subject_files": SubjectFiles(), "warehouse": Warehouse()},
    )
    return subject_files_sensor(context)


def observed(result):
    return {(e.partition, e.asset_key.path[-1]) for e in result.asset_events}


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        yield instance


def test_a_new_file_becomes_a_partition_with_every_section_observed(workplace, instance):
    workplace.write("corgi")
    result = tick(instance)
    (request,) = result.dynamic_partitions_requests
    assert request.partition_keys == ["corgi"]
    assert observed(result) == {("corgi", name) for name in REPORTED}


def test_that_a_recipe_asks_for_no_such_stage_is_noted_once_and_without_a_run(workplace, instance):
    workplace.write("corgi")
    workplace.write("spider", detector={"kind": "yolo"}, review={"gate": "all"})
    first = tick(instance)
    noted = [e for e in first.asset_events if isinstance(e, dg.AssetMaterialization)]
    assert [(event.partition, event.asset_key.path[-1]) for event in noted] == [
        ("corgi", "trained_detector"),
        ("corgi", "detections"),
        ("corgi", "reviewed_crops"),
        ("spider", "detections"),
    ]
    assert not first.run_requests
    assert not tick(instance, first.cursor).asset_events
    for _ in range(2):
        sync_subjects(instance, SubjectFiles().load())
    # A sensor that has forgotten asks the instance.
    assert not [e for e in tick(instance).asset_events if isinstance(e, dg.AssetMaterialization)]
    for asset, count in (("trained_detector", 1), ("detections", 2), ("reviewed_crops", 1)):
        assert len(instance.fetch_materializations(dg.AssetKey(asset), limit=9).records) == count


def test_an_edit_is_observed_for_its_section_and_subject_only(workplace, instance):
    workplace.write("corgi")
    workplace.write("foram")
    cursor = tick(instance).cursor
    workplace.write("corgi", filter={"min_side_px": 25})
    assert observed(tick(instance, cursor)) == {("corgi", "filter")}


def test_an_unchanged_folder_reports_nothing(workplace, instance):
    workplace.write("corgi")
    instance.add_dynamic_partitions(SUBJECTS.name, ["corgi"])
    result = tick(instance, tick(instance).cursor)
    assert not result.asset_events
    assert not result.dynamic_partitions_requests


def test_a_removed_file_drops_the_partition_and_a_broken_one_keeps_it(workplace, instance):
    corgi, foram = workplace.write("corgi"), workplace.write("foram")
    instance.add_dynamic_partitions(SUBJECTS.name, ["corgi", "foram"])
    corgi.unlink()
    foram.write_text("scrape: [not, a, section]")
    (request,) = tick(instance).dynamic_partitions_requests
    assert isinstance(request, dg.DeleteDynamicPartitionsRequest)
    assert request.partition_keys == ["corgi"]


def test_sync_does_at_once_what_the_sensor_does_and_does_it_once(workplace, instance):
    workplace.write("corgi")
    for _ in range(2):
        sync_subjects(instance, SubjectFiles().load())
    assert instance.get_dynamic_partitions(SUBJECTS.name) == ["corgi"]
    key = dg.AssetKey(["config", "filter"])
    records = instance.fetch_observations(key, limit=10).records
    assert len(records) == 1
    assert (
        records[0].asset_observation.data_version
        == json.loads(tick(instance).cursor)["digests"]["corgi"]["filter"]
    )


def test_a_problem_is_logged_once_and_again_when_it_changes(workplace, instance):
    def logged(cursor):
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            resources={"subject_files": SubjectFiles(), "warehouse": Warehouse()},
        )
        lines = []
        context.log.warning = lambda form, *values: lines.append(form % values)
        return lines, subject_files_sensor(context).cursor

    workplace.write("corgi", filter={"min_side_px": 0})
    lines, cursor = logged(None)
    assert len(lines) == 1
    assert "filter.min_side_px: 0 is not allowed" in lines[0]
    assert logged(cursor)[0] == []
    workplace.write("corgi", filter={"min_side_px": -1})
    assert "-1 is not allowed" in logged(cursor)[0][0]


def test_a_subject_that_waits_for_a_person_has_a_partition_and_nothing_for_the_automation(
    workplace, instance
):
    file = workplace.write("corgi")
    file.write_text("automatic: false\n" + file.read_text())
    result = tick(instance)
    (request,) = result.dynamic_partitions_requests
    assert request.partition_keys == ["corgi"]
    assert observed(result) == set()
    file.write_text(file.read_text().removeprefix("automatic: false\n"))
    assert observed(tick(instance, result.cursor)) == {("corgi", name) for name in REPORTED}
