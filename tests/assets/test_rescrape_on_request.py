"""When `raw_scrape` asks its source again, and when a finished version will do."""

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles

AUTOMATED = {"dagster/from_automation_condition": "true"}


@pytest.fixture
def instance(workplace):
    workplace.write("corgi", scrape={"num_quilts": 3, "num_near_duplicates": 0})
    with dg.instance_for_test() as instance:
        sync_subjects(instance, SubjectFiles().load())
        yield instance


def cache(instance, tags=None, job="chain"):
    """Whether a run of `raw_scrape` alone found it built ("hit") or asked the source ("miss")."""
    selection = None if job == "rescrape" else [dg.AssetKey("raw_scrape")]
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key="corgi", asset_selection=selection, tags=tags
    )
    (event,) = result.get_asset_materialization_events()
    return event.materialization.metadata["cache"].value


def test_a_person_who_materializes_it_alone_asks_the_source_again_and_automation_does_not(instance):
    assert cache(instance, AUTOMATED) == "miss"
    assert cache(instance, AUTOMATED) == "hit"
    assert cache(instance) == "miss"
    assert cache(instance, job="rescrape") == "miss"
