"""What stages read besides the recipe and other stages: decisions of persons, files of theirs."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from wunderkammer.detect.training.params import YoloTrainingParams
from wunderkammer.named_files import (
    NamedFile,
    changed_within,
    dedupe_files,
    detect_files,
    detector_files,
    files_digest,
    filter_files,
)
from wunderkammer.review.journal import decisions_version, read_decisions
from wunderkammer.scratch import scratch_folder
from wunderkammer.stages import DEDUPED_SHARDS, DETECTIONS, FILTERED_CROPS, TRAINED_DETECTOR, Stage
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

DECISIONS = "decisions"
RETRAINING = "retraining"
DETECTOR_FILES = "detector_files"
# By the external the stage whose files they are, and what names them.
FILES: Mapping[str, tuple[Stage, Callable[[Subject], list[NamedFile]]]] = MappingProxyType(
    {
        DETECTOR_FILES: (TRAINED_DETECTOR, detector_files),
        "detect_files": (DETECTIONS, detect_files),
        "filter_files": (FILTERED_CROPS, filter_files),
        "dedupe_files": (DEDUPED_SHARDS, dedupe_files),
    }
)
EXTERNALS = (DECISIONS, RETRAINING, *FILES)
NO_FILES = "none"
MISSING = "missing"


def externals_of(stage: Stage, subject: Subject) -> tuple[str, ...]:
    """The externals that `stage` reads of this subject: of files only those that there are."""
    return tuple(name for name in stage.externals if name not in FILES or FILES[name][1](subject))


def external_version(store: Store, subject: Subject, name: str) -> str:
    """The version of an external that a stage names.

    Of `DECISIONS` another one after each new decision; of `RETRAINING` after as many as
    `detector.retrain_every` says, if the detector is to be trained anew by itself. Else it stays
    as it is, so that nothing but a command trains anew. Of files another one if one of them holds
    something else; while one is missing, that of the last build: what was made of it stays, and
    what has to be made says what is missing.
    """
    if name not in EXTERNALS:
        raise KeyError(name)
    if name in FILES:
        return _files(store, subject, name)
    if name == RETRAINING:
        return _retraining(store, subject)
    version = decisions_version(store, subject.name)
    assert version is not None
    return version


def automatic_version(store: Store, subject: Subject, name: str) -> str:
    """`external_version` as the automation is told it.

    A detector that is trained on request is stale by other labels, but trained anew by a command
    only: labels are drawn for hours, and each of them would set off a training.
    """
    params = subject.spec.detector
    is_on_request = isinstance(params, YoloTrainingParams) and params.retrain == "on_request"
    if name == DETECTOR_FILES and is_on_request:
        record = Versions(store).current(subject.name, TRAINED_DETECTOR.name)
        if record is not None:
            return record.upstreams.get(name, MISSING)
    return external_version(store, subject, name)


def is_settled(subject: Subject, name: str, *, quiet_s: float) -> bool:
    """Whether no file of an external was changed within `quiet_s`, by somebody at work on it."""
    return not changed_within(FILES[name][1](subject), seconds=quiet_s)


def _files(store: Store, subject: Subject, name: str) -> str:
    stage, named_by = FILES[name]
    named = named_by(subject)
    if not named:
        return NO_FILES
    try:
        return files_digest(named, cache=scratch_folder(store) / "file_digests")
    except FileNotFoundError:
        record = Versions(store).current(subject.name, stage.name)
        return MISSING if record is None else record.upstreams.get(name, MISSING)


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
