import math
from datetime import datetime
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.sources.posts import MAX_TAGS, at, hashtags, latest, utc, whole

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
)
steps = st.text(max_size=2) | st.integers(0, 3)


def test_what_stands_at_a_path_is_found():
    value = {"a": [{"b": 5}, "text"]}
    assert at(value, "a", 0, "b") == 5
    assert at(value, "a", 1) == "text"
    assert at(value) == value
    for path in (("b",), ("a", 2), ("a", "0"), (0,), ("a", 1, 0), ("a", 0, "b", "c")):
        assert at(value, *path) is None


@given(json_values, st.lists(steps, max_size=3))
def test_any_value_has_something_or_nothing_at_any_path(value, path):
    at(value, *path)


@given(st.text(max_size=9))
def test_a_text_can_be_held_by_any_file(text):
    assert at({"a": text}, "a") == text
    assert at("\ud83d" + text).encode().decode() == "?" + text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("5", 5),
        ("-5", -5),
        (1_700_000_000.0, 1_700_000_000),
        ("5.5", None),
        ("", None),
        ("٣", None),
        ("9" * 19, None),
        (True, None),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (1e300, None),
        ([5], None),
    ],
)
def test_a_whole_number_is_read_however_it_is_written(value, expected):
    assert whole(value) == expected


@given(st.integers())
def test_a_time_is_written_as_any_calendar_has_it(epoch_s):
    written = utc(epoch_s)
    assert (written is None) == (not -62_135_596_800 <= epoch_s <= 253_402_300_799)
    if written is not None:
        assert datetime.fromisoformat(written).timestamp() == epoch_s


def test_the_latest_time_is_never_to_come():
    now = int(time())
    assert latest([5, 7, 6]) == 7
    assert latest([]) == 0
    assert latest([now - 1, now + 3600]) == now - 1


@pytest.mark.parametrize(
    ("caption", "tags"),
    [
        ("#Corgi #corgi.gram, #corgi. #x", ("corgi", "corgi.gram", "x")),
        ("#corgi#dog", ("corgi", "dog")),
        ("#犬 #café", ("犬", "café")),
        ("no # tag", ()),
        (None, ()),
    ],
)
def test_hashtags_are_found_in_a_caption(caption, tags):
    assert hashtags(caption) == tags


def test_hashtags_are_bounded():
    assert len(hashtags("".join(f"#tag{number}" for number in range(500)))) == MAX_TAGS
