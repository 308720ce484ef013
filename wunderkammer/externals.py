"""What stages read besides the recipe and other stages: the decisions of persons."""

from wunderkammer.review.journal import decisions_version
from wunderkammer.storage.store import Store

DECISIONS = "decisions"


def external_version(store: Store, subject: str, name: str) -> str:
    """The version of an external that a stage names: another one after each new decision."""
    if name != DECISIONS:
        raise KeyError(name)
    version = decisions_version(store, subject)
    assert version is not None
    return version
