"""A failed check takes its version back and holds up what reads it."""

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles
from wunderkammer.manifests import kept
from wunderkammer.staleness import assess
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import load_subject

CROPS_AND_SHARDS = ["raw_scrape", "detections", "filtered_crops", "deduped_shards"]


@pytest.fixture
def run(workplace):
    workplace.write("tiny")
    with dg.instance_for_test() as instance:
        sync_subjects(instance, SubjectFiles().load())

        def run_assets(*names):
            return defs.resolve_job_def("chain").execute_in_process(
                instance=instance,
                partition_key="tiny",
                asset_selection=[dg.AssetKey(name) for name in names],
                raise_on_error=False,
            )

        yield run_assets


def checks(result):
    return {c.check_name: c.passed for c in result.get_asset_check_evaluations()}


def test_sound_versions_pass_and_a_lost_crop_fails_its_version_until_it_is_made_again(
    run, workplace
):
    first = run(*CROPS_AND_SHARDS)
    assert first.success
    assert checks(first) == {
        "crops_are_readable": True,
        "no_duplicates_left": True,
        "shards_match_manifest": True,
    }
    store = Store(str(workplace.data))
    versions = Versions(store)
    crops = versions.current("tiny", "filtered_crops")
    crop = kept(versions.manifest(crops))["crop_sha256"][0].as_py()
    store.write(Blobs.key(crop), b"no longer a picture")
    for key in store.keys(versions.home("tiny", "filtered_crops") + "/checked"):
        store.delete(key)

    second = run("filtered_crops", "deduped_shards")
    assert not second.success
    assert checks(second) == {"crops_are_readable": False}, "deduped_shards was not held up"
    state = {s.asset: s for s in assess(load_subject(workplace.subjects / "tiny.yaml"), versions)}
    assert state["filtered_crops"].state == "failed"
    assert crop in state["filtered_crops"].cause
    assert state["deduped_shards"].state == "stale"

    assert run("filtered_crops", "deduped_shards").success
    assert versions.current("tiny", "filtered_crops").data_version == crops.data_version
