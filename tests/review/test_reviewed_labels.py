import pytest
from review_decisions import box, decision, proposal, undo
from review_kit import SUBJECT, decide, fill, session, wish

from wunderkammer.review.journal import Journal
from wunderkammer.review.labels import LABELS, reviewed_labels
from wunderkammer.storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def labels(store, *decisions):
    Journal(store, SUBJECT).append(decisions)
    return reviewed_labels(store, SUBJECT).to_pylist()


def two_of_one_picture(store):
    """Two crops up for review, each about an object of its own."""
    edges = {"box_x0": [0, 60], "box_x1": [60, 120], "object_x0": [5, 65], "object_x1": [55, 115]}
    fill(store, 2, with_pictures=False, sha256=["a" * 64] * 2, **edges)


def boxes(rows):
    return [one for row in rows for one in row["boxes"]]


def test_without_decisions_there_are_no_labels(store):
    found = reviewed_labels(store, SUBJECT)
    assert found.schema == LABELS
    assert found.num_rows == 0


def test_an_accepted_proposal_is_a_label_with_its_class_and_reviewer(store):
    about = proposal(object_box=box(35, 15, 85, 65), class_name="corgi")
    (row,) = labels(store, decision(about=about))
    assert (row["sha256"], row["width"], row["height"]) == (about.sha256, 120, 90)
    assert row["boxes"] == [[35.0, 15.0, 85.0, 65.0]]
    assert row["classes"] == ["corgi"]
    assert row["reviewers"] == ["ann"]


def test_a_corrected_box_is_the_label(store):
    about = proposal(object_box=box(35, 15, 85, 65))
    (row,) = labels(store, decision(about=about, object_box=box(30, 20, 80, 60)))
    assert row["boxes"] == [[30.0, 20.0, 80.0, 60.0]]


def test_without_a_model_the_window_is_the_label_and_the_subject_its_class(store):
    (row,) = labels(store, decision(about=proposal(window=(-10, 0, 60, 70))))
    assert row["boxes"] == [[0.0, 0.0, 60.0, 70.0]]
    assert row["classes"] == [SUBJECT]


def test_what_is_rejected_or_undone_is_no_label(store):
    first, second = decision(about=proposal(1)), decision("reject", about=proposal(2))
    assert labels(store, first, second, undo(first)) == []


def test_a_rejection_of_nearly_the_same_window_overrules_an_earlier_acceptance(store):
    first = decision(about=proposal(window=(30, 10, 90, 70)))
    second = decision("reject", about=proposal(window=(31, 10, 91, 70)), order=2)
    assert labels(store, first, second) == []


def test_an_object_that_was_accepted_in_two_rounds_is_labelled_once_by_the_later(store):
    first = decision(about=proposal(object_box=box(30, 10, 80, 60)))
    later = proposal(window=(20, 5, 80, 65), object_box=box(34, 12, 84, 62))
    other = proposal(window=(0, 0, 20, 20), object_box=box(1, 1, 19, 19))
    (row,) = labels(store, first, decision(about=later, order=2), decision(about=other, order=3))
    assert row["boxes"] == [[1.0, 1.0, 19.0, 19.0], [34.0, 12.0, 84.0, 62.0]]


def test_a_picture_with_a_crop_that_nobody_has_looked_at_is_left_out_and_counted(store, caplog):
    two_of_one_picture(store)
    ann = session(store)
    decide(ann, wish(0))
    assert reviewed_labels(store, SUBJECT).num_rows == 0
    assert "1 of the 1 pictures of 'quilt'" in caplog.text
    decide(ann, wish(1, "reject", reason="not_the_subject"))
    assert reviewed_labels(store, SUBJECT).num_rows == 1
