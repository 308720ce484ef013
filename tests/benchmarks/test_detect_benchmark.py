"""The benchmark of detection compares boxes of the same pictures, and says what each way costs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from image_samples import encoded
from PIL import Image

from benchmarks import detect
from benchmarks.detection import contest, task
from benchmarks.detection.agreement import agreement
from benchmarks.detection.contest import OURS, PLAIN, Round, compete
from benchmarks.detection.report import compared, cost_s, section
from benchmarks.detection.shapes import untrained
from wunderkammer.detect.detector_file import write_detector

# Two layers and a head: it finds nothing, but it runs.
ARCHITECTURE = {
    "nc": 2,
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [8, 3, 2]]],
    "head": [[[0, 1], 1, "Detect", ["nc"]]],
}
NUM_FEW, NUM_MANY = 1, 3


@pytest.fixture
def laid_out(tmp_path):
    """A tiny task, and the command line that asks for it."""
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(write_detector(untrained(ARCHITECTURE)))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for number in range(NUM_FEW + NUM_MANY):
        picture = Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
        (pictures / f"{number}.jpg").write_bytes(encoded(picture, "JPEG"))
    words = ["--weights", weights, "--pictures", pictures, "--size", 64, "--rounds", 1]
    words += ["--few", NUM_FEW, "--many", NUM_MANY]
    options = detect.parse([str(word) for word in words])
    return task.lay_out(options, tmp_path / "task-of-all"), options


def boxes(*rows):
    return {"a": np.array(rows, float).reshape(-1, 6)}


def taking(many_s, found):
    return Round(few_s=(1.0, 1.0), many_s=(1.0 + many_s, 1.0 + many_s), boxes=found)


def test_all_ways_look_at_the_same_pictures(laid_out, monkeypatch):
    tiny, options = laid_out
    # A process each would take longer than all else; test_workers has the guarded ones.
    monkeypatch.setattr(contest, "run_round", lambda n, t, num_few: contest._round(n, t, num_few))
    monkeypatch.setattr(
        "wunderkammer.detect.runner.guarded_map",
        lambda fn, items, *, workers: ([(item, fn(item))] for item in items),
    )
    before = torch.get_num_threads()
    try:
        rounds = compete(tiny, num_rounds=1, num_few=NUM_FEW)
    finally:
        torch.set_num_threads(before)
    assert set(rounds) == {PLAIN, *OURS}
    for done in rounds.values():
        assert set(done[0].boxes) == set(list(tiny.sizes)[NUM_FEW:])
        assert all(rows.shape[1:] == (6,) for rows in done[0].boxes.values())
    assert "Detection on 1 thread" in section(rounds, options, command="c")


def test_a_picture_costs_what_many_take_beyond_few():
    rounds = [taking(s, boxes()) for s in (4.0, 8.0, 80.0)]
    assert cost_s(rounds, 2, 6) == (2.0, 2.0)


def test_the_table_gives_how_much_cheaper_and_how_much_alike():
    found = boxes([0, 0, 10, 10, 0.9, 1], [20, 20, 30, 30, 0.5, 0])
    other = boxes([0, 0, 10, 10, 0.8, 1], [20, 20, 30, 30, 0.5, 1])
    text = compared({PLAIN: [taking(8.0, found)], "ours": [taking(2.0, other)]}, 2, 6)
    plain, ours = (line.split(" | ") for line in text.split("\n")[2:])
    assert plain[3:] == ["1.00", "1.00", "2", "100.0%", "0.0%", "1.0000", "0.0000 |"]
    assert ours[1:8] == ["500.0", "500.0", "4.00", "4.00", "2", "50.0%", "50.0%"]


def test_boxes_of_nothing_agree_with_nothing():
    same = agreement(boxes(), boxes())
    assert (same.found, same.added, same.median_iou) == (1.0, 0.0, 1.0)
    assert agreement(boxes(), boxes([0, 0, 1, 1, 0.5, 0])).added == 1.0


def test_too_few_pictures_are_told(laid_out, tmp_path):
    _, options = laid_out
    options.many = 100
    with pytest.raises(SystemExit, match=r"has 4 \.jpg; 101 are needed"):
        task.lay_out(options, tmp_path / "more")


def test_pictures_are_drawn_where_none_are_given():
    assert len(set(task.drawn(2))) == 2


def test_what_workers_import_of_it_is_light():
    check = "import benchmarks.detect, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
