"""Crops of specimens: found by a threshold, once a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_samples import encoded
from PIL import Image, ImageDraw

from wunderkammer.crops.params import ThresholdParams
from wunderkammer.crops.threshold import place_specimen
from wunderkammer.crops.windows import Boxes


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
    box = [rows["shell"][f"box_{edge}"] for edge in ("x0", "y0", "x1", "y1")]
    assert box == pytest.approx([58, 28, 142, 112], abs=4)
    assert rows["shell"]["measure/area_share"] == pytest.approx(0.118, abs=0.01)


EDGES = st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(1, 40), st.integers(1, 40))


@given(EDGES, st.integers(0, 12), st.sampled_from(["square", "squash"]))
def test_a_window_holds_its_padded_specimen_as_far_as_the_picture_goes(edges, pad_px, fit):
    x0, y0, width, height = edges
    x1, y1 = min(x0 + width, 100), min(y0 + height, 100)
    one = np.array([100])
    boxes = Boxes(*(np.array([float(edge)]) for edge in (x0, y0, x1, y1)), one, one)
    params = ThresholdParams(kind="threshold", pad_px=pad_px, pad=0.0, fit=fit)
    window = place_specimen(boxes, np.zeros(1), params=params)
    assert window.x0[0] <= max(x0 - pad_px, 0)
    assert window.y0[0] <= max(y0 - pad_px, 0)
    assert window.x1[0] >= min(x1 + pad_px, 100)
    assert window.y1[0] >= min(y1 + pad_px, 100)
    if fit == "square":
        assert window.x1[0] - window.x0[0] == window.y1[0] - window.y0[0]
