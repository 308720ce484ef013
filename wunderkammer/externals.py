"""What stages read besides the recipe and other stages: the decisions of persons."""

from functools import lru_cache

from wunderkammer.detect.training.params import YoloTrainingParams
from wunderkammer.review.journal import decisions_version, read_decisions
from wunderkammer.stages import TRAINED_DETECTOR
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

DECISIONS = "decisions"
RETRAINING = "retraining"
EXTERNALS = (DECISIONS, RETRAINING)


def external_version(store: Store, subject: Subject, name: str) -> str:
    """The version of an external that a stage names.

    Of `DECISIONS` another one after each new decision; of `RETRAINING` after as many as
    `detector.retrain_every` says, if the detector is to be trained anew by itself. Else it stays
    as it is, so that nothing but a command trains anew.
    """
    if name not in EXTERNALS:
        raise KeyError(name)
    if name == RETRAINING:
        return _retraining(store, subject)
    version = decisions_version(store, subject.name)
    assert version is not None
    return version


def _retraining(store: Store, subject: Subject) -> str:
    # By decisions, not by the labels that they make: a new detector changes which crops are
    # decided, and so the labels, and would set off the next training.
    params = subject.spec.detector
    if not isinstance(params, YoloTrainingParams) or params.retrain == "on_request":
        record = Versions(store).current(subject.name, TRAINED_DETECTOR.name)
        return "round 0" if record is None else record.upstreams.get(RETRAINING, "round 0")
    version = decisions_version(store, subject.name)
    num_decisions = _num_decisions(store.location, subject.name, version or "")
    return f"round {num_decisions // params.retrain_every}"


@lru_cache(maxsize=256)
def _num_decisions(location: str, subject: str, _version: str) -> int:
    return len(read_decisions(Store(location), subject))
