import pytest
from recipes import subject, with_detector

from wunderkammer.externals import EXTERNALS
from wunderkammer.stages import (
    DEDUPED_SHARDS,
    DETECTIONS,
    FILTERED_CROPS,
    REVIEWED_CROPS,
    STAGES,
    TRAINED_DETECTOR,
    Stage,
    chain,
    fingerprint,
    upstreams_of,
)
from wunderkammer.subject import SECTIONS

CHANGES = {
    "scrape": {"scrape__path": "paintings"},
    "filter": {"filter__min_side_px": 96},
    "dedupe": {"dedupe__max_distance": 3},
    "shard": {"shard__channels": 1},
    "train": {"train__seed": 7},
    "video": {"video__fps": 60},
    "evaluate": {"evaluate__seed": 7},
}
VERSIONS = {stage.name: f"version of {stage.name}" for stage in STAGES}
VERSIONS |= dict.fromkeys(EXTERNALS, "none")
OPTIONAL = (TRAINED_DETECTOR, DETECTIONS, REVIEWED_CROPS)
# Those of a subject without a detector and without a gate.
PLAIN = tuple(stage for stage in STAGES if stage not in OPTIONAL)


def stages_of(spec, *, has_decisions=False):
    return chain(spec, has_decisions=has_decisions)


def read_by(stage, spec, *, has_decisions=False):
    return upstreams_of(stage, spec, has_decisions=has_decisions)


def prints(spec, versions=VERSIONS):
    return {
        stage.name: fingerprint(
            stage,
            spec,
            {name: versions[name] for name in (*read_by(stage, spec), *stage.externals)},
        )
        for stage in stages_of(spec)
    }


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_a_stage_reads_only_stages_before_it():
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for position, stage in enumerate(STAGES):
        assert set(stage.upstreams) <= set(names[:position])


def test_each_section_is_read_by_one_stage_but_a_correction_is_rendered_as_the_filter_says():
    owned = [section for stage in STAGES for section in stage.sections]
    assert sorted(owned) == sorted([*SECTIONS, "filter"])
    assert "filter" in REVIEWED_CROPS.sections


def test_a_subject_without_a_detector_or_a_gate_has_neither_stage():
    spec = subject().spec
    assert stages_of(spec) == PLAIN
    assert read_by(DEDUPED_SHARDS, spec) == ("filtered_crops",)
    assert read_by(FILTERED_CROPS, spec) == ("raw_scrape",)


def test_a_subject_with_a_detector_has_them_and_its_crops_read_them():
    spec = with_detector(subject()).spec
    assert stages_of(spec) == tuple(
        s for s in STAGES if s not in (TRAINED_DETECTOR, REVIEWED_CROPS)
    )
    assert read_by(FILTERED_CROPS, spec) == ("raw_scrape", "detections")
    without = {**VERSIONS, "detections": "other boxes"}
    assert differing(prints(spec), prints(spec, without)) == {"filtered_crops"}


def test_with_a_gate_the_shards_read_what_was_reviewed_and_each_decision_counts():
    spec = subject(review__gate="all").spec
    assert stages_of(spec) == tuple(s for s in STAGES if s not in (TRAINED_DETECTOR, DETECTIONS))
    assert read_by(DEDUPED_SHARDS, spec) == ("reviewed_crops",)
    decided = {**VERSIONS, "decisions": "one more"}
    assert differing(prints(spec), prints(spec, decided)) == {"reviewed_crops"}


def test_a_detector_of_ones_own_is_read_by_the_detections_that_use_it_and_by_no_other():
    own = {"detector__kind": "yolo", "detect__kind": "yolo"}
    spec = subject(**own, detect__weights="trained").spec
    assert stages_of(spec) == tuple(s for s in STAGES if s != REVIEWED_CROPS)
    assert read_by(DETECTIONS, spec) == ("raw_scrape", "trained_detector")
    assert read_by(TRAINED_DETECTOR, spec) == ()
    assert read_by(DETECTIONS, subject(**own, detect__weights="yolo.pt").spec) == ("raw_scrape",)


def test_a_detector_is_trained_anew_by_another_round_of_the_review_and_not_by_new_pictures():
    spec = subject(detector__kind="yolo").spec
    another = {**VERSIONS, "retraining": "round 1"}
    assert differing(prints(spec), prints(spec, another)) == {"trained_detector"}
    scraped = {**VERSIONS, "raw_scrape": "more pictures"}
    assert "trained_detector" not in differing(prints(spec), prints(spec, scraped))


@pytest.mark.parametrize("section", CHANGES)
def test_a_section_changes_the_fingerprint_of_its_own_stage_alone(section):
    before, after = prints(subject().spec), prints(subject(**CHANGES[section]).spec)
    (owner,) = [stage.name for stage in PLAIN if section in stage.sections]
    assert differing(before, after) == {owner}


@pytest.mark.parametrize("upstream", [stage.name for stage in PLAIN])
def test_an_upstream_version_changes_the_fingerprints_of_its_direct_readers(upstream):
    spec = subject().spec
    after = prints(spec, {**VERSIONS, upstream: "new content"})
    readers = {stage.name for stage in PLAIN if upstream in stage.upstreams}
    assert differing(prints(spec), after) == readers


def test_the_code_version_and_the_name_of_a_stage_are_part_of_its_fingerprint():
    spec = subject().spec
    stages = [
        Stage("filtered_crops", "1", ("filter",), ("raw_scrape",)),
        Stage("filtered_crops", "2", ("filter",), ("raw_scrape",)),
        Stage("reviewed_crops", "1", ("filter",), ("raw_scrape",)),
    ]
    assert len({fingerprint(stage, spec, VERSIONS) for stage in stages}) == 3


def test_the_name_of_the_subject_and_its_description_are_not():
    spec = subject().spec
    renamed = spec.model_copy(update={"description": "Cats."})
    assert prints(subject("dog").spec) == prints(spec) == prints(renamed)


def test_without_a_gate_the_shards_read_what_was_reviewed_once_somebody_has_decided():
    spec = subject().spec
    assert REVIEWED_CROPS not in stages_of(spec)
    assert REVIEWED_CROPS in stages_of(spec, has_decisions=True)
    assert read_by(DEDUPED_SHARDS, spec, has_decisions=True) == ("reviewed_crops",)
