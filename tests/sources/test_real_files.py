"""Scrapes of pictures that this project did not make; see `WUNDERKAMMER_REAL_DATA`."""

import json
import os
from pathlib import Path

import pytest
from scraping import Scraper

from wunderkammer.sources.item import printable

DATA = Path(
    os.environ.get("WUNDERKAMMER_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data"
)


def real_folder(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set WUNDERKAMMER_REAL_DATA to the real files")
    return folder


def test_of_odd_and_broken_files_exactly_the_decodable_are_kept(tmp_path):
    folder = real_folder("faults")
    # Real workers: a file that crashes or hangs a decoder must not end the run.
    scraper = Scraper(tmp_path)
    built = scraper(kind="folder", path=str(folder))
    rows = scraper.rows(built)
    expected = json.loads((folder / "pillow_expected.json").read_text())
    decisions = {
        name: "kept" if facts["status"] == "ok" else "rejected" for name, facts in expected.items()
    }
    assert {name: rows[printable(name)]["decision"] for name in decisions} == decisions
    rejected = [row for row in rows.values() if row["decision"] == "rejected"]
    assert all(row["reason"] for row in rejected)
    num_files = sum(path.is_file() for path in folder.rglob("*"))
    assert built.record.summary.num_in == len(rows) == num_files


@pytest.mark.parametrize(("name", "num_pictures"), [("exif", 18), ("pets", 132), ("fashion", 900)])
def test_of_good_pictures_none_is_lost(scraper, name, num_pictures):
    built = scraper(kind="folder", path=str(real_folder(name)))
    assert len(scraper.kept(built)) == num_pictures
    assert set(scraper.reasons(built).values()) <= {"not_an_image"}
