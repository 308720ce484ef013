"""The files that a recipe names besides its pictures: weights, labels, examples; and their digests.

What counts is what they hold. A file of more than some hundred kB is hashed once, and then known by
its size and the times of its last change, in a folder of the machine.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import time
from typing import Literal

from wunderkammer.detect.params import YoloParams
from wunderkammer.detect.training.params import WeightsStart, YoloTrainingParams
from wunderkammer.labels.formats.yolo import names_file
from wunderkammer.labels.params import LabelsParams
from wunderkammer.params import digest
from wunderkammer.storage.store import DEFAULT_DATA, Store
from wunderkammer.subject import Subject

# Of a smaller one the hash is had as fast as what would be remembered of it.
LARGE_BYTES = 1 << 18
# A file that was changed a moment ago may be changed again within a tick of its clock.
SETTLED_S = 2.0
# What annotations are kept in. The pictures beside them are not watched: one more is no reason to
# train anew.
LABEL_SUFFIXES = (".xml", ".txt", ".json", ".csv", ".yaml", ".yml", ".names", ".labels")


def weights_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that `WUNDERKAMMER_WEIGHTS` names, else `data/weights`."""
    named = environ.get("WUNDERKAMMER_WEIGHTS")
    return Path(named).expanduser() if named else DEFAULT_DATA / "weights"


def weights_places(name: str, *, subject: Subject) -> list[Path]:
    """Where a file of weights is looked for: from the subject file on; a bare name there too."""
    is_bare_name = Path(name).name == name
    return [subject.resolve(name), *([weights_folder() / name] if is_bare_name else [])]


@dataclass(frozen=True)
class NamedFile:
    """A file or folder that a setting names, and where it is looked for."""

    kind: Literal["file", "labels", "examples"]
    places: tuple[Path, ...]

    @property
    def files(self) -> list[Path]:
        """What of it counts, in a fixed order.

        Raises:
            FileNotFoundError: there is no such file or folder.
        """
        for place in self.places:
            if place.is_file():
                return [place]
            if place.is_dir() and self.kind != "file":
                pattern = "**/*" if self.kind == "labels" else "*"
                return [file for file in sorted(place.glob(pattern)) if self._counts(file)]
        raise FileNotFoundError(f"none of {[str(place) for place in self.places]} is there")

    def _counts(self, file: Path) -> bool:
        is_label = self.kind == "examples" or file.suffix.lower() in LABEL_SUFFIXES
        return is_label and not file.name.startswith(".") and file.is_file()


def detector_files(subject: Subject) -> list[NamedFile]:
    """Those that the section `detector` names and does not pin."""
    params = subject.spec.detector
    if not isinstance(params, YoloTrainingParams):
        return []
    found = []
    if params.labels is not None:
        found += _labels(params.labels, subject)
    if isinstance(params.start, WeightsStart) and params.start.sha256 is None:
        found.append(_weights(params.start.path, subject))
    # Else it is the name of one that ultralytics ships.
    if params.architecture and (file := subject.resolve(params.architecture)).is_file():
        found.append(NamedFile("file", (file,)))
    return found


def _labels(params: LabelsParams, subject: Subject) -> list[NamedFile]:
    path = subject.resolve(params.path)
    watched = [NamedFile("labels", (path,))]
    if path.is_dir() and params.format in ("auto", "yolo"):
        names = names_file(path)
        if names is not None and names.parent != path:
            watched.append(NamedFile("labels", (names,)))
    return watched


def detect_files(subject: Subject) -> list[NamedFile]:
    """Those that the section `detect` names and does not pin."""
    params = subject.spec.detect
    if not isinstance(params, YoloParams) or subject.spec.detects_with_own or params.sha256:
        return []
    return [_weights(params.weights, subject)]


def filter_files(subject: Subject) -> list[NamedFile]:
    """Those that the section `filter` names and does not pin."""
    params = subject.spec.filter
    networks = [part for part in (params.classify, params.similar, params.outliers) if part]
    found = [_weights(part.weights, subject) for part in networks if part.sha256 is None]
    if params.mask is not None and params.mask.sha256 is None:
        found.append(_weights(params.mask.model, subject))
    if params.classify is not None and isinstance(params.classify.labels, str):
        labels = subject.resolve(params.classify.labels)
        # Else it is the word for the labels of ImageNet.
        found += [NamedFile("file", (labels,))] if params.classify.labels != "imagenet" else []
    if params.similar is not None:
        found.append(NamedFile("examples", (subject.resolve(params.similar.examples),)))
    return found


def dedupe_files(subject: Subject) -> list[NamedFile]:
    """The network that the section `dedupe` names, unless it is pinned."""
    network = subject.spec.dedupe.embedding
    if network is None or network.sha256 is not None:
        return []
    return [_weights(network.weights, subject)]


def _weights(name: str, subject: Subject) -> NamedFile:
    return NamedFile("file", tuple(weights_places(name, subject=subject)))


def files_digest(named: list[NamedFile], *, cache: Path) -> str:
    """A digest of what the files hold; of folders also of their names.

    Args:
        cache: the folder in which hashes of large files are remembered.

    Raises:
        FileNotFoundError: one is not there.
    """
    return digest([list(_contents(one, cache)) for one in named])


def changed_within(named: list[NamedFile], *, seconds: float) -> bool:
    """Whether one of the files is younger than that: somebody may still be saving."""
    try:
        times = [file.stat().st_mtime for one in named for file in one.files]
    except FileNotFoundError:
        return False
    return time() - max(times, default=0.0) < seconds


def _contents(named: NamedFile, cache: Path) -> Iterator[list[str]]:
    for file in named.files:
        yield ["" if named.kind == "file" else file.name, _sha256(file, cache)]


def _sha256(file: Path, cache: Path) -> str:
    found = file.stat()
    # The time of change is the system's own: a copy that keeps its date has a new one.
    state = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if time() - max(found.st_mtime, found.st_ctime) < SETTLED_S:
        return _hashed(file)
    if found.st_size < LARGE_BYTES:
        return _known(file, state)
    remembered, key = Store(str(cache)), f"{digest(str(file))}.json"
    known = json.loads(remembered.find(key) or b"{}")
    if known.get("state") != list(state):
        known = {"state": state, "sha256": _known(file, state)}
        remembered.write(key, json.dumps(known).encode())
    return str(known["sha256"])


@lru_cache(maxsize=1 << 16)
def _known(file: Path, _state: tuple[int, int, int]) -> str:
    return _hashed(file)


def _hashed(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
