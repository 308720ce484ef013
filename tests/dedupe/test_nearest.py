import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wunderkammer.dedupe.embedded import near_units
from wunderkammer.dedupe.nearest import nearest_views


def slow(asked_Q, own_Q, views_NV, ids_N, max_distance, num_nearest):
    lists = []
    for value, own in zip(asked_Q, own_Q, strict=True):
        bits = np.bitwise_count(value ^ views_NV)
        near = sorted(
            (int(row.min()), int(name), int(row.argmin()))
            for row, name in zip(bits, ids_N, strict=True)
            if row.min() <= max_distance and name != own
        )
        lists.append(near[:num_nearest])
    return lists


@given(
    seed=st.integers(0, 2**32),
    num=st.integers(1, 30),
    num_views=st.integers(1, 4),
    num_asked=st.integers(0, 20),
    max_distance=st.integers(0, 16),
    num_nearest=st.integers(1, 5),
)
@settings(max_examples=50, deadline=None)
def test_the_lists_are_those_of_a_slow_search(
    seed, num, num_views, num_asked, max_distance, num_nearest
):
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 2, dtype=np.uint64)

    def crowded(count):
        noise = rng.integers(0, 2**64, (5, count), dtype=np.uint64)
        return centres[rng.integers(0, 2, count)] ^ np.bitwise_and.reduce(noise[rng.integers(5) :])

    views_NV = crowded(num * num_views).reshape(num, num_views)
    asked_Q, ids_N = crowded(num_asked), rng.permutation(60)[:num]
    own_Q = rng.choice(np.append(ids_N, 99), num_asked)
    near = nearest_views(
        asked_Q,
        own_Q=own_Q,
        views_NV=views_NV,
        ids_N=ids_N,
        max_distance=max_distance,
        num_nearest=num_nearest,
    )
    found = [
        [(d, p, v) for d, p, v in zip(*lists, strict=True) if p >= 0]
        for lists in zip(
            near.distance.tolist(), near.picture.tolist(), near.view.tolist(), strict=True
        )
    ]
    assert found == slow(asked_Q, own_Q, views_NV, ids_N, max_distance, num_nearest)


@pytest.mark.parametrize("num_new", [0, 1, 5, 12])
def test_near_vectors_are_found_in_blocks_as_in_one_product(monkeypatch, num_new):
    monkeypatch.setattr("wunderkammer.dedupe.embedded.BLOCK_BYTES", 4 * 12 * 2)
    vectors_NK = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    units_NK = vectors_NK / np.linalg.norm(vectors_NK, axis=1, keepdims=True)
    pairs, cosines = near_units(units_NK, num_new=num_new, min_cosine=0.5)
    every = [(i, j) for i in range(num_new) for j in range(i + 1, 12)]
    wanted = [(i, j) for i, j in every if units_NK[i] @ units_NK[j] >= 0.5]
    assert sorted(map(tuple, pairs.tolist())) == wanted
    assert cosines == pytest.approx([float(units_NK[i] @ units_NK[j]) for i, j in pairs])
