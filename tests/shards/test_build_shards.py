import io
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from shards_kit import SIDE, encoded, picture

from wunderkammer import ledger_map
from wunderkammer.dedupe.groups import find_duplicates
from wunderkammer.dedupe.params import PhashParams
from wunderkammer.manifests import RAW
from wunderkammer.shards import build
from wunderkammer.shards.build import (
    TooFewImagesError,
    check_no_duplicates_left,
    dedupe_and_shard,
)
from wunderkammer.shards.read import load_images, open_shards, shard_keys
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import MissingObjectError
from wunderkammer.storage.versions import Draft, Summary, Versions
from wunderkammer.workers import Casualty, guarded_map


def test_every_crop_is_either_in_a_shard_or_has_a_kept_crop_that_it_duplicates(workshop):
    large = workshop.crop("large", encoded(picture(1)), side=200)
    copy = workshop.crop("copy", encoded(picture(1)))
    brighter = np.clip(picture(1).astype(int) + 3, 0, 255).astype(np.uint8)
    near = workshop.crop("near", encoded(brighter))
    other = workshop.crop("other", encoded(picture(2)))
    workshop.put([near, copy, other, large])
    record = workshop.build(max_distance=8).record
    rows = {row["id"]: row for row in workshop.manifest(record)}
    assert list(rows) == ["near", "copy", "other", "large"]
    assert {name: row["reason"] for name, row in rows.items()} == {
        "large": None,
        "other": None,
        "copy": "exact_duplicate",
        "near": "near_duplicate",
    }
    assert (rows["copy"]["duplicate_of"], rows["copy"]["distance"]) == ("large", 0)
    assert rows["near"]["duplicate_of"] == "large"
    assert rows["near"]["distance"] == (near["phash"] ^ large["phash"]).bit_count()
    assert sorted((rows[name]["shard"], rows[name]["row"]) for name in ("large", "other")) == [
        ("train-00000-of-00001.parquet", 0),
        ("train-00000-of-00001.parquet", 1),
    ]
    assert rows["copy"]["shard"] is rows["copy"]["image_sha256"] is None
    assert (record.summary.num_in, record.summary.num_out) == (4, 2)
    assert record.summary.rejections == {"near_duplicate": 1, "exact_duplicate": 1}


def test_the_order_hangs_on_seed_and_content_and_not_on_the_rows_or_their_names(
    workshop, some_crops
):
    def contents(record):
        rows = [row for row in workshop.manifest(record) if row["decision"] == "kept"]
        return [row["crop_sha256"] for row in sorted(rows, key=lambda row: row["row"])]

    crops = some_crops(12)
    workshop.put(crops)
    first = workshop.build().record
    renamed = [{**crop, "id": f"z{crop['id']}"} for crop in reversed(crops)]
    workshop.put(renamed)
    second = workshop.build().record
    assert contents(second) == contents(first)
    assert second.data_version == first.data_version
    assert [p.read_bytes() for p in workshop.shard_paths(first)] == [
        p.read_bytes() for p in workshop.shard_paths(second)
    ]
    reseeded = workshop.build(seed=1).record
    assert sorted(contents(reseeded)) == sorted(contents(first))
    assert contents(reseeded) != contents(first)
    assert reseeded.data_version != first.data_version


def test_shards_are_equal_however_the_work_was_spread(workshop, monkeypatch):
    def scattered(fn, items, *, workers):
        for item in sorted(items, reverse=True):
            yield [(item, fn(item))]

    def contents():
        record = workshop.build(resolution_px=8, codec="jpeg", max_shard_mb=0.002).record
        return [path.read_bytes() for path in workshop.shard_paths(record)]

    workshop.put([workshop.crop(f"{k}", encoded(picture(k))) for k in range(6)])
    first = contents()
    for key in list(workshop.store.keys("subjects/moth/deduped_shards/ledger")):
        workshop.store.delete(key)
    monkeypatch.setattr(ledger_map, "guarded_map", scattered)
    assert len(first) > 1
    assert contents() == first


def test_a_new_picture_leaves_the_others_in_their_order(workshop, some_crops):
    crops = some_crops(20)
    workshop.put(crops[:-1])
    before = open_shards(workshop.store, workshop.build().record)
    workshop.put(crops)
    after = open_shards(workshop.store, workshop.build().record)
    images = [
        list(s.images(resolution_px=SIDE, channels=3).reshape(s.num_images, -1).sum(1))
        for s in (before, after)
    ]
    new = picture(19).astype(int).sum()
    assert [total for total in images[1] if total != new] == images[0]


def test_crops_that_are_as_wanted_go_into_the_shards_byte_for_byte(workshop, some_crops):
    workshop.put(some_crops(3))
    rows = workshop.manifest(workshop.build().record)
    assert [row["image_sha256"] for row in rows] == [row["crop_sha256"] for row in rows]


@pytest.mark.parametrize(
    ("crops_by", "wanted"),
    [
        ({}, {"resolution_px": 8}),
        ({}, {"channels": 1}),
        ({}, {"codec": "webp"}),
        ({"codec": "jpeg"}, {"codec": "jpeg", "quality": 60}),
    ],
)
def test_other_crops_are_prepared_as_the_section_says(workshop, crops_by, wanted):
    codec = crops_by.get("codec", "png")
    crops = [workshop.crop(f"{k}", encoded(picture(k), codec)) for k in range(3)]
    workshop.put(crops, **crops_by)
    record = workshop.build(**wanted).record
    paths = workshop.shard_paths(record)
    side, channels = wanted.get("resolution_px", SIDE), wanted.get("channels", 3)
    for row in pq.read_table(paths[0])["image"].to_pylist():
        with Image.open(io.BytesIO(row["bytes"])) as image:
            assert image.format.lower() == wanted.get("codec", codec)
            assert image.size == (side, side)
            assert image.mode == {1: "L", 3: "RGB"}[channels]
    rows = workshop.manifest(record)
    assert all(row["image_sha256"] != row["crop_sha256"] for row in rows)


def test_prepared_pictures_look_like_their_crops(workshop, some_crops, monkeypatch):
    monkeypatch.setattr(ledger_map, "guarded_map", guarded_map)
    workshop.put(some_crops(4))
    record = workshop.build(resolution_px=8, channels=1).record
    images = load_images(workshop.store, shard_keys(record), resolution_px=8, channels=1)
    rows = {row["row"]: row["id"] for row in workshop.manifest(record)}
    for number, image_CHW in enumerate(images):
        crop = Image.fromarray(picture(int(rows[number][1:]))).convert("L")
        expected = np.asarray(crop.resize((8, 8), Image.Resampling.LANCZOS))
        assert np.array_equal(image_CHW[0], expected)


def test_prepared_pictures_are_made_once(workshop, some_crops, monkeypatch):
    crops = some_crops(4)
    workshop.put(crops[:3])
    workshop.build(resolution_px=8)
    seen = []
    original = build.map_ledgered

    def counting(ledger, items, **settings):
        seen.append(len(set(items) - set(ledger.rows()["key"].to_pylist())))
        return original(ledger, items, **settings)

    monkeypatch.setattr(build, "map_ledgered", counting)
    workshop.put(crops)
    workshop.build(resolution_px=8)
    workshop.build(resolution_px=8, seed=4)
    workshop.build(resolution_px=8, codec="webp")
    assert seen == [1, 0, 4]


def test_a_crop_smaller_than_the_resolution_is_rejected(workshop, some_crops):
    small = workshop.crop("small", encoded(picture(9, side=8)))
    workshop.put([*some_crops(2), small], codec="webp")
    rows = {row["id"]: row for row in workshop.manifest(workshop.build().record)}
    assert rows["small"]["reason"] == "too_small"
    assert rows["small"]["decision"] == "rejected"
    assert rows["c000"]["decision"] == "kept"


def test_a_crop_that_crashed_a_worker_is_rejected_with_its_reason(
    workshop, some_crops, monkeypatch
):
    crops = some_crops(3)
    workshop.put(crops)

    def crashing(fn, items, *, workers):
        poisoned = crops[1]["crop_sha256"]
        for item in items:
            yield [(item, Casualty("crashed_worker") if item[0] == poisoned else fn(item))]

    monkeypatch.setattr(ledger_map, "guarded_map", crashing)
    record = workshop.build(resolution_px=8).record
    assert record.summary.rejections == {"crashed_worker": 1}
    rows = {row["id"]: row for row in workshop.manifest(record)}
    assert (rows["c001"]["reason"], rows["c001"]["shard"]) == ("crashed_worker", None)
    assert open_shards(workshop.store, record).num_images == 2


def test_shards_are_cut_at_the_size_asked_for_and_named_by_their_number(workshop, some_crops):
    workshop.put(some_crops(10))
    record = workshop.build(max_shard_mb=0.002).record
    paths = workshop.shard_paths(record)
    assert len(paths) > 2
    assert [p.name for p in paths] == [
        f"train-{k:05d}-of-{len(paths):05d}.parquet" for k in range(len(paths))
    ]
    sizes = [
        sum(map(len, pq.read_table(p)["image"].combine_chunks().field(0).to_pylist()))
        for p in paths
    ]
    assert all(size <= 2000 for size in sizes)
    assert record.summary.measures["num_shards"] == len(paths)
    assert record.summary.measures["bytes"] == sum(p.stat().st_size for p in paths)


def test_the_data_version_follows_pictures_and_labels_only(workshop, some_crops):
    crops = some_crops(6)
    workshop.put(crops)
    first = workshop.build().record.data_version
    assert workshop.build(max_shard_mb=0.002).record.data_version == first
    assert workshop.build(max_distance=5).record.data_version == first
    workshop.put([*crops, {**crops[0], "id": "again", "box_x1": 50}])
    assert workshop.build().record.data_version == first
    workshop.put([{**crop, "label": "a"} for crop in crops])
    assert workshop.build().record.data_version != first


def test_one_distinct_picture_is_too_few_and_the_message_says_what_to_change(workshop):
    workshop.put([workshop.crop(name, encoded(picture(1))) for name in "abc"])
    with pytest.raises(
        TooFewImagesError, match=r"1 of the 3 crops of 'moth'.*max_distance \(now 6\)"
    ):
        workshop.build()


def test_no_crops_at_all_are_too_few(workshop):
    workshop.put([])
    with pytest.raises(TooFewImagesError, match="0 of the 0 crops"):
        workshop.build(resolution_px=8)


def test_contact_sheets_are_pictures_of_at_most_200_kilobytes(workshop, some_crops):
    crops = some_crops(30)
    copies = [{**crop, "id": f"copy of {crop['id']}", "box_x1": 9} for crop in crops]
    workshop.put(crops + copies)
    record = workshop.build().record
    for name in ("kept.jpg", "rejected.jpg"):
        content = Versions(workshop.store).read(record, name)
        assert len(content) <= 200_000
        with Image.open(io.BytesIO(content)) as sheet:
            assert sheet.width > 300


def test_nothing_is_left_in_the_scratch_folder_after_success_or_failure(
    workshop, some_crops, monkeypatch
):
    crops = some_crops(4)
    workshop.put(crops)
    workshop.build()
    assert workshop.leftovers() == []
    shutil.rmtree(Path(workshop.store.location) / "blobs")
    monkeypatch.setattr(build, "kept_sheet", lambda *_, **__: b"")
    with pytest.raises(MissingObjectError):
        workshop.build()
    assert workshop.leftovers() == []


def test_nothing_is_left_where_publishing_fails(workshop, some_crops, monkeypatch):
    workshop.put(some_crops(4))
    monkeypatch.setattr(Versions, "restore", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        workshop.build()
    assert workshop.leftovers() == []


def test_the_shards_carry_their_credits_whatever_these_say_of_equal_content(workshop, some_crops):
    workshop.put(some_crops(4))
    before = workshop.build().record
    rows = [
        {"id": f"r{k}", "sha256": row["sha256"], "author": "Ann", "decision": "kept"}
        for k, row in enumerate(workshop.manifest(before))
    ]
    scraped = before.model_copy(update={"stage": "raw_scrape", "sections": {}})
    draft = Draft("r", Summary(), pa.Table.from_pylist(rows, schema=RAW))
    Versions(workshop.store).commit(scraped, draft)
    after = workshop.build().record
    assert after.data_version == before.data_version
    credits_of_both = [
        Versions(workshop.store).read(record, "attributions.md").decode()
        for record in (before, after)
    ]
    assert "4 without a known author" in credits_of_both[0]
    assert credits_of_both[1].count("by Ann") == 4
    assert {"attributions.csv", "attributions.md"} < set(after.files)


def test_what_a_killed_run_left_is_removed_and_a_living_ones_folder_is_not(workshop, some_crops):
    workshop.put(some_crops(4))
    draft = dedupe_and_shard(workshop.inputs())
    assert len(workshop.leftovers()) == len(draft.files) - 2  # the two sheets are no files
    name = draft.scratch.name
    dead = draft.scratch.with_name(name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-"))
    shutil.copytree(draft.scratch, dead)
    workshop.build()
    assert not dead.exists()
    assert draft.scratch.exists()


def test_the_check_finds_duplicates_that_are_left(workshop, some_crops):
    workshop.put(some_crops(4))
    subject = workshop.subject()
    assert "was never built" in check_no_duplicates_left(subject, workshop.store)
    workshop.build()
    assert check_no_duplicates_left(subject, workshop.store) is None


def test_the_check_names_two_pictures_that_are_too_near(workshop, some_crops, monkeypatch):
    crops = some_crops(3)
    near = {**some_crops(4)[3], "id": "near", "phash": crops[0]["phash"] ^ 0b11}
    workshop.put([*crops, near])
    strict = PhashParams(max_distance=1)
    monkeypatch.setattr(
        build, "distinct_crops", lambda _, crops: find_duplicates(crops, params=strict)
    )
    workshop.build()
    message = check_no_duplicates_left(workshop.subject(), workshop.store)
    assert message.startswith("1 pairs of kept pictures differ in at most 6 bits")
    assert "'c000' and 'near' do in 2" in message


def test_a_damaged_blob_ends_the_run_and_names_itself(workshop, some_crops, monkeypatch):
    crops = some_crops(4)
    workshop.put(crops)
    monkeypatch.setattr(build, "kept_sheet", lambda *_, **__: b"")
    workshop.store.write(Blobs.key(crops[0]["crop_sha256"]), b"rot")
    with pytest.raises(ValueError, match=f"blob {crops[0]['crop_sha256']} is damaged"):
        workshop.build()
