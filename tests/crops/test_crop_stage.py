import hashlib
import io
from time import process_time

import numpy as np
import pyarrow as pa
import pytest
from image_samples import blotches, correlation, encoded
from PIL import Image

from wunderkammer.crops import stage as crops_module
from wunderkammer.crops.render import RENDERS, RenderSettings, Window, measures
from wunderkammer.crops.stage import NothingKeptError
from wunderkammer.dedupe.phash import phash
from wunderkammer.manifests import CROPS, RAW
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger

pytestmark = pytest.mark.usefixtures("work_in_this_process")


@pytest.fixture
def rendered(monkeypatch):
    """The sources that have been rendered, in order."""
    return []


@pytest.fixture
def work_in_this_process(monkeypatch, rendered):
    """Render without worker processes (test_workers has those), and note each source."""

    def compute(ledger, todo, fn, on_casualty, what, log, workers):
        del on_casualty, what, log, workers
        rendered.extend(key for key, _ in todo)
        rows = [{**fn(item), "key": key} for key, item in todo]
        table = pa.Table.from_pylist(rows, schema=ledger.schema)
        ledger.append(table)
        return [table]

    monkeypatch.setattr("wunderkammer.ledger_map._compute", compute)


def fill(scene, num_pictures=6):
    for number in range(num_pictures):
        scene.add(f"good{number}", encoded(blotches(40 + number, 36, seed=number)), label="a")
    scene.add("small", encoded(blotches(40, 19, seed=90)))
    scene.add("long", encoded(blotches(80, 40, seed=91)))
    scene.scrape()


def by_id(table):
    return {row["id"]: row for row in table.to_pylist()}


def test_good_pictures_become_crops_of_the_size_asked_for(scene):
    fill(scene)
    record = scene.crop()
    manifest = scene.manifest(record)
    assert manifest.schema.names[: len(CROPS.names)] == CROPS.names
    assert all(name.startswith("measure/") for name in manifest.schema.names[len(CROPS.names) :])
    rows = by_id(manifest)
    for number in range(6):
        row = rows[f"good{number}"]
        assert row["decision"] == "kept"
        assert row["label"] == "a"
        data = Blobs(scene.store).get(row["crop_sha256"])
        crop = Image.open(io.BytesIO(data))
        assert (crop.format, crop.size, crop.mode) == ("JPEG", (16, 16), "RGB")
        left = number // 2
        box = (row["box_x0"], row["box_y0"], row["box_x1"], row["box_y1"])
        assert box == (2 + left, 0, 38 + left, 36)
        source = blotches(40 + number, 36, seed=number).crop(box)
        assert correlation(np.asarray(crop), np.asarray(source)) > 0.97


def test_the_measures_are_those_of_the_crop(scene):
    scene.add("only", encoded(blotches(40, 40)))
    scene.scrape()
    row = by_id(scene.manifest(scene.crop(codec="png")))["only"]
    crop = np.asarray(Image.open(io.BytesIO(Blobs(scene.store).get(row["crop_sha256"]))))
    assert row["phash"] == phash(crop)
    assert row["sharpness"] == measures(crop)["sharpness"] > 0


def test_rejections_are_counted_and_kept_with_what_was_measured(scene):
    fill(scene)
    record = scene.crop()
    rows = by_id(scene.manifest(record))
    assert (rows["small"]["reason"], rows["small"]["measured"], rows["small"]["limit"]) == (
        "too_small",
        19.0,
        20.0,
    )
    assert (rows["long"]["reason"], rows["long"]["measured"], rows["long"]["limit"]) == (
        "too_elongated",
        2.0,
        1.6,
    )
    assert rows["long"]["crop_sha256"] is None
    assert (rows["long"]["box_x0"], rows["long"]["box_x1"]) == (20, 60)
    assert rows["long"]["measure/aspect"] == 2.0
    assert rows["long"]["measure/sharpness"] is None
    assert record.summary.num_in == 8
    assert record.summary.num_out == 6
    assert record.summary.rejections == {"too_small": 1, "too_elongated": 1}


def test_an_undecodable_picture_is_rejected_with_the_decoders_words(scene):
    fill(scene)
    broken = encoded(blotches(50, 50, seed=7), "JPEG")
    scene.add("broken", broken[: len(broken) // 2], width=50, height=50)
    scene.add("other", encoded(blotches(50, 50)), width=50, height=45)
    scene.scrape()
    rows = by_id(scene.manifest(scene.crop()))
    assert rows["broken"]["decision"] == "rejected"
    assert rows["broken"]["reason"] == "truncated"
    assert "Truncated" in rows["broken"]["detail"]
    assert rows["other"]["reason"] == "size_changed"


def test_rows_rejected_by_the_scrape_are_no_rows_here(scene):
    fill(scene)
    scene.add("page", b"<html>", width=50, height=50, decision="rejected", reason="not_an_image")
    scene.scrape()
    assert "page" not in by_id(scene.manifest(scene.crop()))


def test_a_changed_threshold_renders_nothing_again(scene, rendered):
    fill(scene)
    first = scene.crop()
    parts = scene.ledger_parts()
    assert len(rendered) == 6
    stricter = scene.crop(min_side_px=36, max_aspect=1.2)
    assert stricter.summary.num_out == 4
    assert scene.crop(min_side_px=36, max_aspect=1.6).data_version == first.data_version
    assert len(rendered) == 6
    assert scene.ledger_parts() == parts


def test_a_looser_threshold_renders_only_what_is_new(scene, rendered):
    fill(scene)
    scene.crop()
    assert scene.crop(min_side_px=19, max_aspect=4.0).summary.num_out == 8
    assert len(rendered) == 8


def test_another_kind_with_the_same_window_renders_nothing_again(scene, rendered):
    fill(scene)
    scene.crop()
    del scene.filter["min_side_px"]
    scene.crop(kind="whole")
    # Of `whole`'s pictures the small one is new: 19 px are enough for a crop of 16.
    assert len(rendered) == 6
    assert scene.crop(max_aspect=3.0).summary.num_out == 8
    assert len(rendered) == 8


def test_another_size_renders_everything_again(scene, rendered):
    fill(scene)
    scene.crop()
    scene.crop(size_px=17)
    assert len(rendered) == 12


def test_only_new_pictures_are_rendered(scene, rendered):
    fill(scene)
    first = scene.crop()
    scene.add("new", encoded(blotches(60, 50, seed=50)))
    scene.scrape()
    second = scene.crop()
    assert len(rendered) == 7
    assert second.data_version != first.data_version


def test_identical_bytes_are_rendered_once_and_have_a_row_each(scene, rendered):
    data = encoded(blotches(40, 40))
    for name in ("b", "a", "c"):
        scene.add(name, data)
    scene.scrape()
    rows = scene.manifest(scene.crop()).to_pylist()
    assert len(rendered) == 1
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert len({row["crop_sha256"] for row in rows}) == 1


def test_the_order_of_the_scrape_does_not_matter(scene):
    fill(scene)
    first = scene.crop()
    scene.rows.reverse()
    scene.scrape()
    second = scene.crop()
    assert second.version == first.version
    assert scene.manifest(second).equals(scene.manifest(first))


def test_the_data_version_ignores_rejected_pictures_and_thresholds(scene):
    fill(scene)
    first = scene.crop()
    scene.add("tiny", encoded(blotches(9, 9)))
    scene.scrape()
    second = scene.crop(max_aspect=1.5)
    assert second.summary.rejections["too_small"] == 2
    assert second.data_version == first.data_version


@pytest.mark.parametrize("change", [{"label": "b"}, {"group": "g"}])
def test_the_data_version_sees_labels_and_groups(scene, change):
    fill(scene)
    first = scene.crop()
    scene.rows[0].update(change)
    scene.scrape()
    assert scene.crop().data_version != first.data_version


def test_the_sheets_are_pictures_of_at_most_200_kb(scene):
    fill(scene, num_pictures=60)
    record = scene.crop()
    for name in ("kept.jpg", "rejected.jpg"):
        sheet = scene.read(record, name)
        assert len(sheet) <= 200_000
        assert Image.open(io.BytesIO(sheet)).format == "JPEG"


def test_a_rare_reason_is_on_the_sheet_beside_a_frequent_one(scene, monkeypatch):
    scene.add("good", encoded(blotches(40, 40)))
    for number in range(80):
        scene.add(f"small{number}", encoded(blotches(9, 9, seed=number)))
    scene.add("zlong", encoded(blotches(80, 40)))
    scene.scrape()
    shown = {}

    def note(tiles, *, title):
        shown[title] = [tile.caption for tile in tiles]
        return b""

    monkeypatch.setattr(crops_module, "contact_sheet", note)
    scene.crop()
    captions = shown["48 of 81 rejected"]
    assert captions.count("too_elongated\n2 (limit 1.6)") == 1
    assert captions.count("too_small\n9 (limit 20)") == 47


def test_what_took_a_worker_down_is_not_decoded_for_the_sheet(scene, monkeypatch):
    fill(scene)
    bomb = encoded(blotches(50, 50, seed=77))
    scene.add("bomb", bomb)
    scene.scrape()
    settings = RenderSettings.of(scene.subject.spec.filter)
    sha256 = hashlib.sha256(bomb).hexdigest()
    key = Window(sha256, 50, 50, 0, 0, 50, 50).key
    row = {"key": key, "reason": "crashed_worker", "detail": "x"}
    home = f"subjects/{scene.name}/filtered_crops/ledger/{settings.digest}"
    Ledger(scene.store, home, RENDERS).append(pa.Table.from_pylist([row], schema=RENDERS))
    read = []
    get = Blobs.get
    monkeypatch.setattr(Blobs, "get", lambda self, sha: read.append(sha) or get(self, sha))
    record = scene.crop()
    assert record.summary.rejections["crashed_worker"] == 1
    assert sha256 not in read


def test_nothing_kept_is_an_error_that_says_what_to_change(scene):
    scene.add("small", encoded(blotches(15, 12)))
    scene.add("smaller", encoded(blotches(15, 10)))
    scene.add("long", encoded(blotches(80, 40)))
    scene.scrape()
    with pytest.raises(NothingKeptError) as caught:
        scene.crop()
    message = str(caught.value)
    assert "none of the 3 pictures of 'motley'" in message
    assert "2 too_small, 1 too_elongated" in message
    assert "too_small: 10 to 12, the limit is 20" in message
    assert "filter.min_side_px" in message
    assert "motley.yaml" in message


def test_an_empty_scrape_is_an_error_that_points_at_the_scrape(scene):
    scene.scrape()
    with pytest.raises(NothingKeptError, match="raw_scrape of 'motley' has kept no picture"):
        scene.crop()


def test_the_builder_uses_guarded_worker_processes(scene, monkeypatch):
    monkeypatch.undo()
    fill(scene, num_pictures=3)
    assert scene.crop().summary.num_out == 3
    assert len(scene.ledger_parts()) == 1


def test_a_hundred_thousand_known_pictures_cost_seconds(scene):
    num = 100_000
    keys = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(num)]
    columns = {
        "id": [f"photo {n:06d}" for n in range(num)],
        "sha256": keys,
        "num_bytes": [1000] * num,
        "width": [30 + n % 10 for n in range(num)],
        "height": [30] * num,
        "decision": ["kept"] * num,
    }
    empty = pa.nulls(num)
    raw = pa.table([columns.get(name, empty) for name in RAW.names], names=RAW.names).cast(RAW)
    crop = Blobs(scene.store).put(encoded(blotches(16, 16)))
    x0 = [n % 10 // 2 for n in range(num)]
    columns = {
        "key": [f"{key}:{x},0,{x + 30},30" for key, x in zip(keys, x0, strict=True)],
        "crop_sha256": [crop] * num,
        "phash": pa.array(np.arange(num, dtype=np.uint64)),
        "sharpness": [1.5] * num,
    }
    rows = [columns.get(name, empty) for name in RENDERS.names]
    settings = RenderSettings.of(scene.subject.spec.filter)
    home = f"subjects/{scene.name}/filtered_crops/ledger/{settings.digest}"
    ledger = Ledger(scene.store, home, RENDERS)
    ledger.append(pa.table(rows, names=RENDERS.names).cast(RENDERS))
    scene.scrape(raw)
    start = process_time()
    record = scene.crop(min_side_px=29)
    assert record.summary.num_out == num
    # About 1.5 s of one core.
    assert process_time() - start < 8
