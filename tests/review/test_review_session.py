from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from review_kit import HEIGHT, SUBJECT, WEIGHTS, WIDTH, decide, fill, session, wish

from wunderkammer.review import session as session_module
from wunderkammer.review.crop_table import NothingToReviewError
from wunderkammer.review.decision import Box
from wunderkammer.review.journal import read_decisions
from wunderkammer.review.params import ReviewParams
from wunderkammer.review.session import RefusedError, Session
from wunderkammer.storage.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture(autouse=True)
def _always_ask_the_store(monkeypatch):
    monkeypatch.setattr(session_module, "POLL_S", 0.0)


def states(found):
    return [decision and decision.decision for decision in found.deck().decisions]


def test_without_crops_it_says_what_to_run(store):
    with pytest.raises(NothingToReviewError, match="wunderkammer refresh quilt"):
        session(store).deck()


def test_a_decision_is_kept_with_who_when_what_and_which_model(store):
    fill(store, 3, with_pictures=False)
    now = datetime(2026, 5, 4, 3, 2, 1, 500_000, UTC)
    ann = Session(
        store,
        SUBJECT,
        params=ReviewParams(),
        min_side_px=20,
        reviewer="ann",
        clock=lambda: now,
    )
    decide(ann, wish(1, "reject", reason="blurred"))
    (kept,) = read_decisions(store, SUBJECT)
    crops = ann.deck().crops
    assert (kept.reviewer, kept.time) == ("ann", "2026-05-04T03:02:01.500+00:00")
    assert (kept.decision, kept.reason) == ("reject", "blurred")
    assert kept.proposal.crop_sha256 == crops.column("crop_sha256")[1]
    assert kept.proposal.sha256 == crops.column("sha256")[1]
    assert kept.proposal.proposed_by == WEIGHTS
    assert kept.proposal.object_box == Box(x0=35.0, y0=15.0, x1=85.0, y1=65.0)


def test_what_was_decided_is_known_to_a_session_that_starts_later(store):
    fill(store, 3, with_pictures=False)
    decide(session(store), wish(0), wish(2, "reject"))
    assert states(session(store, reviewer="bob")) == ["accept", None, "reject"]


def test_a_page_learns_of_the_decisions_of_another_process(store):
    fill(store, 3, with_pictures=False)
    ann, bob = session(store), session(store, reviewer="bob")
    version = bob.deck().crops.version
    before = bob.changes(version, 0)
    assert before["rows"] == []
    decide(ann, wish(2))
    news = bob.changes(version, before["revision"])
    assert [row[:4] for row in news["rows"]] == [[2, "accept", None, "ann"]]
    assert bob.changes(version, news["revision"])["rows"] == []


def test_sending_the_same_decision_twice_keeps_it_once(store):
    fill(store, 2, with_pictures=False)
    ann = session(store)
    one = wish(0)
    decide(ann, one)
    decide(ann, one, one)
    assert len(read_decisions(store, SUBJECT)) == 1


def test_a_decision_can_be_undone_in_the_batch_that_makes_it(store):
    fill(store, 2, with_pictures=False)
    ann = session(store)
    one = wish(0)
    answer = decide(ann, one, wish(0, "undo", undoes=one["id"]))
    assert answer["rows"] == []
    assert states(ann) == [None, None]
    assert len(read_decisions(store, SUBJECT)) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (wish(2), "there are 2 crops"),
        (wish(0, "undo", undoes="0" * 32), "there is no such decision"),
        (wish(0, "undo"), "there is no such decision"),
        (wish(0, window={"x0": -1, "y0": 0, "x1": 50, "y1": 50}), "reaches out of the picture"),
        (wish(0, window={"x0": 0, "y0": 0, "x1": 50, "y1": HEIGHT + 1}), "reaches out"),
        (wish(0, object_box={"x0": 0, "y0": 0, "x1": WIDTH + 0.5, "y1": 9}), "reaches out"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_of_its_batch_is_kept(store, wrong, message):
    fill(store, 2, with_pictures=False)
    ann = session(store)
    with pytest.raises(RefusedError, match=message):
        decide(ann, wish(1), wrong)
    assert read_decisions(store, SUBJECT) == []
    assert states(ann) == [None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        wish(0, "maybe"),
        wish(-1),
        wish(0, "reject", reason="<script>"),
        wish(0, window={"x0": 9, "y0": 0, "x1": 9, "y1": 5}),
        wish(0, window={"x0": 0, "y0": 0, "x1": 1e30, "y1": 5}),
        wish(0, "reject", window={"x0": 0, "y0": 0, "x1": 9, "y1": 9}),
        wish(0, "accept", reason="blurred"),
        wish(0, surplus=1),
        {**wish(0), "id": "../../etc"},
    ],
)
def test_malformed_wishes_are_refused(store, wrong):
    fill(store, 1, with_pictures=False)
    with pytest.raises(ValidationError):
        decide(session(store), wrong)
    assert read_decisions(store, SUBJECT) == []


def test_a_correction_that_changes_nothing_is_none(store):
    fill(store, 1, with_pictures=False)
    ann = session(store)
    proposed = ann.deck().crops.proposal(0)
    decide(ann, wish(0, window=proposed.window.model_dump()))
    (kept,) = read_decisions(store, SUBJECT)
    assert not kept.is_corrected


def test_decisions_survive_a_new_version_of_the_crops(store):
    """Rows have moved, one crop is of another size, one picture is new."""
    fill(store, 3, with_pictures=False)
    ann = session(store)
    old = ann.deck().crops
    decide(ann, wish(0), wish(1, "reject"))
    order = [2, 1, 0]
    pixels = [f"{n:064x}" for n in range(3)]
    fill(
        store,
        3,
        with_pictures=False,
        sha256=[old.column("sha256")[row] for row in order],
        crop_sha256=pixels,
    )
    assert ann.changes(old.version, 0)["current"] != old.version
    assert states(ann) == [None, "reject", "accept"]


def test_a_page_of_older_crops_may_still_send_its_decisions(store):
    fill(store, 3, with_pictures=False)
    ann = session(store)
    old = ann.deck().crops.version
    fill(store, 2, with_pictures=False)
    assert ann.deck().crops.version != old
    answer = ann.decide(
        session_module.Wishes.model_validate({"version": old, "since": 0, "decisions": (wish(0),)})
    )
    assert len(answer["rows"]) == 1
    assert states(ann) == ["accept", None]


def test_crops_that_no_page_was_shown_are_refused(store):
    fill(store, 1, with_pictures=False)
    with pytest.raises(RefusedError, match="reload"):
        session(store).changes("none", 0)


def test_the_opening_has_what_the_page_sorts_and_filters_by(store):
    fill(store, 4, with_pictures=False)
    opening = session(store, gate="sample", sample_size=2).opening()
    assert {"uncertainty", "confidence", "sharpness"} <= set(opening["measures"])
    assert opening["facets"]["source"]["names"] == ["commons", "flickr"]
    assert opening["facets"]["licence"]["names"] == ["", "CC-BY-4.0", "CC0-1.0"]
    assert len(opening["sample"]) == 2
    assert opening["size"] == 4


def test_the_history_of_a_crop_has_all_that_was_decided_of_its_picture(store):
    fill(store, 2, with_pictures=False)
    ann, bob = session(store), session(store, reviewer="bob")
    first = wish(0)
    decide(ann, first)
    decide(bob, wish(0, "reject"))
    decide(ann, wish(0, "undo", undoes=first["id"]), wish(1))
    history = ann.history(ann.deck().crops.version, 0)
    assert [(d.reviewer, d.decision) for d in history] == [
        ("ann", "accept"),
        ("bob", "reject"),
        ("ann", "undo"),
    ]


STEPS = st.tuples(
    st.integers(0, 1),
    st.integers(0, 2),
    st.sampled_from(["accept", "reject", "correct", "undo", "look"]),
)


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=16))
def test_whatever_two_reviewers_do_both_see_the_same_in_the_end_and_nothing_is_lost(steps):
    store = Store("memory:///")
    fill(store, 3, with_pictures=False)
    both = [session(store, reviewer="ann"), session(store, reviewer="bob")]
    sent = []
    for who, row, action in steps:
        reviewer = both[who]
        if action == "look":
            reviewer.changes(reviewer.deck().crops.version, 0)
            continue
        wishes = {
            "accept": wish(row),
            "reject": wish(row, "reject", reason="blurred"),
            "correct": wish(row, window={"x0": 0, "y0": 0, "x1": 60, "y1": 60}),
        }
        standing = reviewer.deck().decisions[row]
        if action == "undo" and standing is None:
            continue
        if action == "undo":
            wishes["undo"] = wish(row, "undo", undoes=standing.id)
        decide(reviewer, wishes[action])
        sent.append(wishes[action]["id"])
    kept = {decision.id for decision in read_decisions(store, SUBJECT)}
    assert kept == set(sent)
    ours, theirs = (found.deck().decisions for found in both)
    assert ours == theirs == session(store).deck().decisions
