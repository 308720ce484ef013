"""A rescrape that adds few pictures searches for the pairs of these only."""

from wunderkammer.dedupe import remembered
from wunderkammer.dedupe.search import pairs_within


def test_only_the_hashes_of_new_crops_are_searched_for(workshop, some_crops, monkeypatch):
    searched = []

    def counting(hashes, *, max_distance, num_known):
        searched.append((max_distance, len(hashes) - num_known))
        return pairs_within(hashes, max_distance=max_distance, num_known=num_known)

    monkeypatch.setattr(remembered, "pairs_within", counting)
    crops = some_crops(6)
    distinct = len({crop["phash"] for crop in crops[:5]})
    workshop.put(crops[:5])
    workshop.build()
    workshop.put(crops)
    workshop.build()
    workshop.build(seed=4)
    # Duplicates, and kin, which may lie further apart.
    near, kin = searched[0][0], searched[1][0]
    assert near < kin
    assert searched == [(bits, new) for new in (distinct, 1, 0) for bits in (near, kin)]
