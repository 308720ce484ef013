"""The training benchmark compares like with like, and reports what it measured."""

import os
from pathlib import Path

import pytest
import torch

from benchmarks.side_by_side import referee
from benchmarks.side_by_side.check import fingerprint
from benchmarks.side_by_side.ours import Ours
from benchmarks.side_by_side.peak import BITS_16, BITS_32, floor_s_per_kimg
from benchmarks.side_by_side.referee import Comparison, Timing, compare
from benchmarks.side_by_side.reference import Reference, Sampling
from benchmarks.side_by_side.setting import Setting
from benchmarks.side_by_side.standin import StandIn
from benchmarks.side_by_side.table import tables
from benchmarks.side_by_side.worker import run_round

SMALL = Setting(
    "tiny", 16, "cpu", batch=8, threads=1, more={"path_length_weight": 2.0, "style_mixing": 0.9}
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights_of(contestant):
    return [
        {name: value.detach().clone() for name, value in network.named_parameters()}
        for network in (contestant.generator, contestant.discriminator)
    ]


@pytest.fixture
def ours():
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory
    yield Ours(SMALL)
    torch.use_deterministic_algorithms(was_deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fills


@pytest.fixture
def timings():
    parts = {"G main": 2.0, "G reg": 4.0, "D main": 3.0, "D reg": 16.0, "rest": 1.0}
    halves = {name: s / 2 for name, s in parts.items()}
    return (
        Timing("stand-in", "slow", 200.0, parts, parts),
        Timing("ours", "fast", 100.0, halves, halves),
    )


def test_the_stand_in_computes_the_losses_and_gradients_of_our_networks(ours):
    stand_in = StandIn(SMALL)
    stand_in.load(*weights_of(ours))
    assert fingerprint(stand_in, SMALL) == pytest.approx(fingerprint(ours, SMALL), rel=1e-4)


def test_the_reference_computes_the_losses_and_gradients_of_our_networks(ours):
    checkout = os.environ.get("WUNDERKAMMER_REFERENCE")
    if checkout is None:
        pytest.skip("WUNDERKAMMER_REFERENCE names no checkout of NVlabs/stylegan2-ada-pytorch")
    reference = Reference(SMALL, Path(checkout))
    reference.load(*weights_of(ours))
    assert fingerprint(reference, SMALL) == pytest.approx(fingerprint(ours, SMALL), rel=1e-4)
    assert set(run_round(reference, SMALL, 1)) == set(SMALL.intervals)


@pytest.mark.parametrize("kind", ["ours", "stand-in"])
def test_a_round_times_every_part_and_moves_every_network(kind, ours):
    contestant = ours if kind == "ours" else StandIn(SMALL)
    before = weights_of(contestant)
    seconds = run_round(contestant, SMALL, 5)
    assert {part: len(times) for part, times in seconds.items()} == {
        "G main": 5,
        "G reg": 2,
        "D main": 5,
        "D reg": 1,
        "rest": 5,
    }
    for old, new in zip(before, weights_of(contestant), strict=True):
        assert any(not torch.equal(old[name], new[name]) for name in old)


def test_sampling_for_the_reference_has_the_derivatives_of_grid_sample():
    random = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 5, 5, generator=random, dtype=torch.float64, requires_grad=True)
    points = torch.rand(2, 4, 4, 2, generator=random, dtype=torch.float64) * 2.4 - 1.2
    expected = torch.nn.functional.grid_sample(images, points, align_corners=False)
    assert torch.equal(Sampling.apply(images, points), expected)
    assert torch.autograd.gradcheck(lambda x: Sampling.apply(x, points), [images])
    assert torch.autograd.gradgradcheck(lambda x: Sampling.apply(x, points).square(), [images])


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no training/networks\.py"):
        Reference(SMALL, tmp_path)


def test_a_contestant_that_computes_something_else_is_refused():
    class Seat:
        def __init__(self, name, value):
            self.name = name
            self.value = value

        def ask(self, question, argument=None):
            return {"G main loss": self.value}

    referee._check_alike([Seat("ours", 1.0), Seat("stand-in", 1.0005)], Path(), tolerance=1e-3)
    with pytest.raises(ValueError, match="stand-in is no fair comparison"):
        referee._check_alike([Seat("ours", 1.0), Seat("stand-in", 1.002)], Path(), tolerance=1e-3)


def test_a_phase_counts_as_often_as_it_is_due(timings):
    # 2 + 4 / 4 + 3 + 16 / 16 + 1 seconds for 8 images
    assert SMALL.s_per_kimg(timings[0].wall_s) == pytest.approx(1000)
    assert SMALL.s_per_kimg(timings[1].wall_s) == pytest.approx(500)


@pytest.mark.parametrize(
    ("preset", "resolution_px", "s_per_kimg"),
    [("stylegan2", 1024, 3.06), ("auto", 256, 0.54), ("auto", 128, 0.39), ("auto", 64, 0.26)],
)
def test_the_floor_of_a_gpu_counts_the_highest_resolutions_at_the_faster_rate(
    preset, resolution_px, s_per_kimg
):
    setting = Setting(preset, resolution_px, "cuda")
    floor = floor_s_per_kimg(setting, {BITS_16: 790e12, BITS_32: 395e12})
    assert floor == pytest.approx(s_per_kimg, rel=0.02)


def test_the_table_tells_the_pace_of_each_and_the_ratios(timings):
    lines = tables(Comparison(SMALL, timings, {BITS_32: 1e12})).splitlines()
    assert any(line.startswith("| stand-in | 1000 | 1000 | 1 | 200 |") for line in lines)
    assert any(line.startswith("| ours | 500 | 500 | 2 | 100 |") for line in lines)
    assert any(line.endswith("| 2.00 |") for line in lines)


def test_contestants_take_turns_in_processes_of_their_own():
    said = []
    result = compare(
        SMALL,
        ["stand-in", "ours"],
        checkout=None,
        num_rounds=1,
        num_steps=1,
        say=said.append,
    )
    assert [timing.name for timing in result.timings] == ["stand-in", "ours"]
    assert all(min(t.wall_s.values()) > 0 and t.memory_mb > 100 for t in result.timings)
    assert result.rates[BITS_32] > 1e8
    assert said[-1].endswith("same weights give the same losses and gradients in all")
