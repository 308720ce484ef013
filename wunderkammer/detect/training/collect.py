"""A finished training as a version of the stage `trained_detector`."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from wunderkammer.detect.training.job import DetectorJob, StartWeights
from wunderkammer.detect.training.params import YoloTrainingParams
from wunderkammer.detect.training.result import PICTURE_FILES, RESULT_FILE, TrainingResult
from wunderkammer.detect.training.subject_labels import REPORT_FILES
from wunderkammer.detect.weights import TRAINED_FILE
from wunderkammer.labels.table import Refused
from wunderkammer.manifests import KEPT, REJECTED
from wunderkammer.params import Params
from wunderkammer.storage.tables import to_parquet
from wunderkammer.storage.versions import Draft, Summary

MANIFEST = pa.schema(
    [
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("group", pa.string()),
        ("side", pa.string()),
        ("num_boxes", pa.int32()),
        ("classes", pa.list_(pa.string())),
        ("reviewers", pa.list_(pa.string())),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


class UnfinishedTrainingError(RuntimeError):
    """A training was to be collected that has not come to its end."""


class DetectorDescription(Params):
    """What a finished detector is, beside its weights."""

    class_names: tuple[str, ...]
    architecture: dict[str, Any]
    labels_digest: str
    training: YoloTrainingParams
    start: StartWeights | None
    result: TrainingResult


def collect_detector(job: DetectorJob) -> Draft:
    """The finished detector of `job` as a version of the stage.

    Raises:
        UnfinishedTrainingError: the training has not come to its end.
    """
    result_file = job.path / RESULT_FILE
    if not result_file.is_file():
        raise UnfinishedTrainingError(
            f"the training of a detector for {job.subject!r} has not finished (no {result_file}); "
            f"run it again, it goes on from its last epoch"
        )
    result = TrainingResult.model_validate_json(result_file.read_bytes())
    dataset = job.dataset
    manifest = _manifest(dataset, job)
    names = (*REPORT_FILES, *PICTURE_FILES, TRAINED_FILE)
    files: dict[str, bytes | Path] = {name: job.path / name for name in names}
    files["epochs.parquet"] = to_parquet(pa.Table.from_pylist(list(result.epochs)))
    files["detector.json"] = _description(job, result)
    summary = Summary(
        num_in=manifest.num_rows,
        num_out=dataset.num_rows,
        rejections=dict(Counter(reason for _, reason, _ in job.refused).most_common()),
        timings_s={"training": round(result.seconds, 3)},
        measures=result.measures(labels_digest=job.labels_digest),
    )
    return Draft(result.detector_sha256, summary, manifest, files)


def _manifest(dataset: pa.Table, job: DetectorJob) -> pa.Table:
    """A row a picture that was used, then a row for each thing that was refused."""
    rows = [
        {
            "name": row["name"],
            "sha256": row["sha256"],
            "group": row["group"],
            "side": "held_out" if row["is_held_out"] else "train",
            "num_boxes": len(row["boxes"]),
            "classes": [job.class_names[number] for number in row["classes"]],
            "reviewers": row["reviewers"],
            "decision": KEPT,
        }
        for row in dataset.to_pylist()
    ]
    refused = [Refused(*parts) for parts in job.refused]
    rows += [
        {"name": r.where, "decision": REJECTED, "reason": r.reason, "detail": r.detail}
        for r in refused
    ]
    return pa.Table.from_pylist(rows, MANIFEST)


def _description(job: DetectorJob, result: TrainingResult) -> bytes:
    described = DetectorDescription(
        class_names=job.class_names,
        architecture=job.architecture,
        labels_digest=job.labels_digest,
        training=job.training,
        start=job.start,
        result=result,
    )
    return described.model_dump_json(indent=1).encode()
