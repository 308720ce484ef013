"""The benchmark of segmentation compares what gives the same, and stops if it does not."""

from dataclasses import replace

import pytest

from benchmarks import segment


def test_both_ways_give_the_same():
    for picture in (segment.noise, segment.blobs):
        assert segment.checked(picture(160)) > 1


def test_another_result_stops_it(monkeypatch):
    found = segment.ours(segment.noise(160))
    monkeypatch.setattr(segment, "ours", lambda _: replace(found, level=found.level + 1))
    with pytest.raises(RuntimeError, match="scikit-image finds"):
        segment.checked(segment.noise(160))


def test_a_row_tells_the_pace_of_each_way_and_the_ratio():
    what, num_regions, *paces, ratio = segment.compared(segment.CLEAN, 256, num_rounds=1)
    assert what == "256 px, clean"
    assert int(num_regions) > 1
    assert len(paces) == 3
    assert all(float(pace) > 0 for pace in paces)
    assert float(ratio.split(" ")[0]) > 0
    assert "256 px, clean" in segment.section([[what, num_regions, *paces, ratio]], command="c")
