import hashlib
import logging

import numpy as np
import pyarrow as pa
import pytest
import torch
from detector_kit import encoded, scene
from PIL import Image
from poisoned_store import PoisonedStore

from wunderkammer.detect.boxes import iou
from wunderkammer.detect.network import RawDetector, build_network
from wunderkammer.detect.params import YoloParams
from wunderkammer.detect.runner import FOUND, DetectSettings, detect_ledgered
from wunderkammer.detect.torch_backend import TorchBackend
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.ledger import Ledger
from wunderkammer.storage.store import Store
from wunderkammer.workers import Casualty, Workers

log = logging.getLogger("test")


class Counting:
    """A backend that counts what it is given."""

    def __init__(self, detector):
        network = RawDetector(build_network(detector))
        self.inner = TorchBackend(network, device=torch.device("cpu"))
        self.facts, self.name = self.inner.facts, self.inner.name
        self.shapes = []

    def run(self, x_NHWC):
        self.shapes.append(x_NHWC.shape)
        return self.inner.run(x_NHWC)


class Gallery:
    """Pictures in a store, and a detector for them."""

    def __init__(self, folder, detector):
        self.store = Store(str(folder))
        self.backend = Counting(detector)
        self.num_starts = 0
        self.sizes = {}
        self.objects = {}

    def add(self, data, *, width, height, objects=()):
        sha256 = Blobs(self.store).put(data)
        self.sizes[sha256] = (width, height)
        self.objects[sha256] = objects
        return sha256

    def add_scene(self, seed, *, width=64, height=64, num_objects=1, codec="PNG", **options):
        rng = np.random.default_rng(seed)
        picture, objects = scene(rng, width=width, height=height, num_objects=num_objects)
        data = encoded(picture, codec, **options)
        return self.add(data, width=width, height=height, objects=objects)

    def _start(self):
        self.num_starts += 1
        return self.backend

    def find(self, *, batch_size=4, workers=None, **changes):
        params = YoloParams(kind="yolo", weights="any", image_size_px=64, **changes)
        settings = DetectSettings.of(params, weights_sha256="0" * 64)
        found = detect_ledgered(
            Ledger(self.store, f"ledger/{settings.digest}", FOUND),
            self.sizes,
            start=self._start,
            settings=settings,
            batch_size=batch_size,
            what="test",
            log=log,
            workers=workers or Workers(num_workers=1, batch_size=3),
        )
        assert found["key"].to_pylist() == list(self.sizes)
        return {row["key"]: row for row in found.to_pylist()}


@pytest.fixture
def gallery(tmp_path, detector):
    return Gallery(tmp_path, detector)


def assert_found(row, objects, *, least_iou=0.6):
    corners = np.array([row[name] for name in ("x0", "y0", "x1", "y1")]).T.reshape(-1, 4)
    for kind, *box in objects:
        overlap = iou(np.array(box, float), corners)
        assert overlap.max() > least_iou
        assert row["class_index"][overlap.argmax()] == kind


@pytest.mark.parametrize("size", [(64, 64), (64, 40), (48, 64), (256, 256), (320, 200)])
def test_objects_are_found_in_px_of_the_picture(gallery, decoded_here, size):
    keys = [gallery.add_scene(seed, width=size[0], height=size[1]) for seed in range(4)]
    rows = gallery.find()
    for key in keys:
        assert_found(rows[key], gallery.objects[key])


def test_a_large_jpeg_is_decoded_small_and_its_boxes_lie_in_the_whole_one(gallery, decoded_here):
    key = gallery.add_scene(5, width=1025, height=769, codec="JPEG", quality=92)
    assert_found(gallery.find()[key], gallery.objects[key])


def test_a_picture_that_was_stored_sideways_has_upright_boxes(gallery, decoded_here):
    picture, objects = scene(np.random.default_rng(2), width=96, height=64)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    data = encoded(np.rot90(picture).copy(), "JPEG", quality=95, exif=exif)
    key = gallery.add(data, width=96, height=64)
    assert_found(gallery.find()[key], objects)


def test_boxes_come_the_surest_first_within_the_picture(gallery, decoded_here):
    key = gallery.add_scene(3, num_objects=2)
    row = gallery.find(min_confidence=0.001)[key]
    assert len(row["confidence"]) > 2
    assert row["confidence"] == sorted(row["confidence"], reverse=True)
    assert min(row["x0"] + row["y0"]) >= 0
    assert max(row["x1"] + row["y1"]) <= 64


def test_what_is_known_is_not_looked_at_again_and_no_detector_is_made_ready(gallery, decoded_here):
    for seed in range(5):
        gallery.add_scene(seed)
    first = gallery.find()
    assert (gallery.num_starts, len(decoded_here)) == (1, 5)
    assert gallery.find() == first
    assert (gallery.num_starts, len(decoded_here)) == (1, 5)


def test_only_new_pictures_are_looked_at(gallery, decoded_here):
    first = gallery.add_scene(0)
    rows = gallery.find()
    new = gallery.add_scene(1)
    again = gallery.find()
    assert decoded_here == [first, new]
    assert again[first] == rows[first]


@pytest.mark.parametrize(
    "changes",
    [{"min_confidence": 0.3}, {"max_overlap": 0.5}, {"max_objects": 7}, {"precision": "float32"}],
)
def test_a_setting_that_changes_the_boxes_looks_again(gallery, decoded_here, changes):
    gallery.add_scene(0)
    gallery.find()
    gallery.find(**changes)
    assert len(decoded_here) == 2


@pytest.mark.parametrize(
    "changes", [{"classes": ("disc",)}, {"device": "cpu"}, {"backend": "torch"}, {"batch_size": 1}]
)
def test_a_setting_that_does_not_change_the_boxes_looks_at_nothing(gallery, decoded_here, changes):
    gallery.add_scene(0)
    gallery.find()
    batch_size = changes.pop("batch_size", 4)
    gallery.find(batch_size=batch_size, **changes)
    assert len(decoded_here) == 1


def test_other_weights_look_again():
    params = YoloParams(kind="yolo", weights="any")
    one, two = (DetectSettings.of(params, weights_sha256=c * 64).digest for c in "ab")
    assert one != two


def test_batches_are_of_pictures_with_one_frame(gallery, decoded_here):
    for seed in range(5):
        gallery.add_scene(seed, width=64, height=64)
    for seed in range(3):
        gallery.add_scene(seed, width=64, height=32)
    gallery.find(batch_size=2)
    assert sorted(gallery.backend.shapes) == [
        (1, 32, 64, 3),
        (1, 64, 64, 3),
        (2, 32, 64, 3),
        (2, 64, 64, 3),
        (2, 64, 64, 3),
    ]


def test_no_more_frames_wait_for_others_of_their_size_than_some_batches(
    gallery, decoded_here, monkeypatch
):
    monkeypatch.setattr("wunderkammer.detect.runner.MAX_WAITING_BATCHES", 1)
    for size in ((32, 64), (64, 32), (64, 64)):
        for seed in range(3):
            gallery.add_scene(seed, width=size[0], height=size[1])
    run, num_decoded = gallery.backend.run, []

    def spy(x_NHWC):
        num_decoded.append(len(decoded_here))
        return run(x_NHWC)

    monkeypatch.setattr(gallery.backend, "run", spy)
    gallery.find(batch_size=4, workers=Workers(num_workers=1, batch_size=1))
    # The first with the second frame of the second size: 3 + 2 are more than a batch of 4.
    assert num_decoded == [5, 8, 9]
    assert [shape[0] for shape in gallery.backend.shapes] == [3, 3, 3]


def test_the_size_of_batches_does_not_matter(gallery, decoded_here):
    for seed in range(5):
        gallery.add_scene(seed, num_objects=2)
    one = gallery.find(batch_size=1)
    for part in list(gallery.store.keys("ledger")):
        gallery.store.delete(part)
    assert gallery.find(batch_size=5) == one


def test_a_bad_picture_has_a_reason_and_no_boxes(gallery, decoded_here):
    good = gallery.add_scene(0)
    whole = encoded(scene(np.random.default_rng(1))[0], "JPEG")
    cut = gallery.add(whole[: len(whole) // 2], width=64, height=64)
    text = gallery.add(b"<html>", width=64, height=64)
    other = gallery.add(whole, width=80, height=64)
    rows = gallery.find()
    assert rows[good]["reason"] is None
    assert rows[cut]["reason"] == "truncated"
    assert rows[text]["reason"] == "not_an_image"
    assert rows[other]["reason"] == "size_changed"
    assert rows[other]["detail"] == "64 x 64 px, 80 x 64 when it was scraped"
    assert rows[cut]["x0"] is None
    assert rows[cut]["confidence"] is None


def test_a_picture_that_kills_its_worker_costs_only_itself(gallery):
    keys = [gallery.add_scene(seed) for seed in range(5)]
    gallery.store = PoisonedStore(gallery.store.location, keys[2])
    rows = gallery.find(workers=Workers(num_workers=2, batch_size=2))
    assert rows[keys[2]]["reason"] == "crashed_worker"
    assert rows[keys[2]]["detail"] == "while decoding a picture of 64 x 64 px"
    for key in set(keys) - {keys[2]}:
        assert_found(rows[key], gallery.objects[key])
    # Perhaps the machine was to blame: the next run tries again.
    gallery.store = Store(gallery.store.location)
    assert_found(gallery.find()[keys[2]], gallery.objects[keys[2]])


def test_a_hanging_picture_is_told_as_such(gallery, monkeypatch):
    key = gallery.add_scene(0)

    def hang(fn, pictures, *, workers):
        yield [(picture, Casualty("timed_out")) for picture in pictures]

    monkeypatch.setattr("wunderkammer.detect.runner.guarded_map", hang)
    assert gallery.find()[key]["reason"] == "timed_out"


def test_finished_rows_outlive_a_run_that_is_stopped(gallery, decoded_here, monkeypatch):
    monkeypatch.setattr("wunderkammer.detect.runner.PART_ROWS", 2)
    for seed in range(6):
        gallery.add_scene(seed)
    run, calls = gallery.backend.run, []

    def stop(x_NHWC):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(x_NHWC)

    monkeypatch.setattr(gallery.backend, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        gallery.find(batch_size=2)
    monkeypatch.setattr(gallery.backend, "run", run)
    decoded_here.clear()
    gallery.find(batch_size=2)
    assert len(decoded_here) == 2


def test_hundred_thousand_known_pictures_cost_seconds(gallery, decoded_here):
    num = 100_000
    keys = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(num)]
    params = YoloParams(kind="yolo", weights="any", image_size_px=64)
    settings = DetectSettings.of(params, weights_sha256="0" * 64)
    lists = pa.array([[1.0, 2.0]] * num)
    empty = pa.nulls(num)
    columns = {"key": keys, **dict.fromkeys(("x0", "y0", "x1", "y1", "confidence"), lists)}
    columns["class_index"] = pa.array([[0, 1]] * num)
    rows = pa.table([columns.get(name, empty) for name in FOUND.names], names=FOUND.names)
    Ledger(gallery.store, f"ledger/{settings.digest}", FOUND).append(rows.cast(FOUND))
    gallery.sizes = dict.fromkeys(keys, (64, 64))
    found = detect_ledgered(
        Ledger(gallery.store, f"ledger/{settings.digest}", FOUND),
        gallery.sizes,
        start=gallery._start,
        settings=settings,
        batch_size=1,
        what="test",
        log=log,
    )
    assert found.num_rows == num
    assert (gallery.num_starts, decoded_here) == (0, [])
