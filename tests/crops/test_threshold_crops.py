"""Crops of specimens: found by a threshold, once a picture."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_samples import encoded
from PIL import Image, ImageDraw

from wunderkammer.crops.params import ThresholdParams
from wunderkammer.crops.threshold import place_specimen
from wunderkammer.crops.windows import Boxes
from wunderkammer.segment.params import METHOD_CODES


@pytest.fixture
def plates(scene, monkeypatch):
    def here(fn, items, *, workers):
        for item in items:
            yield [(item, fn(item))]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", here)
    scene.filter = {"kind": "threshold", "size_px": 32, "codec": "png"}
    plate = Image.new("RGB", (200, 160), (8, 8, 8))
    ImageDraw.Draw(plate).ellipse((60, 40, 139, 99), fill=(200, 190, 180))
    scene.add("shell", encoded(plate, "PNG"))
    scene.add("nothing", encoded(Image.new("RGB", (200, 160), (8, 8, 8)), "PNG"))
    scene.scrape()
    return scene


def test_the_specimen_is_framed_and_an_empty_plate_rejected(plates):
    record = plates.crop()
    rows = {row["id"]: row for row in plates.manifest(record).to_pylist()}
    assert rows["nothing"]["reason"] == "no_region"
    sheet = Image.open(io.BytesIO(plates.read(record, "rejected.jpg"))).convert("L")
    # The empty plate, not the grey of a tile without a picture.
    assert sheet.getpixel((8 + 64, 38 + 64)) < 30
    box = [rows["shell"][f"box_{edge}"] for edge in ("x0", "y0", "x1", "y1")]
    assert box == pytest.approx([58, 28, 142, 112], abs=4)
    assert rows["shell"]["measure/area_share"] == pytest.approx(0.118, abs=0.01)


EDGES = st.tuples(st.integers(5, 90), st.integers(9, 90), st.integers(1, 40), st.integers(1, 40))
# Of a frame of 100 x 100 px: strips at the left and at the top.
FIELD = {"x0": 5, "y0": 9, "x1": 100, "y1": 100}


def window_of(box, *, method="contrast", **fields):
    """The window of a specimen, as edges."""
    size = np.array([100])
    boxes = Boxes(*(np.array([float(edge)]) for edge in box), size, size)
    measures = {f"field_{edge}": np.array([float(at)]) for edge, at in FIELD.items()}
    measures["method"] = np.array([float(METHOD_CODES[method])])
    params = ThresholdParams(kind="threshold", **fields)
    found = place_specimen(boxes, np.zeros(1), measures, params=params)
    return tuple(int(edge[0]) for edge in (found.x0, found.y0, found.x1, found.y1))


@given(EDGES, st.integers(0, 12), st.sampled_from(["square", "squash"]))
def test_a_window_holds_its_padded_specimen_and_nothing_of_the_strips(edges, pad_px, fit):
    x0, y0, width, height = edges
    box = (x0, y0, min(x0 + width, 100), min(y0 + height, 100))
    window = window_of(box, pad_px=pad_px, pad=0.0, fit=fit)
    for low, high, first, last in ((0, 2, "x0", "x1"), (1, 3, "y0", "y1")):
        assert FIELD[first] <= window[low] <= max(box[low] - pad_px, FIELD[first])
        assert FIELD[last] >= window[high] >= min(box[high] + pad_px, FIELD[last])
    if fit == "square":
        assert window[2] - window[0] == window[3] - window[1]


def test_padding_gives_way_to_a_strip_that_a_specimen_touches():
    assert window_of((10, 9, 90, 100), pad_px=8, pad=0.1) == (5, 9, 96, 100)


def test_a_tile_is_shown_without_its_canvas():
    assert window_of((20, 20, 60, 60), method="tile", pad_px=8, pad=0.1) == (20, 20, 60, 60)
