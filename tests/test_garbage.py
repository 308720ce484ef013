import gc

import pytest

from wunderkammer.garbage import FACTOR, collected_rarely


def test_cycles_are_looked_for_rarely_and_then_as_before():
    before = gc.get_threshold()
    with collected_rarely():
        assert gc.get_threshold() == (FACTOR * before[0], *before[1:])
    assert gc.get_threshold() == before


def test_an_error_changes_nothing_for_those_who_come_after():
    before = gc.get_threshold()
    with pytest.raises(KeyError), collected_rarely():
        raise KeyError
    assert gc.get_threshold() == before


def test_where_it_is_off_it_stays_off():
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with collected_rarely():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
