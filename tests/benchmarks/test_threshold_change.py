"""The benchmark of changed thresholds counts what was rendered, and refuses a loaded network."""

from dataclasses import replace

import pytest
from detected_scene import in_this_process

from benchmarks import threshold_change
from benchmarks.threshold_change import BEST_QUALITY, Step, lay_out, line, section, step

DONE = Step(num_kept=20, num_rendered=10, wall_s=2.0, cpu_s=1.5, libraries=())


def test_a_step_renders_the_crops_that_a_threshold_adds_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_map", in_this_process)
    monkeypatch.setattr(threshold_change, "SIDE", 32)
    lay_out(tmp_path, 8)
    counts = []
    for min_confidence in (0.5, 0.25, 0.75):
        done = step(tmp_path, min_confidence, quality=BEST_QUALITY)
        counts.append((done.num_kept, done.num_rendered))
    assert counts == [(4, 4), (6, 2), (2, 0)]


def test_the_line_parts_what_every_change_costs_from_what_a_crop_costs():
    steps = [replace(DONE, num_rendered=n, cpu_s=2 + 0.003 * n) for n in (10, 100, 1000)]
    assert line([*steps, replace(DONE, num_rendered=0)]) == pytest.approx((2.0, 0.003))


def test_the_section_has_medians_and_a_loaded_network_stops_it():
    more = replace(DONE, num_rendered=20, cpu_s=2.5)
    rounds = [{"1% more": replace(DONE, cpu_s=s), "10% more": more} for s in (1.0, 1.5, 9.0)]
    text = section(rounds, num_pictures=10_000, command="c")
    assert "| 1% more | 20 | 10 | 2.00 | 1.50 |" in text
    rounds[1] = {**rounds[1], "1% more": replace(DONE, libraries=("torch",))}
    with pytest.raises(RuntimeError, match="a network was loaded"):
        section(rounds, num_pictures=10_000, command="c")
