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
    """One asset of the chain. Bump `code_version` when the meaning of its output changes."""

    name: str
    code_version: str
    sections: tuple[str, ...]
    upstreams: tuple[str, ...] = ()


RAW_SCRAPE = Stage("raw_scrape", "1", sections=("scrape",))
DETECTIONS = Stage("detections", "1", sections=("detect",), upstreams=("raw_scrape",))
FILTERED_CROPS = Stage(
    "filtered_crops", "2", sections=("filter",), upstreams=("raw_scrape", "detections")
)
DEDUPED_SHARDS = Stage(
    "deduped_shards", "1", sections=("dedupe", "shard"), upstreams=("filtered_crops",)
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
    DETECTIONS,
    FILTERED_CROPS,
    DEDUPED_SHARDS,
    TRAINED_CHECKPOINT,
    INTERPOLATION_VIDEO,
    EVALUATION,
)


def chain(spec: SubjectSpec) -> tuple[Stage, ...]:
    """The stages of one subject in the order of their running; no detector, no `detections`."""
    has_detector = spec.detect.kind != "none"
    return tuple(stage for stage in STAGES if stage != DETECTIONS or has_detector)


def upstreams_of(stage: Stage, spec: SubjectSpec) -> tuple[str, ...]:
    """The names of the stages of this subject's chain that `stage` reads."""
    present = {other.name for other in chain(spec)}
    return tuple(name for name in stage.upstreams if name in present)


def fingerprint(stage: Stage, spec: SubjectSpec, upstream_versions: Mapping[str, str]) -> str:
    """What `stage` would build: equal fingerprints mean equal output (64 hex digits)."""
    return digest(
        {
            "stage": stage.name,
            "code_version": stage.code_version,
            "sections": {name: spec.section_digest(name) for name in stage.sections},
            "upstreams": {n: upstream_versions[n] for n in upstreams_of(stage, spec)},
        }
    )
