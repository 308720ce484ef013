"""Crops of pages: where the page lies is looked for once, what counts is decided at every run."""

import io

import numpy as np
import pytest
from image_samples import encoded
from PIL import Image, ImageDraw

from wunderkammer.crops import regions as regions_module
from wunderkammer.storage.blobs import Blobs


@pytest.fixture(autouse=True)
def work_in_this_process(monkeypatch):
    def here(fn, items, *, workers):
        for item in items:
            yield [(item, fn(item))]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", here)


def page(*, with_print: bool = True) -> Image.Image:
    """A page of 400 x 560 px on the dark bed of a scanner."""
    scan = Image.new("RGB", (480, 640), (20, 20, 20))
    draw = ImageDraw.Draw(scan)
    draw.rectangle((40, 40, 439, 599), fill=(245, 242, 235))
    if with_print:
        for line in range(90, 540, 18):
            for start in range(80, 380, 60):
                draw.rectangle((start, line, start + 44, line + 6), fill=(30, 30, 30))
    return scan


@pytest.fixture
def pages(scene):
    scene.filter = {"kind": "page", "size_px": 64}
    scene.add("print", encoded(page(), "PNG"))
    scene.add("blank", encoded(page(with_print=False), "PNG"))
    scene.scrape()
    return scene


def test_a_page_is_padded_to_a_square_and_a_blank_one_left_out(pages):
    record = pages.crop()
    rows = {row["id"]: row for row in pages.manifest(record).to_pylist()}
    assert record.summary.rejections == {"blank_page": 1}
    row = rows["print"]
    assert row["box_x1"] - row["box_x0"] == row["box_y1"] - row["box_y0"]
    assert row["measure/ink_share"] > rows["blank"]["measure/ink_share"]
    crop = np.asarray(Image.open(io.BytesIO(Blobs(pages.store).get(row["crop_sha256"]))))
    assert crop.shape == (64, 64, 3)
    # Beside the page there is background, not the scanner's bed.
    assert crop[:, :3].min() > 200
    assert crop[:, -3:].min() > 200


def test_another_cut_looks_at_no_page_again(pages, monkeypatch):
    pages.crop()

    def looking(*_):
        raise AssertionError("a page was looked at again")

    monkeypatch.setattr(regions_module.Finder, "__call__", looking)
    record = pages.crop(skip_blank=False)
    assert record.summary.num_out == 2


def test_what_can_not_be_decoded_is_rejected_with_the_reason(pages):
    pages.add("cut", encoded(page(), "PNG")[:400], width=480, height=640)
    pages.scrape()
    record = pages.crop()
    assert record.summary.rejections == {"blank_page": 1, "truncated": 1}
