"""What a finished evaluation says of memorisation. No torch: the check asks."""

import json

from wunderkammer.stages import EVALUATION
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

MEASURES_FILE = "measures.json"


def memorisation_verdict(subject: Subject, store: Store) -> tuple[bool, str]:
    """Whether nothing speaks for copies, and the verdict in words."""
    versions = Versions(store)
    record = versions.current(subject.name, EVALUATION.name)
    if record is None:
        return False, f"evaluation of {subject.name!r} was never built"
    found = json.loads(versions.read(record, MEASURES_FILE)).get("memorisation")
    if found is None:
        return True, "not judged: switched off in the section evaluate, or too few pictures"
    return not found["is_memorised"], str(found["verdict"])
