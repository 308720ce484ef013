import io

import numpy as np
import pytest
from image_samples import encoded
from onnx import helper
from PIL import Image
from segmenter_samples import bright_segmenter, lit_square, saved

from wunderkammer.crops.render import RenderSettings, measures
from wunderkammer.dedupe.phash import phash
from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.params import MaskParams
from wunderkammer.mask.run import MASKS, mask_ledgered
from wunderkammer.mask.segmenter import Segmenter
from wunderkammer.mask.settings import MaskSettings
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import Workers

BOXES = [(16, 20, 48, 56), (0, 0, 32, 64), (10, 10, 12, 12)]
PNG = RenderSettings(size_px=64, background=(255, 255, 255), codec="png", quality=95)


@pytest.fixture
def in_this_process(monkeypatch):
    """Items that are computed, in the test's own process."""
    computed = []

    def here(fn, items, *, workers):
        for item in items:
            computed.append(item[0])
            yield [(item, fn(item))]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", here)
    return computed


class Bench:
    def __init__(self, root):
        self.store = Store(str(root / "data"))
        self.blobs = Blobs(self.store)
        self.path = bright_segmenter(root / "bright.onnx")
        self.crops = [self.blobs.put(crop_file(box)) for box in BOXES]

    def settings(self, **changes):
        params = MaskParams(model="bright.onnx", **{"preset": "plain", **changes})
        return MaskSettings.of(params, path=self.path)

    def mask(self, *, crops=None, render=PNG, workers=None, **changes):
        return mask_ledgered(
            self.store,
            "masks",
            self.crops if crops is None else crops,
            self.settings(**changes),
            render=render,
            **({"workers": workers} if workers else {}),
        )

    def image(self, sha256):
        return np.asarray(Image.open(io.BytesIO(self.blobs.get(sha256))))


def crop_file(box):
    return encoded(Image.fromarray(lit_square(box=box)))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_each_crop_gets_its_mask_and_its_masked_twin(bench, in_this_process):
    table = bench.mask(colour=(0, 0, 255))
    assert table.schema == MASKS
    assert table["key"].to_pylist() == bench.crops
    for row, (x0, y0, x1, y1) in zip(table.to_pylist(), BOXES, strict=True):
        expected_HW = np.zeros((64, 64), np.uint8)
        expected_HW[y0:y1, x0:x1] = 255
        np.testing.assert_array_equal(bench.image(row["mask_sha256"]), expected_HW)
        masked = bench.image(row["masked_sha256"])
        assert (masked[expected_HW == 0] == (0, 0, 255)).all()
        assert (masked[expected_HW > 0] == (240, 230, 250)).all()
        assert row["mask_area"] == pytest.approx((x1 - x0) * (y1 - y0) / 64**2)
        assert row["mask_peak"] == 1
        assert row["phash"] == phash(masked)
        assert row["sharpness"] == measures(masked)["sharpness"]
        assert row["reason"] is None


def test_a_changed_area_bound_computes_nothing_and_a_new_crop_only_itself(bench, in_this_process):
    first = bench.mask()
    assert len(in_this_process) == 3
    assert bench.mask(min_area=0.4, max_area=0.41).equals(first)
    assert len(in_this_process) == 3
    new = bench.blobs.put(crop_file((1, 2, 30, 40)))
    table = bench.mask(crops=[new, *bench.crops])
    assert in_this_process[3:] == [new]
    assert table["key"].to_pylist() == [new, *bench.crops]
    bench.mask(fill="mean")
    assert len(in_this_process) == 7


def test_without_a_fill_the_crop_stays_and_the_mask_is_kept(bench, in_this_process):
    table = bench.mask(fill="none")
    assert table["masked_sha256"].to_pylist() == bench.crops
    assert bench.image(table["mask_sha256"][0].as_py()).max() == 255
    assert table["phash"][0].as_py() == phash(lit_square())


@pytest.mark.parametrize("column", ["masked_sha256", "mask_sha256"])
def test_a_masked_crop_or_a_mask_that_is_gone_is_made_again(bench, in_this_process, column):
    table = bench.mask()
    bench.store.delete(Blobs.key(table[column][1].as_py()))
    assert bench.mask().equals(table)
    assert in_this_process[3:] == [bench.crops[1]]


def test_a_crop_that_is_no_picture_is_a_row_with_a_reason(bench, in_this_process):
    broken = bench.blobs.put(b"\xff\xd8 broken")
    rows = bench.mask(crops=[broken, bench.crops[0]]).to_pylist()
    assert [row["reason"] for row in rows] == ["damaged", None]
    assert rows[0]["masked_sha256"] is None
    assert "begin with" in rows[0]["detail"]


def test_crops_are_written_in_the_codec_and_quality_that_is_asked_for(bench, in_this_process):
    sizes = []
    for quality in (40, 95):
        render = RenderSettings(64, (255, 255, 255), "jpeg", quality)
        row = bench.mask(render=render).to_pylist()[0]
        content = bench.blobs.get(row["masked_sha256"])
        assert Image.open(io.BytesIO(content)).format == "JPEG"
        sizes.append(len(content))
    assert sizes[0] < sizes[1]


def test_a_model_that_fails_ends_the_run(bench, in_this_process):
    nodes = [helper.make_node("Identity", ["picture"], ["mask"])]
    bench.path = saved(bench.path.with_name("classes.onnx"), nodes)
    with pytest.raises(SegmenterFileError, match="allowed: one mask"):
        bench.mask()


def test_a_run_opens_the_model_once(bench, in_this_process, monkeypatch):
    opened = []

    class Counted(Segmenter):
        def __init__(self, settings):
            opened.append(settings)
            super().__init__(settings)

    monkeypatch.setattr("wunderkammer.mask.run.Segmenter", Counted)
    bench.mask(threshold=0.125)
    assert len(opened) == 1


def test_worker_processes_mask_as_well(bench):
    table = bench.mask(workers=Workers(num_workers=1, batch_size=2, item_timeout_s=60.0))
    assert table["reason"].to_pylist() == [None] * 3
    assert table["mask_area"].to_pylist() == pytest.approx([0.28125, 0.5, 4 / 4096])


def test_a_model_that_hangs_costs_the_crop_and_not_the_run(bench):
    # A loop of 2^62 turns, as a hostile file may hold.
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", 7, []),
            helper.make_tensor_value_info("go", 9, []),
            helper.make_tensor_value_info("value", 1, [1, 3, 64, 64]),
        ],
        [
            helper.make_tensor_value_info("go_on", 9, []),
            helper.make_tensor_value_info("next", 1, [1, 3, 64, 64]),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "yes", "picture"], ["looped"], body=body),
        helper.make_node("ReduceMean", ["looped"], ["mask"], axes=[1], keepdims=1),
    ]
    constants = {"turns": np.int64(2**62), "yes": np.bool_(True)}
    bench.path = saved(bench.path.with_name("endless.onnx"), nodes, constants=constants)
    workers = Workers(num_workers=1, batch_size=1, item_timeout_s=1.5)
    table = bench.mask(crops=bench.crops[:1], workers=workers)
    assert table["reason"].to_pylist() == ["timed_out"]
