"""The chain of stages: what each reads, and the fingerprint that says whether it must run.

    fingerprint = H(stage, code_version, digests of its sections, data versions of its upstreams)

Two runs with one fingerprint build the same thing, so a finished one is never repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wunderkammer.params import digest
from wunderkammer.subject import SubjectSpec


@dataclass(frozen=True)
class Stage:
    """One asset of the chain. Bump `code_version` when the meaning of its output changes.

    `externals` are what else it reads: what persons have decided, and files that its sections name
    (wunderkammer/externals.py).
    """

    name: str
    code_version: str
    sections: tuple[str, ...]
    upstreams: tuple[str, ...] = ()
    externals: tuple[str, ...] = ()


RAW_SCRAPE = Stage("raw_scrape", "1", sections=("scrape",))
# Not of `raw_scrape`: a new picture is no reason to train anew.
TRAINED_DETECTOR = Stage(
    "trained_detector", "1", sections=("detector",), externals=("retraining", "detector_files")
)
DETECTIONS = Stage(
    "detections",
    "2",
    sections=("detect",),
    upstreams=("raw_scrape", "trained_detector"),
    externals=("detect_files",),
)
FILTERED_CROPS = Stage(
    "filtered_crops",
    "7",
    sections=("filter",),
    upstreams=("raw_scrape", "detections"),
    externals=("filter_files",),
)
REVIEWED_CROPS = Stage(
    "reviewed_crops",
    "5",
    # A corrected crop is rendered as the filter says.
    sections=("review", "filter"),
    upstreams=("filtered_crops",),
    externals=("decisions", "filter_files"),
)
DEDUPED_SHARDS = Stage(
    "deduped_shards",
    "3",
    sections=("dedupe", "shard"),
    upstreams=("filtered_crops", "reviewed_crops"),
    externals=("dedupe_files",),
)
TRAINED_CHECKPOINT = Stage(
    "trained_checkpoint", "3", sections=("train",), upstreams=("deduped_shards",)
)
INTERPOLATION_VIDEO = Stage(
    "interpolation_video", "1", sections=("video",), upstreams=("trained_checkpoint",)
)
# The last, so that a film is not held up by measures that fail.
EVALUATION = Stage(
    "evaluation", "1", sections=("evaluate",), upstreams=("trained_checkpoint", "deduped_shards")
)

STAGES: tuple[Stage, ...] = (
    RAW_SCRAPE,
    TRAINED_DETECTOR,
    DETECTIONS,
    FILTERED_CROPS,
    REVIEWED_CROPS,
    DEDUPED_SHARDS,
    TRAINED_CHECKPOINT,
    INTERPOLATION_VIDEO,
    EVALUATION,
)


def chain(spec: SubjectSpec, *, has_decisions: bool) -> tuple[Stage, ...]:
    """The stages of one subject in the order of their running.

    Without a detector there are no `detections`, without labels to train one no
    `trained_detector`. Without a gate there are no `reviewed_crops`, unless persons have decided
    about its crops all the same: what they have rejected stays out.
    """
    absent = set()
    if spec.detector.kind == "none":
        absent.add(TRAINED_DETECTOR)
    if spec.detect.kind == "none":
        absent.add(DETECTIONS)
    if spec.review.gate == "none" and not has_decisions:
        absent.add(REVIEWED_CROPS)
    return tuple(stage for stage in STAGES if stage not in absent)


def upstreams_of(stage: Stage, spec: SubjectSpec, *, has_decisions: bool) -> tuple[str, ...]:
    """The names of the stages of this subject's chain that `stage` reads."""
    present = {other.name for other in chain(spec, has_decisions=has_decisions)}
    if stage == DEDUPED_SHARDS and REVIEWED_CROPS.name in present:
        present.remove(FILTERED_CROPS.name)
    if stage == DETECTIONS and not spec.detects_with_own:
        present.discard(TRAINED_DETECTOR.name)
    return tuple(name for name in stage.upstreams if name in present)


def fingerprint(stage: Stage, spec: SubjectSpec, read_versions: Mapping[str, str]) -> str:
    """What `stage` would build from the versions of all that it reads, by name.

    Equal fingerprints (64 hex digits) mean equal output.
    """
    return digest(
        {
            "stage": stage.name,
            "code_version": stage.code_version,
            "sections": {name: spec.section_digest(name) for name in stage.sections},
            "upstreams": dict(read_versions),
        }
    )
