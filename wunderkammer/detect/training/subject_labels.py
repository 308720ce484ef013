"""The labels of a subject: gathered, reported on, and refused if they contradict each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from wunderkammer.detect.training.params import YoloTrainingParams
from wunderkammer.detect.weights import TRAINED_STAGE
from wunderkammer.labels.consistency import Faults, check_consistency, find_faults
from wunderkammer.labels.gather import Scraped, gather_labels
from wunderkammer.labels.label_set import LabelSet
from wunderkammer.labels.report import Report, consistency_report, report_json, report_markdown
from wunderkammer.labels.sheet import label_sheet
from wunderkammer.manifests import kept
from wunderkammer.review.labels import LABELS, reviewed_labels
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

REPORT_FILES = ("labels.md", "labels.json", "labels.jpg")


@dataclass(frozen=True)
class SubjectLabels:
    """The labels of a subject, what is odd about them, and the report as files by name."""

    labels: LabelSet
    faults: Faults
    report: Report
    files: Mapping[str, bytes]


def report_key(subject: str, name: str) -> str:
    """Where the newest report of a subject's labels lies in the store."""
    return f"{Versions.home(subject, TRAINED_STAGE)}/labels/{name}"


def training_params(subject: Subject) -> YoloTrainingParams:
    """The section `detector` of a subject that has one.

    Raises:
        ValueError: it has none.
    """
    params = subject.spec.detector
    if not isinstance(params, YoloTrainingParams):
        raise ValueError(
            f"{subject.name!r} trains no detector; give its file a section `detector` of the kind "
            f"'yolo' with labels"
        )
    return params


def subject_labels(subject: Subject, store: Store) -> SubjectLabels:
    """Gather a subject's labels and report on them; the report is left in the store, too.

    Raises:
        FileNotFoundError: there are no labels where the recipe says.
        LabelsError: they can't be read.
        ValueError: the subject trains no detector.
    """
    params = training_params(subject)
    reviewed = LABELS.empty_table()
    if params.reviewed:
        same = subject.spec.review.min_same_iou
        reviewed = reviewed_labels(store, subject.name, min_same_iou=same)
    gathered = gather_labels(
        store,
        params=params.labels,
        folder=subject.folder,
        reviewed=reviewed,
        scraped=_scraped(Versions(store), subject.name),
        home=Versions.home(subject.name, TRAINED_STAGE),
        subject=subject.name,
        image_size_px=params.image_size_px,
    )
    labels = gathered.labels
    faults = find_faults(labels, params.consistency, image_size_px=params.image_size_px)
    report = consistency_report(gathered, faults, params.consistency, subject=subject.name)
    contents = (
        report_markdown(report).encode(errors="backslashreplace"),
        report_json(report),
        label_sheet(labels, faults, blobs=Blobs(store)),
    )
    files = dict(zip(REPORT_FILES, contents, strict=True))
    for name, content in files.items():
        store.write(report_key(subject.name, name), content)
    return SubjectLabels(labels, faults, report, files)


def check_labels(found: SubjectLabels, subject: Subject, store: Store) -> None:
    """Refuse labels that a detector should not learn from.

    Raises:
        LabelsError: there are none, or too many of them contradict each other.
    """
    check_consistency(
        found.labels,
        found.faults,
        training_params(subject).consistency,
        subject=subject.name,
        report=store.address(report_key(subject.name, REPORT_FILES[0])),
    )


def _scraped(versions: Versions, subject: str) -> Scraped:
    record = versions.current(subject, RAW_SCRAPE.name)
    if record is None:
        return Scraped({}, {})
    rows = kept(versions.manifest(record)).select(["id", "sha256", "group"]).to_pylist()
    return Scraped(
        {row["id"]: row["sha256"] for row in rows},
        {row["sha256"]: row["group"] for row in rows if row["group"] is not None},
    )
