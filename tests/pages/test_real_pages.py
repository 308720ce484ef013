"""Scans and PDFs of other people's making."""

import numpy as np
import pypdfium2
import pytest
from page_samples import upright
from PIL import Image

from wunderkammer.pages.params import PageRegionParams
from wunderkammer.pages.regions import page_regions
from wunderkammer.pages.settings import PageSettings

SETTINGS = PageSettings.of(PageRegionParams())


def drawn(path, number=0):
    document = pypdfium2.PdfDocument(path)
    page = document[number]
    image = page.render(scale=1.5, rev_byteorder=True).to_numpy()[:, :, :3].copy()
    page.close()
    document.close()
    return image


@pytest.mark.parametrize(
    ("name", "expected_deg"),
    [("linn", 0.0), ("skew", 1.8), ("rotated_skew", -2.7), ("c02-22", -0.7), ("blank", 0.0)],
)
def test_scans_are_righted(real_data, name, expected_deg):
    image = drawn(real_data("pages") / "ocrmypdf" / f"{name}.pdf")
    (region,) = page_regions(image, SETTINGS)
    assert region.angle_deg == pytest.approx(expected_deg, abs=0.2)
    (again,) = page_regions(upright(image, region), SETTINGS)
    assert again.angle_deg == 0


def test_what_lies_on_its_side_is_seen(real_data):
    path = real_data("pages") / "ocrmypdf" / "cardinal.pdf"
    ratios = [page_regions(drawn(path, n), SETTINGS)[0].measures["sideways"] for n in range(4)]
    assert [ratio > 1 for ratio in ratios] == [False, True, False, True]


def test_blank_pages_are_told_from_sparse_ones(real_data):
    folder = real_data("pages") / "ocrmypdf"
    limit = PageRegionParams().min_ink
    for name, is_blank in (("blank", True), ("meta", True), ("trivial", True), ("toc", False)):
        (region,) = page_regions(drawn(folder / f"{name}.pdf"), SETTINGS)
        assert (region.measures["ink_share"] < limit) == is_blank


def test_photographs_are_neither_turned_nor_parted(real_data):
    paths = sorted(real_data("exif").rglob("*.jpg"))[:4]
    for path in paths:
        image = Image.open(path).convert("RGB")
        image.thumbnail((900, 900))
        (region,) = page_regions(np.asarray(image), SETTINGS)
        assert region.angle_deg == 0
