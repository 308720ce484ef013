from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.urls import parse_url, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ftp://museum.example/a.jpg", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("/a.jpg", "bad_url"),
        ("http://", "bad_url"),
        ("http:///a.jpg", "bad_url"),
        ("http://[::1/a.jpg", "bad_url"),
        ("http://museum.example:99999/a.jpg", "bad_url"),
        ("http://[::1]@/a.jpg", "bad_url"),
        ("http://curator:secret@museum.example/a.jpg", "user_info_in_url"),
        ("http://curator@museum.example/a.jpg", "user_info_in_url"),
        ("http://127.0.0.1/a.jpg", "private_address"),
        ("http://[::1]/a.jpg", "private_address"),
        ("http://[::ffff:10.0.0.1]/a.jpg", "private_address"),
        ("http://169.254.169.254/latest/meta-data/", "private_address"),
        ("http://127.1/a.jpg", "bad_url"),
        ("http://2130706433/a.jpg", "bad_url"),
        ("http://１２７.0.0.1/a.jpg", "private_address"),  # noqa: RUF001
    ],
)
def test_a_url_is_judged_by_its_text(text, expected):
    for _ in range(2):
        with pytest.raises(FetchError) as error:
            parse_url(text, loopback_ports=())
        assert error.value.reason == expected
        assert not error.value.may_pass
        assert "secret" not in f"{error.value} {error.value.detail}"


def test_a_named_port_of_this_machine_may_be_asked():
    assert str(parse_url("http://127.0.0.1:8001/a", loopback_ports=(8001,))).endswith(":8001/a")
    with pytest.raises(FetchError):
        parse_url("http://127.0.0.1:8002/a", loopback_ports=(8001,))


def test_a_url_goes_out_in_plain_characters_and_without_its_fragment():
    url = parse_url("https://müsli.example/schöne bilder/50%25 é.jpg?q=ö#x", loopback_ports=())
    assert str(url) == (
        "https://xn--msli-0ra.example/sch%C3%B6ne%20bilder/50%25%20%C3%A9.jpg?q=%C3%B6"
    )
    assert str(parse_url(str(url), loopback_ports=())) == str(url)


PIECES = ["http:", "//", "/", "[", "]", "@", ":", "::1", "%", "é", "²", "?", "#", "\0", "a"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=8))
@example(pieces=["http:", "//", "[", "::1", "]", "@"])
def test_any_text_is_a_url_or_a_fetch_error(pieces):
    with suppress(FetchError):
        url = parse_url("".join(pieces), loopback_ports=())
        assert str(url).isascii()


def test_a_shown_url_holds_no_secret():
    url = parse_url("https://museum.example/a.jpg?token=secret#part", loopback_ports=())
    assert shown(url) == "https://museum.example/a.jpg"
