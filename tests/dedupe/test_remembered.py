"""What was searched for before is not searched again, and the answer is that of a whole search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.dedupe import remembered
from wunderkammer.dedupe.remembered import remembered_pairs
from wunderkammer.dedupe.search import pairs_within
from wunderkammer.storage.store import Store

PREFIX = "subjects/cat/deduped_shards/ledger/pairs"


def crowd(num, seed=0):
    """Distinct hashes of which many are near one of a few others."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, num, dtype=np.uint64)
    centres = hashes[rng.integers(0, 5, num)]
    flips = np.uint64(1) << rng.integers(0, 64, (3, num), dtype=np.uint64)
    hashes[num // 2 :] = (centres ^ flips[0] ^ flips[1] ^ flips[2])[num // 2 :]
    return rng.permutation(np.unique(hashes))


def same(hashes, max_distance, store):
    found = remembered_pairs(hashes, max_distance=max_distance, store=store, prefix=PREFIX)
    whole = pairs_within(hashes, max_distance=max_distance)
    assert np.array_equal(found.indices, whole.indices)
    assert np.array_equal(found.distances, whole.distances)
    return len(whole.distances)


@given(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=5), st.data())
@settings(max_examples=20)
def test_whatever_comes_and_goes_it_finds_what_a_whole_search_finds(spans, data):
    store, hashes = Store("memory:///"), crowd(200)
    for start, end in spans:
        some = hashes[min(start, end) : max(start, end)]
        same(some, data.draw(st.sampled_from([0, 6, 10])), store)


def test_only_what_is_new_is_searched_for(monkeypatch):
    store, hashes = Store("memory:///"), crowd(2000)
    asked = []

    def counted(hashes, *, max_distance, num_known):
        asked.append(len(hashes) - num_known)
        return pairs_within(hashes, max_distance=max_distance, num_known=num_known)

    monkeypatch.setattr(remembered, "pairs_within", counted)
    assert same(hashes[20:], 8, store) > 1000
    same(hashes, 8, store)
    same(hashes, 8, store)
    assert asked == [len(hashes) - 20, 20, 0]
    assert len(list(store.keys(PREFIX))) == 1


def test_of_what_a_kill_or_a_power_cut_left_the_best_counts(caplog):
    store, hashes = Store("memory:///"), crowd(300)
    same(hashes[:100], 8, store)
    (key,) = store.keys(PREFIX)
    old = store.read(key)
    same(hashes, 8, store)
    store.write(key, old)
    store.write(f"{PREFIX}/08/cut.parquet", b"PAR1")
    same(hashes, 8, store)
    assert "cut.parquet is damaged" in caplog.text


def test_hashes_that_are_not_distinct_are_refused():
    twice = np.array([3, 4, 3], np.uint64)
    with pytest.raises(ValueError, match="a hash occurs twice"):
        remembered_pairs(twice, max_distance=3, store=Store("memory:///"), prefix=PREFIX)
