from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.hiding import Keys

SIGNS = st.characters(min_codepoint=33, max_codepoint=126)
WORDS = st.text(SIGNS, min_size=8, max_size=40)


@given(key=WORDS, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_key_is_hidden_in_a_reply_plain_or_as_a_part_of_a_url(key, before, after):
    keys = Keys([f"Bearer {key}"])
    for spelt in (key, quote(key, safe="")):
        text = keys.hide(f"{before}{spelt}{after}".encode()).decode()
        assert key not in text.replace("(hidden)", " ")


@given(key=WORDS, num_quoted=st.integers(0, 3), around=st.text(SIGNS, max_size=20))
def test_a_key_is_found_in_a_text_however_often_it_was_quoted(key, num_quoted, around):
    spelt = key
    for _ in range(num_quoted):
        spelt = quote(spelt, safe="")
    if "%" not in key + around:
        assert Keys([key]).are_in(f"404 from https://{around}/{spelt}")


def test_what_is_short_is_no_key():
    keys = Keys(["json", "1", "Basic x"])
    assert keys.hide(b'{"format": "json"}') == b'{"format": "json"}'
    assert not keys.are_in("json")


def test_an_error_that_quotes_a_key_keeps_all_but_its_words():
    error = FetchError("http_404", "404 from https://a.example/k", may_pass=True, status=404)
    told = Keys([]).without(error)
    assert (told.reason, told.status, told.may_pass) == ("http_404", 404, True)
    assert "a.example" not in f"{told!r} {told}"
    assert error.detail == "404 from https://a.example/k"


@pytest.mark.parametrize("text", ["", "http_500", "%", "%zz%2"])
def test_a_text_without_a_key_is_left_as_it_is(text):
    keys = Keys(["a-key-of-a-site"])
    assert not keys.are_in(text)
    assert keys.hide(text.encode()) == text.encode()
