"""The stage `trained_detector`, seen from outside: what to train, and what came of it.

The training itself runs elsewhere (`wunderkammer.detect.training.train`, a process of its own), so
nothing here needs torch.
"""

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from wunderkammer.build import StageInputs
from wunderkammer.detect.detector_file import Detector, parse_detector
from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.detect.training.architectures import DEFAULT, find_architecture
from wunderkammer.detect.training.dataset import dataset_digest, dataset_table
from wunderkammer.detect.training.params import (
    PreviousStart,
    WeightsStart,
    YoloTrainingParams,
)
from wunderkammer.detect.training.subject_labels import (
    SubjectLabels,
    check_labels,
    subject_labels,
    training_params,
)
from wunderkammer.detect.weights import TRAINED_FILE, TRAINED_STAGE, find_weights
from wunderkammer.params import Params, digest
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import from_parquet, to_parquet
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

RECIPE = "1"
DATASET_FILE = "dataset.parquet"
# Settings whose part in a training is its labels, which are hashed themselves.
OF_LABELS = ("labels", "reviewed", "consistency", "held_out", "group_distance")
# A folder of a training that nobody goes on with is removed after this.
ABANDONED_S = 7 * 24 * 3600


class StartWeights(Params):
    """The file of weights to start from, of this machine or in the store."""

    path: str | None = None
    key: str | None = None
    sha256: str

    def read(self, store: Store) -> Detector:
        """The detector in it.

        Raises:
            DetectorFileError: it is not the one that was planned with.
        """
        if self.path is not None:
            detector = parse_detector(Path(self.path).read_bytes())
        else:
            assert self.key is not None
            detector = parse_detector(store.read(self.key))
        if detector.sha256 != self.sha256:
            raise DetectorFileError(
                f"{self.path or self.key} has the SHA-256 {detector.sha256}, not {self.sha256}; "
                f"get the right file or correct detector.start"
            )
        return detector


class DetectorJob(Params):
    """All that the training process needs to know; written to a JSON file for it.

    `trajectory` names everything that shapes the weights: jobs with the same one go on from each
    other in `folder`.
    """

    location: str
    subject: str
    trajectory: str
    folder: str
    labels_digest: str
    class_names: tuple[str, ...]
    architecture: dict[str, Any]
    training: YoloTrainingParams
    start: StartWeights | None = None
    refused: tuple[tuple[str, str, str], ...] = ()
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return Path(self.folder)

    @property
    def dataset(self) -> pa.Table:
        """The pictures with their boxes, rows of `DATASET`."""
        return from_parquet((self.path / DATASET_FILE).read_bytes())


def plan_detector(inputs: StageInputs, *, device: str, scratch: Path) -> DetectorJob:
    """The job that brings this subject's detector up to date; its labels are checked first.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:<index>".
        scratch: a folder of this machine; the training's own files go below it.

    Raises:
        FileNotFoundError: there are no labels where the recipe says.
        LabelsError: they can't be read, or contradict each other too much.
        DetectorError: there is no such architecture, or the weights to start from are wrong.
    """
    subject, store = inputs.subject, inputs.store
    params = training_params(subject)
    found = subject_labels(subject, store)
    check_labels(found, subject, store)
    labels, dataset = found.labels, _dataset(found, params)
    start, architecture = _beginnings(subject, store, params)
    labels_digest = dataset_digest(dataset, labels.class_names)
    shaping = {
        "recipe": RECIPE,
        "labels": labels_digest,
        "training": shaping_settings(params),
        "architecture": architecture,
        "start": start and start.sha256,
    }
    trajectory = digest(shaping)[:16]
    folder = _run_folder(scratch / "detector-training" / subject.name, trajectory)
    for name, content in {**found.files, DATASET_FILE: to_parquet(dataset)}.items():
        _replace(folder / name, content)
    return DetectorJob(
        location=store.location,
        subject=subject.name,
        trajectory=trajectory,
        folder=str(folder),
        labels_digest=labels_digest,
        class_names=labels.class_names,
        architecture=architecture,
        training=params,
        start=start,
        refused=tuple((r.where, r.reason, r.detail) for r in labels.refused),
        device=device,
    )


def _dataset(found: SubjectLabels, params: YoloTrainingParams) -> pa.Table:
    return dataset_table(
        found.labels,
        found.faults,
        held_out=params.held_out,
        group_distance=params.group_distance,
        seed=params.seed,
    )


def shaping_settings(params: YoloTrainingParams) -> dict[str, Any]:
    """The settings that the weights depend on, beside the labels."""
    return {name: value for name, value in params.canonical().items() if name not in OF_LABELS}


def _beginnings(
    subject: Subject, store: Store, params: YoloTrainingParams
) -> tuple[StartWeights | None, dict[str, Any]]:
    """The weights to start from, and the architecture."""
    start: StartWeights | None = None
    detector: Detector | None = None
    match params.start:
        case WeightsStart(path=name, sha256=pinned):
            file = find_weights(name, subject=subject, setting="detector.start.path")
            detector = parse_detector(file.read_bytes())
            start = StartWeights(path=str(file), sha256=pinned or detector.sha256)
            start.read(store)
        case PreviousStart():
            record = Versions(store).current(subject.name, TRAINED_STAGE)
            if record is not None and TRAINED_FILE in record.files:
                key = Versions(store).key(record, TRAINED_FILE)
                detector = parse_detector(store.read(key))
                start = StartWeights(key=key, sha256=detector.sha256)
    if params.architecture is None and detector is not None:
        return start, dict(detector.architecture)
    return start, find_architecture(params.architecture or DEFAULT, folder=subject.folder)


def _run_folder(home: Path, trajectory: str) -> Path:
    """The folder of a training; those of others that nobody goes on with are removed."""
    folder = home / trajectory
    folder.mkdir(parents=True, exist_ok=True)
    for other in home.iterdir():
        is_old = time.time() - other.stat().st_mtime > ABANDONED_S
        if other != folder and is_old:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _replace(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    part.replace(file)
