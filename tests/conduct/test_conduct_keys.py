import pytest

from wunderkammer.conduct.keys import MissingKeyError, key_from_environment

WORDS = {"what": "a Flickr API key", "where": "https://flickr.example/apps"}


def test_a_key_comes_from_the_environment_by_name(monkeypatch):
    monkeypatch.setenv("FLICKR_API_KEY", " abc123\n")
    assert key_from_environment("FLICKR_API_KEY", **WORDS) == "abc123"


@pytest.mark.parametrize("environ", [{}, {"FLICKR_API_KEY": ""}, {"FLICKR_API_KEY": " \n"}])
def test_a_missing_key_is_named_with_the_place_that_gives_one(environ):
    with pytest.raises(MissingKeyError) as error:
        key_from_environment("FLICKR_API_KEY", **WORDS, environ=environ)
    for word in ("FLICKR_API_KEY", "a Flickr API key", "https://flickr.example/apps"):
        assert word in str(error.value)


@pytest.mark.parametrize("value", ["secret key", "secret\nkey", "secrët", "secret\x00"])
def test_what_can_be_no_key_is_refused_without_showing_it(value):
    with pytest.raises(MissingKeyError, match="FLICKR_API_KEY") as error:
        key_from_environment("FLICKR_API_KEY", **WORDS, environ={"FLICKR_API_KEY": value})
    assert "secr" not in str(error.value)
