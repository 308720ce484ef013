"""The benchmark of the search for duplicates compares what finds the same, and stops otherwise."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import dedupe
from benchmarks.duplicates import contestant
from wunderkammer.dedupe.search import pairs_within


def test_the_hashes_have_neighbours_and_a_crowd():
    hashes = contestant.some_hashes(2000, copies=100)
    assert np.unique(hashes, return_counts=True)[1].max() >= 100
    apart = pairs_within(hashes, max_distance=12).distances
    assert np.count_nonzero(apart) > 20


def test_both_of_ours_find_the_same():
    hashes = np.unique(contestant.some_hashes(2000, copies=0))
    ours, remembered = (
        contestant.SEARCHES[name](hashes, 8, known)()
        for name, known in (("ours", 0), ("remembered", 1500))
    )
    assert len(ours)
    assert np.array_equal(ours, remembered)


def test_a_contestant_tells_its_cost_and_what_it_found():
    told = dedupe.raced({"ours": sys.executable}, dedupe.Contest(1000, 8), 1)["ours"]
    assert told.cpu_s >= 0
    assert told.num_pairs > 0
    assert "| 8 bits |" in dedupe.section(
        [["8 bits", *dedupe.figures(told)]], [], peers=[], command="c", versions="v"
    )


def test_other_pairs_stop_it(monkeypatch):
    facts = {"cpu_s": 1.0, "peak_mb": 1.0, "num_pairs": 1}
    told = iter([{**facts, "pairs": "a"}, {**facts, "pairs": "b"}])
    monkeypatch.setattr(dedupe, "searched", lambda *_: next(told))
    with pytest.raises(RuntimeError, match="one and other do not find the same pairs"):
        dedupe.raced({"one": "", "other": ""}, dedupe.Contest(9, 8), 1)


def test_a_peer_stands_beside_ours_with_the_ratio(monkeypatch):
    outcomes = {name: dedupe.Outcome(6.0, 1.0, 3) for name in dedupe.PEERS}
    outcomes["ours"] = dedupe.Outcome(0.5, 1.0, 3)
    monkeypatch.setattr(dedupe, "raced", lambda *_: outcomes)
    rows = dedupe.peer_rows(Path("python"), 1)
    assert rows[0] == ["faiss flat, 50,000 hashes, 8 bits", "6", "0.5", "12"]
