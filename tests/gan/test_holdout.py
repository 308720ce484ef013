import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wunderkammer.gan.holdout import MAX_HELD_OUT, split

SHARES = st.floats(0, 1, exclude_max=True)


def named(numbers):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


def held_out_of(sha256s, *, share, seed=0):
    return {sha256s[index] for index in split(sha256s, share=share, seed=seed)[1]}


@given(num_images=st.integers(0, 3000), share=SHARES, seed=st.integers(0, 2**80))
def test_every_picture_is_on_exactly_one_side(num_images, share, seed):
    train, held_out = split(named(range(num_images)), share=share, seed=seed)
    assert sorted([*train, *held_out]) == list(range(num_images))
    assert len(held_out) <= MAX_HELD_OUT
    assert len(train) > 0 or num_images == 0
    assert len(held_out) > 0 or share == 0 or num_images < 2


def test_a_tenth_is_about_a_tenth_until_there_are_a_thousand():
    assert len(held_out_of(named(range(5000)), share=0.1)) == pytest.approx(500, abs=100)
    assert len(held_out_of(named(range(20_000)), share=0.1)) == 1000


def test_nothing_is_held_out_where_the_share_is_nought_and_one_where_it_is_tiny():
    assert len(held_out_of(named(range(10)), share=0.0)) == 0
    assert len(held_out_of(named(range(10)), share=1e-9)) == 1
    assert len(held_out_of(named(range(1)), share=0.5)) == 0


@given(st.permutations(range(40)), SHARES)
def test_the_order_of_the_pictures_does_not_matter(order, share):
    shuffled = held_out_of(named(order), share=share)
    assert shuffled == held_out_of(named(range(40)), share=share)


@given(st.lists(st.integers(0, 5), max_size=30), SHARES)
def test_equal_pictures_are_on_one_side(numbers, share):
    sha256s = named(numbers)
    train, held_out = split(sha256s, share=share, seed=0)
    assert not {sha256s[index] for index in train} & {sha256s[index] for index in held_out}


@given(
    before=st.sets(st.integers(0, 300), min_size=1),
    after=st.sets(st.integers(0, 300), min_size=1),
    share=st.floats(0.05, 0.95),
)
def test_a_picture_keeps_its_side_whatever_else_comes_or_goes(before, after, share):
    below = held_out_of(named(range(301)), share=share)
    for numbers in (before, after):
        assume(0 < len(below.intersection(named(numbers))) < len(numbers))
    stayed = set(named(before & after))
    then, now = (held_out_of(named(numbers), share=share) for numbers in (before, after))
    assert then & stayed == now & stayed


@given(
    num_before=st.integers(1500, 2500),
    num_new=st.integers(1, 1500),
    share=st.floats(0.9, 1, exclude_max=True),
)
def test_beyond_a_thousand_new_pictures_only_move_others_into_the_training(
    num_before, num_new, share
):
    then = held_out_of(named(range(num_before)), share=share)
    now = held_out_of(named(range(num_before + num_new)), share=share)
    assert len(then) == len(now) == MAX_HELD_OUT
    assert now & set(named(range(num_before))) <= then


def test_another_seed_holds_out_others():
    sha256s = named(range(100))
    assert held_out_of(sha256s, share=0.2, seed=1) == held_out_of(sha256s, share=0.2, seed=1)
    assert held_out_of(sha256s, share=0.2, seed=1) != held_out_of(sha256s, share=0.2, seed=2)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused_by_its_value(share):
    with pytest.raises(ValueError, match=f"share={share}"):
        split(named(range(10)), share=share, seed=0)


@given(
    numbers=st.lists(st.integers(0, 60), min_size=1, max_size=80),
    share=SHARES,
    seed=st.integers(0, 2**80),
    order=st.randoms(),
)
def test_families_are_never_torn_apart_in_whatever_order_they_come(numbers, share, seed, order):
    families = named(numbers)
    held_out = held_out_of(families, share=share, seed=seed)
    train = {families[index] for index in split(families, share=share, seed=seed)[0]}
    assert not train & held_out
    assert train, "all pictures are held out"
    assert bool(held_out) == (share > 0 and len(set(families)) > 1)
    order.shuffle(families)
    assert held_out_of(families, share=share, seed=seed) == held_out


def test_a_family_larger_than_the_share_is_trained_on():
    families = named([0] * 30 + list(range(1, 71)))
    for seed in range(40):
        assert families[0] not in held_out_of(families, share=0.2, seed=seed)


def test_no_more_than_a_thousand_are_held_out_of_large_families():
    families = named([number // 300 for number in range(9000)])
    for seed in range(10):
        held_out = split(families, share=0.9, seed=seed)[1]
        assert len(held_out) == 900
