from collections.abc import Sequence
from threading import Thread

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.manifests import KEPT, RAW, REJECTED
from wunderkammer.sources.places import BEYOND_CAP, Places


def decided(*reasons: str | None) -> pa.Table:
    """A row for each reason of a rejection; None: it is kept."""
    rows = [
        {"id": str(i), "decision": KEPT if reason is None else REJECTED, "reason": reason}
        for i, reason in enumerate(reasons)
    ]
    return pa.Table.from_pylist(rows, schema=RAW)


def test_without_a_cap_there_is_always_a_place():
    places = Places(None)
    assert places.take(1_000_000) == 1_000_000
    places.settle(decided(None, None))
    assert (places.cap, places.are_full, places.are_kept, places.give_up()) == (None,) + (
        False,
    ) * 2 + (0,)


def test_no_more_places_are_given_than_there_are():
    places = Places(5)
    assert (places.take(3), places.take(3), places.take(3)) == (3, 2, 0)


def test_a_rejected_item_gives_its_place_back_and_a_kept_one_does_not():
    places = Places(3)
    places.take(3)
    places.settle(decided(None, "truncated", None))
    assert (places.take(9), places.are_full) == (1, False)
    places.settle(decided(None))
    assert (places.take(9), places.are_full) == (0, True)


def test_an_item_beyond_the_cap_never_had_a_place():
    places = Places(2)
    places.take(2)
    places.settle(decided(None, None, BEYOND_CAP, BEYOND_CAP))
    assert (places.take(1), places.are_full, places.are_settled) == (0, True, True)


def test_how_much_is_expected_follows_from_the_listing_and_from_what_is_rejected():
    places = Places(None)
    assert places.num_expected is None
    places.expect(500)
    assert places.num_expected == 500
    places = Places(10)
    assert places.num_expected == 10
    places.expect(500)
    places.take(8)
    places.settle(decided(None, "truncated", None, "truncated"))
    assert places.num_expected == 20, "each second one is rejected"
    places.expect(7)
    assert places.num_expected == 7
    places.expect(3)
    assert places.num_expected == 20, "more came than was announced"


def test_they_are_full_when_kept_and_not_when_merely_taken():
    places = Places(1)
    places.take(1)
    assert (places.are_full, places.are_kept, places.are_settled) == (False, False, False)
    places.settle(decided(None))
    assert (places.are_full, places.are_kept, places.are_settled) == (True, True, True)


def test_places_that_may_become_more_are_full_only_once_that_is_over():
    places = Places(0, is_final=False)
    assert (places.are_kept, places.are_full) == (True, False)
    places.add(1)
    assert (places.are_kept, places.take(2)) == (False, 1)
    places.settle(decided(None))
    places.close()
    assert places.are_full


def test_only_free_places_are_given_up():
    places = Places(5)
    places.take(3)
    assert (places.give_up(), places.cap, places.give_up()) == (2, 3, 0)
    places.settle(decided("truncated"))
    assert (places.give_up(), places.cap) == (1, 2)


def test_what_is_kept_of_before_occupies_free_places_only():
    places = Places(3)
    places.take(1)
    places.occupy(5)
    assert (places.take(1), places.are_full) == (0, False)
    places.settle(decided(None))
    assert places.are_full


def test_threads_get_no_place_twice():
    places = Places(10_000)
    given: list[int] = []

    def take_all() -> None:
        num_given = 0
        while num := places.take(3):
            num_given += num
        given.append(num_given)

    threads = [Thread(target=take_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(given) == 10_000


def test_threads_that_take_and_settle_at_once_lose_count_of_nothing():
    places = Places(None)

    def work() -> None:
        for _ in range(200):
            places.take(3)
            places.settle(decided(None, "truncated", BEYOND_CAP))
            places.settle(decided("empty"))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places.are_settled


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "keep", "reject", "give_up", "add", "occupy"]), st.integers(0, 6)
    ),
    max_size=40,
)


@given(cap=st.integers(0, 12), steps=STEPS)
def test_kept_and_undecided_items_never_outnumber_the_places(cap: int, steps: Sequence[Step]):
    """Against a plain count of items that are kept and of those on their way."""
    places = Places(cap)
    num_kept = num_open = 0
    for what, number in steps:
        if what == "take":
            num_given = places.take(number)
            assert num_given == min(number, cap - num_kept - num_open)
            num_open += num_given
        elif what == "give_up":
            assert places.give_up() == cap - num_kept - num_open
            cap = num_kept + num_open
        elif what == "add":
            places.add(number)
            cap += number
        elif what == "occupy":
            free = cap - num_kept - num_open
            places.occupy(number)
            num_kept += min(number, free)
        else:
            number = min(number, num_open)
            places.settle(decided(*[None if what == "keep" else "truncated"] * number))
            num_open -= number
            num_kept += number if what == "keep" else 0
        assert places.cap == cap
        assert places.are_full == places.are_kept == (num_kept == cap)
        assert places.are_settled == (num_open == 0)
