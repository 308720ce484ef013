import secrets

import pytest
from recipes import subject

from wunderkammer.build import build_stage
from wunderkammer.externals import DECISIONS, RETRAINING, external_version
from wunderkammer.review.decision import Box, Decision, Proposal
from wunderkammer.review.journal import Journal
from wunderkammer.stages import TRAINED_DETECTOR
from wunderkammer.staleness import assess
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions

WINDOW = Box(x0=0, y0=0, x1=50, y1=50)
ON_REVIEW = {
    "detector__kind": "yolo",
    "detector__retrain": "on_review",
    "detector__retrain_every": 3,
}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "data"))


@pytest.fixture
def decide(store):
    """Adds so many decisions about the cat."""
    journal, orders = Journal(store, "cat"), iter(range(1, 1000))

    def add(num):
        decisions = []
        for _ in range(num):
            proposal = Proposal(
                crop_sha256=secrets.token_hex(32),
                sha256=secrets.token_hex(32),
                width=50,
                height=50,
                window=WINDOW,
            )
            decisions.append(
                Decision(
                    id=secrets.token_hex(16),
                    order=next(orders),
                    time="2026-01-01T00:00:00.000+00:00",
                    reviewer="ann",
                    decision="accept",
                    proposal=proposal,
                )
            )
        journal.append(decisions)

    return add


def train(recipe, store):
    draft = Draft("detector", Summary())
    return build_stage(TRAINED_DETECTOR, recipe, store=store, builder=lambda _: draft).record


def state(recipe, store):
    states = {step.asset: step for step in assess(recipe, Versions(store))}
    return states["trained_detector"].state, states["trained_detector"].cause


def test_each_decision_is_another_version_of_the_decisions(store, decide):
    versions = [external_version(store, subject(), DECISIONS)]
    for _ in range(3):
        decide(1)
        versions.append(external_version(store, subject(), DECISIONS))
    assert len(set(versions)) == 4


def test_a_detector_that_is_trained_on_request_stays_whatever_is_decided(store, decide):
    recipe = subject(detector__kind="yolo")
    train(recipe, store)
    decide(100)
    assert state(recipe, store) == ("fresh", "")


def test_on_review_it_is_stale_with_each_round_of_decisions(store, decide):
    recipe = subject(**ON_REVIEW)
    decide(2)
    train(recipe, store)
    assert state(recipe, store) == ("fresh", "")
    decide(1)
    assert state(recipe, store) == ("stale", "new retraining")
    train(recipe, store)
    decide(2)
    assert state(recipe, store) == ("fresh", "")


def test_to_leave_retraining_to_the_command_keeps_the_detector_that_is_there(store, decide):
    on_review, on_request = subject(**ON_REVIEW), subject(detector__kind="yolo")
    train(on_request, store)
    decide(7)
    newest = train(on_review, store)
    assert newest.upstreams == {RETRAINING: "round 2"}
    assert state(on_request, store) == ("fresh", "")
    decide(7)
    assert state(on_request, store) == ("fresh", "")
    assert external_version(store, on_request, RETRAINING) == "round 2"


def test_what_no_stage_reads_has_no_version(store):
    with pytest.raises(KeyError):
        external_version(store, subject(), "weather")
