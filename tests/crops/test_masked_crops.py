"""Crops whose background is painted over, in the stage."""

import io

import numpy as np
import pytest
from image_samples import encoded
from PIL import Image
from segmenter_samples import bright_segmenter

from wunderkammer.mask import run as mask_run
from wunderkammer.storage.blobs import Blobs


def scenery(box, shade):
    """A light rectangle on a dark green ground."""
    picture = Image.new("RGB", (64, 64), (10, 60, 10))
    picture.paste((shade, shade, shade), box)
    return encoded(picture, "PNG")


@pytest.fixture
def lit(scene, monkeypatch):
    def here(fn, items, *, workers):
        for item in items:
            yield [(item, fn(item))]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", here)
    bright_segmenter(scene.root / "bright.onnx")
    scene.filter = {
        "kind": "whole",
        "size_px": 64,
        "codec": "png",
        "mask": {"model": "bright.onnx", "preset": "plain", "colour": [200, 0, 0]},
    }
    scene.add("half", scenery((0, 0, 32, 64), 250))
    scene.add("dot", scenery((30, 30, 33, 33), 250))
    scene.scrape()
    return scene


def test_the_crop_that_goes_on_has_its_background_painted_over(lit):
    record = lit.crop()
    rows = {row["id"]: row for row in lit.manifest(record).to_pylist()}
    half = rows["half"]
    crop = np.asarray(Image.open(io.BytesIO(Blobs(lit.store).get(half["crop_sha256"]))))
    assert tuple(crop[32, 60]) == (200, 0, 0)
    assert crop[32, 5].min() > 230
    assert half["measure/mask_area"] == pytest.approx(0.5, abs=0.05)
    mask = np.asarray(Image.open(io.BytesIO(Blobs(lit.store).get(half["mask_sha256"]))))
    assert (mask[32, 5], mask[32, 60]) == (255, 0)


def test_a_mask_of_nothing_rejects_its_crop_and_another_bound_masks_nothing_again(lit, monkeypatch):
    record = lit.crop()
    assert record.summary.rejections == {"mask_too_small": 1}

    def again(*_):
        raise AssertionError("a crop was masked again")

    monkeypatch.setattr(mask_run._MaskCrop, "__call__", again)
    mask = {**lit.filter["mask"], "min_area": 0.0}
    assert lit.crop(mask=mask).summary.num_out == 2
