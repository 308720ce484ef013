"""Rot, loss and torn files are found, told of with a remedy, and made room for."""

import logging

import pyarrow as pa
import pytest
from upkeep_kit import House

from wunderkammer.sources.tar import MEMBERS
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.upkeep.mend import mend
from wunderkammer.upkeep.verify import NothingHeldError, verify


@pytest.fixture(params=["disk", "memory"])
def house(request, tmp_path):
    return House(Store(str(tmp_path / "data") if request.param == "disk" else "memory:///"))


def key(house, sha256):
    return house.blobs.key(sha256)


def kinds(verified):
    return {
        fault.key: (fault.kind, fault.holding and fault.holding.stage) for fault in verified.faults
    }


def test_a_sound_store_has_no_faults(house):
    house.crop(house.scrape(["a", "b"]), 1)
    house.blobs.put(b"of nobody")
    found = verify(house.store)
    assert found.faults == ()
    # Five blobs, two manifests, two parts of ledgers.
    assert found.num_objects == 9
    assert verify(house.store, subject="cat").num_objects == 8


def test_each_kind_of_damage_is_told_with_whose_it_is_and_what_to_run(house):
    pictures = house.scrape(["rots", "shrinks", "sound"])
    crops = house.crop(pictures, 1)
    stray = house.blobs.put(b"of nobody")
    house.store.write(key(house, pictures["rots"]), b"rotS")
    house.store.write(key(house, pictures["shrinks"]), b"shr")
    house.store.delete(key(house, crops["sound"]))
    house.store.write(key(house, stray), b"")
    found = verify(house.store)
    assert kinds(found) == {
        key(house, pictures["rots"]): ("damaged", "raw_scrape"),
        key(house, pictures["shrinks"]): ("truncated", "raw_scrape"),
        key(house, crops["sound"]): ("missing", "filtered_crops"),
        key(house, stray): ("truncated", None),
    }
    remedies = {fault.key: fault.remedy for fault in found.faults}
    again = "wunderkammer verify cat --mend && wunderkammer refresh cat"
    assert remedies[key(house, pictures["rots"])] == f"{again} --rescrape"
    assert remedies[key(house, crops["sound"])] == again
    assert remedies[key(house, stray)] == "wunderkammer verify --mend"


def test_damaged_files_of_versions_and_ledgers_are_found(house):
    house.crop(house.scrape(["a"]), 1)
    manifest = next(k for k in house.store.keys("subjects") if "filtered_crops/versions" in k)
    part = next(k for k in house.store.keys("subjects") if "raw_scrape/ledger" in k)
    house.store.write(manifest, house.store.read(manifest)[:-1] + b"?")
    house.store.write(part, b"PAR1")
    found = verify(house.store)
    assert kinds(found)[manifest] == ("damaged", "filtered_crops")
    assert kinds(found)[part] == ("damaged", "raw_scrape")
    house.store.delete(manifest)
    assert kinds(verify(house.store))[manifest] == ("missing", "filtered_crops")


def test_a_version_of_before_digests_were_kept_is_known_by_its_name(house):
    house.crop(house.scrape(["a"]), 1)
    record = house.versions.current("cat", "filtered_crops")
    old = record.model_copy(update={"digests": {}}).model_dump_json().encode()
    home = "subjects/cat/filtered_crops"
    house.store.write(f"{home}/current.json", old)
    house.store.write(f"{home}/built/{record.fingerprint}.json", old)
    assert verify(house.store).faults == ()
    file = f"{home}/versions/{record.version}/manifest.parquet"
    house.store.write(file, house.store.read(file) + b"?")
    (fault,) = verify(house.store).faults
    assert fault.kind == "damaged"
    assert "one of its 1 files has changed" in fault.detail


def test_damaged_checkpoints_of_a_training_are_found(house):
    prefix = "subjects/cat/trained_checkpoint/runs/r/checkpoints"
    house.store.write(f"{prefix}/000000000008.json", b"{")
    (fault,) = verify(house.store).faults
    assert (fault.kind, fault.key) == ("damaged", f"{prefix}/000000000008.json")


def test_what_is_mended_is_made_again_and_nothing_else(house):
    pictures = house.scrape(["a", "b", "c"])
    crops = house.crop(pictures, 1)
    house.store.write(key(house, crops["a"]), b"a at 2")
    house.store.delete(key(house, crops["b"]))
    assert mend(verify(house.store).faults, house.store) == []
    assert house.store.read(f"damaged/{key(house, crops['a'])}") == b"a at 2"
    assert not house.store.exists(key(house, crops["a"]))
    attempt = house.versions.attempt("cat", "filtered_crops")
    assert attempt.failure == "2 of its files were damaged or lost; a refresh makes them again"
    assert house.versions.built("cat", "filtered_crops", "crops 1") is None
    ledger = house.ledger("filtered_crops", "size1")
    ledger.blob_columns = ()
    assert ledger.rows()["crop_sha256"].to_pylist() == [crops["c"]]
    assert house.crop(pictures, 1) == crops
    assert verify(house.store).faults == ()


def test_a_subject_with_a_run_under_way_is_not_mended(house):
    crops = house.crop(house.scrape(["a"]), 1)
    house.store.delete(key(house, crops["a"]))
    house.versions.begin("cat", "deduped_shards", "f")
    faults = verify(house.store).faults
    assert mend(faults, house.store) == list(faults)
    assert house.versions.attempt("cat", "filtered_crops") is None


def test_members_of_an_archive_that_are_lost_are_missed(house):
    sha256 = house.blobs.put(b"member")
    rows = [{"key": "0", "id": "a", "sha256": sha256}, {"key": "1", "id": "b", "reason": "odd"}]
    ledger = Ledger(house.store, "subjects/cat/raw_scrape/ledger/tar", MEMBERS)
    ledger.append(pa.Table.from_pylist(rows, MEMBERS))
    assert verify(house.store).faults == ()
    house.store.delete(key(house, sha256))
    assert kinds(verify(house.store)) == {key(house, sha256): ("missing", "raw_scrape")}


def test_a_subject_that_is_not_there_is_named(house, caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(NothingHeldError, match="holds nothing of 'dog'"):
        verify(house.store, subject="dog")
