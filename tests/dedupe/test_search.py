import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.dedupe import search
from wunderkammer.dedupe.search import pairs_within

HASHES = st.integers(0, 2**64 - 1)


def brute_force(hashes: np.ndarray, max_distance: int) -> list[tuple[int, int, int]]:
    values = [int(value) for value in hashes]
    distances = (
        (i, j, (values[i] ^ values[j]).bit_count()) for i, j in combinations(range(len(values)), 2)
    )
    return [found for found in distances if found[2] <= max_distance]


def searched(hashes: np.ndarray, max_distance: int) -> list[tuple[int, int, int]]:
    pairs = pairs_within(hashes, max_distance=max_distance)
    return [
        (int(i), int(j), int(d)) for (i, j), d in zip(pairs.indices, pairs.distances, strict=True)
    ]


@st.composite
def crowded_hashes(draw: st.DrawFn) -> np.ndarray:
    """A few centres, copies of them, and neighbours whose flipped bits lie anywhere."""
    centres = draw(st.lists(HASHES, min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=18)
    members = draw(st.lists(st.tuples(st.sampled_from(centres), flips), max_size=40))
    values = [centre ^ sum({1 << bit for bit in bits}) for centre, bits in members]
    return np.array([*centres, *values], np.uint64)


@given(hashes=crowded_hashes(), max_distance=st.integers(0, 16))
@settings(max_examples=150, deadline=None)
def test_the_search_finds_what_brute_force_finds(hashes: np.ndarray, max_distance: int) -> None:
    assert searched(hashes, max_distance) == brute_force(hashes, max_distance)


@given(hashes=crowded_hashes(), max_distance=st.integers(0, 16), data=st.data())
@settings(max_examples=100, deadline=None)
def test_pairs_among_the_known_are_left_out_and_no_others(
    hashes: np.ndarray, max_distance: int, data: st.DataObject
) -> None:
    num_known = data.draw(st.integers(0, len(hashes)))
    pairs = pairs_within(hashes, max_distance=max_distance, num_known=num_known)
    found = [(i, j, d) for (i, j), d in zip(pairs.indices, pairs.distances, strict=True)]
    assert found == [f for f in brute_force(hashes, max_distance) if f[1] >= num_known]


@pytest.mark.parametrize("max_distance", range(17))
def test_no_spread_of_the_differing_bits_over_the_chunks_is_missed(max_distance: int) -> None:
    spreads = [
        (a, b, c, max_distance - a - b - c)
        for a in range(max_distance + 1)
        for b in range(max_distance + 1 - a)
        for c in range(max_distance + 1 - a - b)
    ]
    rng = np.random.default_rng(max_distance)
    hashes = [0x0123456789ABCDEF]
    for spread in spreads:
        bits = [16 * k + bit for k, n in enumerate(spread) for bit in rng.permutation(16)[:n]]
        hashes.append(hashes[0] ^ sum(1 << int(bit) for bit in bits))
    pairs = pairs_within(np.array(hashes, np.uint64), max_distance=max_distance)
    assert np.count_nonzero(pairs.indices[:, 0] == 0) == len(spreads)


@pytest.mark.parametrize("border", [15, 31, 47])
def test_neighbours_across_a_chunk_border_are_found(border: int) -> None:
    for width in range(1, 17):
        run = sum(1 << bit for bit in range(border - width // 2, border - width // 2 + width))
        hashes = np.array([0, run, 2**64 - 1, 2**64 - 1 ^ run], np.uint64)
        assert searched(hashes, width) == [(0, 1, width), (2, 3, width)]
        assert searched(hashes, width - 1) == []


@pytest.mark.parametrize("max_distance", [0, 6, 16, 33, 64])
def test_random_hashes_give_the_pairs_of_brute_force(max_distance: int) -> None:
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 2**64, 80, dtype=np.uint64)
    hashes[40:] = hashes[:40] ^ (np.uint64(1) << rng.integers(0, 64, 40, dtype=np.uint64))
    assert searched(hashes, max_distance) == brute_force(hashes, max_distance)


def test_a_hash_that_occurs_two_thousand_times_is_no_trouble() -> None:
    rng = np.random.default_rng(6)
    hashes = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    hashes[rng.permutation(20_000)[:2000]] = 77
    pairs = pairs_within(hashes, max_distance=6)
    assert len(pairs.distances) == 2000 * 1999 // 2
    assert not pairs.distances.any()
    assert np.all(pairs.indices[:, 0] < pairs.indices[:, 1])


@pytest.mark.parametrize("num_hashes", [0, 1])
def test_too_few_hashes_make_no_pairs(num_hashes: int) -> None:
    pairs = pairs_within(np.zeros(num_hashes, np.uint64), max_distance=16)
    assert pairs.indices.shape == (0, 2)
    assert pairs.indices.dtype == np.int64
    assert pairs.distances.shape == (0,)


def test_wrong_input_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="allowed: uint64"):
        pairs_within(np.zeros(3, np.int64), max_distance=1)
    with pytest.raises(ValueError, match="max_distance=65 is not allowed: 0 to 64"):
        pairs_within(np.zeros(3, np.uint64), max_distance=65)
    with pytest.raises(ValueError, match="num_known=4 is not allowed: 0 to 3"):
        pairs_within(np.zeros(3, np.uint64), max_distance=6, num_known=4)


def test_the_search_works_where_nothing_can_be_cached() -> None:
    code = """
import numpy as np
from numba.core.caching import CacheImpl
CacheImpl._locator_classes = []  # what a read-only install without a home folder amounts to
from wunderkammer.dedupe import search
from wunderkammer.dedupe.search import pairs_within
print(pairs_within(np.array([5, 4, 99], np.uint64), max_distance=1).indices.tolist())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.stdout == "[[0, 1]]\n", done.stderr


def test_importing_the_search_does_not_import_numba() -> None:
    code = "import sys, wunderkammer.dedupe.groups; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("num_known", [0, 50])
def test_more_pairs_than_there_is_room_for_are_found_in_turns(
    monkeypatch: pytest.MonkeyPatch, num_known: int
) -> None:
    monkeypatch.setattr(search, "SPARE_ROWS", 0)
    rng = np.random.default_rng(7)
    hashes = rng.integers(0, 2**64, 6, dtype=np.uint64)[rng.integers(0, 6, 60)]
    hashes ^= np.uint64(1) << rng.integers(0, 64, 60, dtype=np.uint64)
    pairs = pairs_within(hashes, max_distance=2, num_known=num_known)
    expected = [(i, j) for i, j, _ in brute_force(hashes, 2) if j >= num_known]
    assert pairs.indices.tolist() == [list(pair) for pair in expected]
    assert len(expected) > 60


def test_a_column_that_cannot_be_written_to_is_searched() -> None:
    hashes = np.array([5, 4, 1 << 60], np.uint64)
    hashes.setflags(write=False)
    assert searched(hashes, 1) == [(0, 1, 1)]
