"""Each kind of source from its subject file through Dagster to kept pictures."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import yaml
from exhibits import EXHIBITS, Exhibit, is_picture
from scraping import stream_here
from test_containers import map_here

from pipelines.definitions import defs
from pipelines.sensors import sync_subjects
from resources.subjects import SubjectFiles
from wunderkammer.sources.params import SingleParams
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture(params=sorted(EXHIBITS))
def exhibit(request, workplace, monkeypatch) -> Iterator[Exhibit]:
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", map_here)
    monkeypatch.setattr("wunderkammer.sources.endless_forams.REQUESTS_PER_S", 1e6)
    with EXHIBITS[request.param](workplace.subjects) as exhibit:
        for name, value in exhibit.secrets.items():
            monkeypatch.setenv(name, value)
        yield exhibit


Metadata = dict[str, Any]


def write(workplace, section: dict[str, Any]) -> None:
    file = workplace.write("corgi")
    recipe = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**recipe, "scrape": section}))


def materialized(instance: dg.DagsterInstance) -> Metadata:
    """The metadata of `raw_scrape`, asked for by itself."""
    sync_subjects(instance, SubjectFiles().load())
    job = defs.resolve_job_def("rescrape")
    result = job.execute_in_process(instance=instance, partition_key="corgi")
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def counts(metadata: Metadata, name: str, column: str = "count") -> dict[str, int]:
    rows = (record.data for record in metadata[f"measure/{name}"].records)
    return {row["name"]: row[column] for row in rows}


def manifest(workplace) -> dict[str, dict[str, Any]]:
    versions = Versions(Store(str(workplace.data)))
    record = versions.current("corgi", "raw_scrape")
    assert record is not None
    return {row["id"]: row for row in versions.manifest(record).to_pylist()}


def test_every_kind_of_source_has_an_exhibit():
    kinds = {one.model_fields["kind"].annotation.__args__[0] for one in SingleParams.__args__}
    tested_elsewhere = {"archive", "folder", "patchwork"}
    assert (kinds | {"combine"}) - tested_elsewhere == set(EXHIBITS)


def test_a_source_is_kept_with_its_provenance_and_costs_little_the_next_night(
    exhibit, workplace, instance
):
    write(workplace, exhibit.section)
    first = materialized(instance)
    rows = manifest(workplace)
    outcomes = {"kept": exhibit.num_kept, **exhibit.reasons}
    assert counts(first, "outcomes") == outcomes, rows
    row = rows[exhibit.id]
    wanted = {"decision": "kept", "source": exhibit.section["kind"], **exhibit.row}
    assert {name: row[name] for name in wanted} == wanted
    assert all(row[name] for name in ("sha256", "format", "width", "num_bytes", "fetched_at"))
    kept = {id_: row for id_, row in rows.items() if row["decision"] == "kept"}
    check_metadata(first, list(kept.values()))
    assert "measure/problems" not in first

    fetched = {asked.path for asked in exhibit.site.asked if is_picture(asked)}
    exhibit.site.asked.clear()
    second = materialized(instance)
    assert len(exhibit.site.asked) <= exhibit.num_requests, exhibit.site.paths()
    assert not {path for path in exhibit.site.paths() if path in fetched and "none" not in path}
    assert (second["measure/new"], second["measure/gone"]) == (0, 0)
    again = manifest(workplace)
    assert {id_: again[id_] for id_ in kept} == kept
    assert {id_: row["reason"] for id_, row in again.items()} == {
        id_: row["reason"] for id_, row in rows.items()
    }


def check_metadata(metadata: Metadata, kept: list[dict[str, Any]]) -> None:
    """What a person sees of the first version."""
    assert (metadata["cache"], metadata["num_out"]) == ("miss", len(kept))
    assert (metadata["measure/new"], metadata["measure/gone"]) == (len(kept), 0)
    sources = counts(metadata, "sources", "kept")
    assert sources == Counter(row["source"] or "instaloader_folder" for row in kept)
    licences = Counter(row["licence"] or "no known licence" for row in kept)
    assert counts(metadata, "licences") == licences
    for name in ("kept", "new", "growth"):
        assert metadata[f"picture/{name}"].startswith(f"![{name}")
