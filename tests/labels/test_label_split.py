import hashlib

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wunderkammer.labels.split import SplitError, group_pictures, held_out_groups


def sha(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def groups(phashes, names=None, *, numbers=None, max_distance=4):
    numbers = range(len(phashes)) if numbers is None else numbers
    return group_pictures(
        [sha(number) for number in numbers],
        groups=names or [None] * len(phashes),
        phashes_N=np.array(phashes, np.uint64),
        max_distance=max_distance,
    )


FAR = [0, (1 << 40) - 1, (1 << 64) - 1]


def test_pictures_far_from_each_other_are_groups_of_their_own():
    assert groups(FAR) == [sha(0), sha(1), sha(2)]


def test_near_alike_pictures_are_one_group_named_by_its_smallest_hash_even_through_others():
    chain = [0, 0b111, 0b111111]  # the ends differ in 6 bits
    assert set(groups(chain)) == {min(sha(n) for n in range(3))}
    assert len(set(groups(chain, max_distance=2))) == 3


def test_the_scrape_names_groups_and_joins_what_is_not_alike():
    found = groups([*FAR, 0b1], ["album", None, "album", None])
    # The last is near the first, so it is of the album too.
    assert found == ["album", sha(1), "album", "album"]


def test_two_albums_with_a_common_picture_are_one_group():
    assert groups([0, FAR[1], 1], ["b", "a", "a"]) == ["a", "a", "a"]


@given(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=2), st.integers(0, 5))
def test_a_group_is_never_split_and_both_sides_have_one(names, seed):
    assume(len(set(names)) > 1)
    held_out = held_out_groups(names, share=0.3, seed=seed)
    sides = {name: set(held_out[[n == name for n in names]].tolist()) for name in names}
    assert all(len(side) == 1 for side in sides.values())
    assert set(held_out.tolist()) == {True, False}


@given(st.integers(0, 20), st.integers(1, 200))
def test_pictures_that_come_move_no_group(seed, num_new):
    before = [sha(n) for n in range(60)]
    after = before + [sha(1000 + n) for n in range(num_new)]
    one = held_out_groups(before, share=0.2, seed=seed)
    two = held_out_groups(after, share=0.2, seed=seed)
    assert (two[:60] == one).all()


def test_the_share_is_kept_on_average_and_a_seed_draws_others():
    names = [sha(n) for n in range(2000)]
    one, two = (held_out_groups(names, share=0.2, seed=seed) for seed in (0, 1))
    assert 0.17 < one.mean() < 0.23
    assert 0.1 < (one & two).mean() / 0.2 < 0.3


def test_of_two_groups_one_is_held_out_however_small_or_large_the_share():
    for share in (1e-9, 0.999999):
        assert sorted(held_out_groups(["a", "b", "b"], share=share, seed=0)) in (
            [False, False, True],
            [False, True, True],
        )


def test_pictures_of_one_group_can_not_be_split():
    with pytest.raises(SplitError, match=r"the 3 labelled pictures are all of one group"):
        held_out_groups(["a", "a", "a"], share=0.2, seed=0)
    with pytest.raises(SplitError, match=r"the 0 labelled pictures"):
        held_out_groups([], share=0.2, seed=0)


def test_a_new_picture_near_an_old_one_is_of_its_group():
    before = groups(FAR, numbers=[5, 6, 7])
    after = groups([*FAR, FAR[1] ^ 1], numbers=[5, 6, 7, 8])
    assert after[:1] + after[2:3] == before[:1] + before[2:]
    assert after[1] == after[3]
