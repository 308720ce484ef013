import argparse

from benchmarks import export
from benchmarks.export import Cost
from wunderkammer.export.write import WRITERS


def test_an_export_and_the_reading_of_its_zip_are_measured(tmp_path):
    export.publish(tmp_path / "store", num=6, side_px=16)
    cost = export.export(tmp_path / "store", "nvlabs-zip")
    assert cost.seconds > 0
    assert cost.num_bytes > 6 * 16 * 16 * 3
    assert cost.memory_bytes > 2**20
    ours = tmp_path / "store" / "nvlabs-zip" / "photographs.zip"
    paces = export.compare_reading(ours, tmp_path / "theirs.zip", rounds=2)
    assert [len(done) for done in paces.values()] == [2, 2]
    assert (tmp_path / "theirs.zip").is_file()


def test_a_row_tells_pace_size_and_both_memories():
    costs = {kind: [Cost(1.0, 10, 2**20), Cost(2.0, 5_000_000, 3 * 2**20)] for kind in WRITERS}
    paces = {"ours": [1.0, 3000.0, 2000.0], "as Pillow stores it": [900.0]}
    options = argparse.Namespace(side=256)
    text = export.section(costs, paces, (200, 1000), options, "x")
    assert "| hdf5 | 500 | 5 | 1 | 3 |" in text
    assert "| ours | 2,000 |" in text
