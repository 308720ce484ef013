import json
import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.strict_yaml import MAX_FILE_BYTES, read_mapping
from wunderkammer.subject import SubjectError, load_subject

RECIPE = """\
scrape:
  kind: folder
  path: pictures
"""


def written(folder, text):
    file = folder / "cat.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


UNREADABLE = {
    "a key given twice": (
        RECIPE + "scrape:\n  kind: archive\n",
        "line 4, column 1: the key 'scrape' is given twice",
    ),
    "a nested key given twice": (
        RECIPE + "  path: b\n",
        "line 4, column 3: the key 'path' is given twice",
    ),
    "an alias": ("scrape: &a {}\nfilter: *a\n", "line 2, column 9: the alias *a is refused"),
    "a tag": ("scrape: !!binary aGVsbG8=\n", "the tag tag:yaml.org,2002:binary is refused"),
    "a Python object": ("scrape: !!python/object:os.system [ls]\n", "is refused"),
    "a list as a key": ("? [a, b]\n: 1\n", "the key ['a', 'b'] is not text"),
    "a number as a key": ("scrape:\n  1: 2\n", "line 2, column 3: the key 1 is not text"),
    "a list": ("- scrape\n", "holds a list, allowed: a mapping of sections"),
    "a lone word": ("scrape\n", "holds a str, allowed: a mapping"),
    "nothing": ("", "holds nothing, allowed: a mapping"),
    "comments only": ("# soon\n", "holds nothing, allowed: a mapping"),
    "two documents": ("a: 1\n---\nb: 2\n", "another document"),
    "a tab for a space": ("scrape:\n\tkind: folder\n", "line 2, column 1"),
    "an unclosed bracket": ("scrape: {kind: folder\n", "line 2, column 1"),
    "a zero byte": (b"scrape: \0\n", "special characters are not allowed"),
    "Latin-1": ("description: Kr\u00e4he\n".encode("latin-1"), "can't decode byte 0xe4"),
    "too many brackets": ("scrape: " + "[" * 5000 + "]" * 5000, "recursion"),
    "many brackets": ("scrape: " + "[" * 150 + "]" * 150, ""),
    "half a character": ('description: "\\ud800"\n' + RECIPE, ""),
    "a number of 5,000 digits": ("scrape: " + "9" * 5000, "4300"),
    "too much": ("#" * (MAX_FILE_BYTES + 1), f"{MAX_FILE_BYTES + 1} bytes, allowed: at most"),
}


@pytest.mark.parametrize(("text", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path, text, words):
    with pytest.raises(SubjectError) as caught:
        load_subject(written(tmp_path, text))
    problem = caught.value.problems[0]
    assert words in problem.message
    assert len(problem.message) < 400
    assert str(problem).startswith(os.path.relpath(tmp_path / "cat.yaml"))


@given(
    st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_no_bytes_raise_anything_but_a_subject_error(tmp_path_factory, content):
    file = written(tmp_path_factory.getbasetemp(), content)
    with pytest.raises(SubjectError):
        load_subject(file)


def test_plain_scalars_are_read_as_a_person_expects(tmp_path):
    text = "{a: no, b: 010, c: 2e-3, d: 2026-01-01, e: 1:30, f: true, g: ~, h: .5, i: '7', j: -3}"
    assert read_mapping(written(tmp_path, text)) == {
        "a": "no",
        "b": 10,
        "c": 0.002,
        "d": "2026-01-01",
        "e": "1:30",
        "f": True,
        "g": None,
        "h": 0.5,
        "i": "7",
        "j": -3,
    }


def test_a_merge_key_is_a_key_like_any_other(tmp_path):
    assert read_mapping(written(tmp_path, "<<: {a: 1}")) == {"<<": {"a": 1}}


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    text = b"\xef\xbb\xbf" + RECIPE.replace("\n", "\r\n").encode()
    assert read_mapping(written(tmp_path, text)) == {
        "scrape": {"kind": "folder", "path": "pictures"}
    }


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"])),
    lambda children: (
        st.lists(children)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,4}", fullmatch=True), children)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), PLAIN, min_size=1))
def test_any_json_is_read_as_what_it_says(tmp_path_factory, tree):
    assert read_mapping(written(tmp_path_factory.getbasetemp(), json.dumps(tree))) == tree


@pytest.mark.parametrize("switch", ["no", "off", "n", "NO"])
def test_the_noes_of_yaml_1_1_are_words(tmp_path, switch):
    assert yaml.safe_load(f"a: {switch}") == {"a": False if switch != "n" else "n"}
    assert read_mapping(written(tmp_path, f"a: {switch}")) == {"a": switch}
