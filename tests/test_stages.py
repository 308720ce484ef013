import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes import subject, with_detector

from wunderkammer.stages import (
    DETECTIONS,
    FILTERED_CROPS,
    STAGES,
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


def prints(spec, versions=VERSIONS):
    return {stage.name: fingerprint(stage, spec, versions) for stage in STAGES}


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_a_stage_reads_only_stages_before_it():
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    for position, stage in enumerate(STAGES):
        assert set(stage.upstreams) <= set(names[:position])


def test_each_section_belongs_to_exactly_one_stage():
    owned = [section for stage in STAGES for section in stage.sections]
    assert sorted(owned) == sorted(SECTIONS)


def test_a_subject_without_a_detector_has_no_detections():
    spec = subject().spec
    assert chain(spec) == tuple(stage for stage in STAGES if stage != DETECTIONS)
    assert upstreams_of(FILTERED_CROPS, spec) == ("raw_scrape",)


def test_a_subject_with_a_detector_has_them_and_its_crops_read_them():
    spec = with_detector(subject()).spec
    assert chain(spec) == STAGES
    assert upstreams_of(FILTERED_CROPS, spec) == ("raw_scrape", "detections")
    without = {**VERSIONS, "detections": "other boxes"}
    assert differing(prints(spec), prints(spec, without)) == {"filtered_crops"}


@pytest.mark.parametrize("section", CHANGES)
def test_a_section_changes_the_fingerprint_of_its_own_stage_alone(section):
    before, after = prints(subject().spec), prints(subject(**CHANGES[section]).spec)
    (owner,) = [stage.name for stage in STAGES if section in stage.sections]
    assert differing(before, after) == {owner}


@pytest.mark.parametrize("upstream", [stage.name for stage in STAGES if stage != DETECTIONS])
def test_an_upstream_version_changes_the_fingerprints_of_its_direct_readers(upstream):
    spec = subject().spec
    after = prints(spec, {**VERSIONS, upstream: "new content"})
    readers = {stage.name for stage in STAGES if upstream in stage.upstreams}
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


@given(st.dictionaries(st.sampled_from(sorted(VERSIONS)), st.text("ab"), min_size=7, max_size=7))
def test_a_fingerprint_follows_only_from_the_versions_that_are_read(versions):
    spec = subject().spec
    for stage in STAGES:
        read = {name: versions[name] for name in upstreams_of(stage, spec)}
        assert fingerprint(stage, spec, versions) == fingerprint(stage, spec, read)
