import json
from contextlib import suppress

import pytest
from classifier_samples import subject_in
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.classify.errors import LabelError
from wunderkammer.classify.labels import parse_labels, read_labels, wanted_classes
from wunderkammer.classify.params import ClassifyParams

WORDNET = ["n03898633 patchwork", "n04033995 quilt, comforter, puff", "n03266749 duvet"]


def wanted(labels, *classes):
    given = None if labels is None else tuple(labels)
    params = ClassifyParams(weights="n", classes=classes, labels=given)
    return wanted_classes(params, labels, subject=subject_in(None))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", "\n".join(WORDNET) + "\n\n"),
        ("labels.txt", "\ufeff" + "\r\n".join(WORDNET)),
        ("labels.json", json.dumps(WORDNET)),
        ("labels.json", json.dumps({str(i): s for i, s in reversed(list(enumerate(WORDNET)))})),
        ("labels.json", json.dumps({str(i): s.split(" ", 1) for i, s in enumerate(WORDNET)})),
    ],
)
def test_lists_of_labels_are_read_as_people_write_them(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    params = ClassifyParams(weights="n", classes=("quilt",), labels=name)
    assert read_labels(params, subject=subject_in(tmp_path)) == WORDNET


def test_a_class_goes_by_line_id_name_synonym_and_number():
    for name in ("n04033995 quilt, comforter, puff", "n04033995", "Quilt", "comforter", 1):
        assert wanted(WORDNET, name) == [1]
    assert wanted(WORDNET, "duvet", "patchwork", 0) == [0, 2]
    assert wanted(["crazy_quilt"], "crazy quilt") == [0]
    assert wanted(None, 7, 3) == [3, 7]


def test_a_name_that_is_unknown_or_of_two_classes_is_refused():
    with pytest.raises(LabelError, match=r"'quillt' of 'quilts': none of .* mean 'quilt'"):
        wanted(WORDNET, "quillt")
    with pytest.raises(LabelError, match=r"2 classes are called so.*\(1, 2\)"):
        wanted(["bird", "crane", "crane"], "crane")


def test_imagenet_has_its_thousand_names():
    params = ClassifyParams(weights="n", classes=("quilt",), labels="imagenet")
    subject = subject_in(None)
    labels = read_labels(params, subject=subject)
    assert len(labels) == 1000
    assert wanted_classes(params, labels, subject=subject) == [750]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "can't be read"),
        ("a.json", b"[" * 100_000, "can't be read"),
        ("a.json", b"[1, 2]", "a label is text"),
        ("a.json", b'{"0": "a", "2": "b"}', "none for the number 1"),
        ("a.json", b"3", "holds no list"),
        ("a.txt", b"", "holds no list"),
        ("a.txt", b"\n \n", "is empty"),
        ("a.txt", b"\xff\xfe\x00", "save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelError, match=words):
        parse_labels(tmp_path / name)


def test_a_missing_file_is_told(tmp_path):
    params = ClassifyParams(weights="n", classes=("a",), labels="none.txt")
    with pytest.raises(LabelError, match="there is no file"):
        read_labels(params, subject=subject_in(tmp_path))


@given(content=st.binary(max_size=60), is_json=st.booleans())
def test_any_content_is_a_list_or_a_label_error(tmp_path_factory, content, is_json):
    path = tmp_path_factory.mktemp("labels") / ("a.json" if is_json else "a.txt")
    path.write_bytes(content)
    with suppress(LabelError):
        assert all(isinstance(label, str) for label in parse_labels(path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ()}, "at least 1 item"),
        ({"classes": (-1,)}, "begin at 0"),
        ({"classes": ("quilt",)}, "need labels"),
        ({"classes": (1,), "min_probability": 0.2}, "counts only with"),
        ({"classes": (1,), "architecture": "hf-hub:x/y"}, "pattern"),
        ({"classes": (1,), "std": (0.0, 1.0, 1.0)}, "greater than 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        ClassifyParams(weights="n", **changes)
