import os
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import subject, with_detector

from wunderkammer.build import build_stage
from wunderkammer.params import digest
from wunderkammer.stages import STAGES, chain
from wunderkammer.staleness import assess, steps_to_run
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Draft, Summary, Versions

OPTIONAL = ("trained_detector", "detections", "reviewed_crops")
NAMES = [stage.name for stage in STAGES if stage.name not in OPTIONAL]
BY_NAME = {stage.name: stage for stage in STAGES}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def build(recipe, store, *names, content="", force=False):
    """Build the named stages (all, if none is named); the content follows from the inputs."""
    for stage in chain(recipe.spec, has_decisions=False):
        if names and stage.name not in names:
            continue

        def builder(inputs):
            data_version = digest(content or inputs.fingerprint)
            return Draft(data_version, Summary(), pa.table({"id": [data_version]}))

        build_stage(stage, recipe, store=store, builder=builder, force=force)


def states(recipe, store):
    return {step.asset: step.state for step in assess(recipe, Versions(store))}


def causes(recipe, store):
    return {step.asset: step.cause for step in assess(recipe, Versions(store)) if step.cause}


def only(stale, state="stale"):
    return {name: state if name in stale else "fresh" for name in NAMES}


def test_before_the_first_build_all_is_missing(store):
    steps = assess(subject(), Versions(store))
    assert [step.asset for step in steps] == NAMES
    assert {(step.subject, step.state, step.cause) for step in steps} == {
        ("cat", "missing", "never built")
    }
    assert steps_to_run(steps) == steps


def test_after_a_build_all_is_fresh_and_nothing_would_run(store):
    build(subject(), store)
    assert states(subject(), store) == only(())
    assert causes(subject(), store) == {}
    assert steps_to_run(assess(subject(), Versions(store))) == []


SETTINGS = [
    ("raw_scrape", {"scrape__path": "paintings"}, "scrape.path: pictures → paintings"),
    ("raw_scrape", {"scrape__max_images": 9}, "scrape.max_images: default → 9"),
    ("filtered_crops", {"filter__min_side_px": 96}, "filter.min_side_px: 64 → 96"),
    ("filtered_crops", {"filter__codec": "png"}, "filter.codec: default → png"),
    ("deduped_shards", {"dedupe__max_distance": 4}, "dedupe.max_distance: default → 4"),
    ("deduped_shards", {"shard__channels": 1}, "shard.channels: default → 1"),
    ("trained_checkpoint", {"train__seed": 7}, "train.seed: default → 7"),
    ("interpolation_video", {"video__fps": 60}, "video.fps: default → 60"),
    ("evaluation", {"evaluate__num_fakes": 99}, "evaluate.num_fakes: default → 99"),
]


@pytest.mark.parametrize(("first", "change", "cause"), SETTINGS)
def test_a_setting_makes_its_stage_and_all_that_follows_stale_at_once(store, first, change, cause):
    build(subject(), store)
    changed = subject(**change)
    expected = {first: cause}
    for stage in chain(subject().spec, has_decisions=False):
        stale = sorted(expected.keys() & set(stage.upstreams))
        if stale:
            expected[stage.name] = "; ".join(f"{name} is stale" for name in stale)
    assert states(changed, store) == only(expected)
    assert causes(changed, store) == expected


def test_a_setting_that_goes_back_to_its_default_says_so(store):
    build(subject(filter__max_aspect=3.0), store)
    assert causes(subject(), store)["filtered_crops"] == "filter.max_aspect: 3.0 → default"


def test_all_changed_settings_are_named(store):
    build(subject(), store)
    changed = subject(dedupe__max_distance=4, shard__channels=1, shard__seed=3)
    assert causes(changed, store)["deduped_shards"] == (
        "dedupe.max_distance: default → 4; shard.channels: default → 1; shard.seed: default → 3"
    )


def test_another_subject_is_left_alone(store):
    build(subject(), store)
    build(subject("dog"), store)
    assert states(subject("cat", filter__min_side_px=96), store) != only(())
    assert states(subject("dog"), store) == only(())


def test_a_step_that_yields_what_it_did_before_spares_all_that_follows(store):
    build(subject(), store, "raw_scrape")
    build(subject(), store, "filtered_crops", content="same crops")
    build(subject(), store)
    changed = subject(filter__min_side_px=65)
    assert states(changed, store) == only(NAMES[1:])
    build(changed, store, "filtered_crops", content="same crops")
    assert states(changed, store) == only(())


def test_a_step_that_yields_something_new_makes_its_reader_stale_by_content(store):
    build(subject(), store)
    build(subject(), store, "raw_scrape", content="more pictures", force=True)
    assert states(subject(), store) == only(NAMES[1:])
    assert causes(subject(), store)["filtered_crops"] == "raw_scrape has new content"
    assert causes(subject(), store)["deduped_shards"] == "filtered_crops is stale"


def test_a_rescrape_with_nothing_new_changes_nothing(store):
    build(subject(), store, "raw_scrape", content="pictures")
    build(subject(), store)
    build(subject(), store, "raw_scrape", content="pictures", force=True)
    assert states(subject(), store) == only(())


def test_a_new_code_version_makes_its_stage_and_what_follows_stale(store, monkeypatch):
    build(subject(), store)
    older = BY_NAME["deduped_shards"]
    newer = replace(older, code_version=f"{older.code_version}b")
    stages = tuple(newer if stage.name == newer.name else stage for stage in STAGES)
    monkeypatch.setattr("wunderkammer.stages.STAGES", stages)
    assert states(subject(), store) == only(NAMES[2:])
    cause = f"code version {older.code_version} → {newer.code_version}"
    assert causes(subject(), store)["deduped_shards"] == cause


def test_what_was_never_built_is_missing_and_what_was_stays_fresh(store):
    build(subject(), store, "raw_scrape", "filtered_crops")
    assert states(subject(), store) == only(NAMES[2:], "missing")


def test_a_failed_step_says_why_and_what_follows_is_stale(store):
    build(subject(), store)
    versions = Versions(store)
    record = versions.current("cat", "filtered_crops")
    attempt = versions.begin("cat", "filtered_crops", record.fingerprint)
    versions.fail("cat", "filtered_crops", attempt, "OSError: the disk is full")
    assert states(subject(), store) == {**only(NAMES[2:]), "filtered_crops": "failed"}
    assert causes(subject(), store)["filtered_crops"] == "OSError: the disk is full"
    assert causes(subject(), store)["deduped_shards"] == "filtered_crops failed"
    assert [step.asset for step in steps_to_run(assess(subject(), versions))] == NAMES[1:]


def test_a_step_that_was_killed_after_it_had_published_is_fresh(store):
    versions = Versions(store)
    build(subject(), store)
    record = versions.current("cat", "filtered_crops")
    gone = versions.begin("cat", "filtered_crops", record.fingerprint).model_copy(
        update={"pid_started": 0.0, "started_at": record.created_at}
    )
    note = "subjects/cat/filtered_crops/attempt.json"
    store.write(note, gone.model_dump_json().encode())
    assert set(states(subject(), store).values()) == {"fresh"}
    later = gone.model_copy(update={"started_at": "2999-01-01T00:00:00+00:00"})
    store.write(note, later.model_dump_json().encode())
    assert states(subject(), store)["filtered_crops"] == "failed"


def test_a_step_that_is_running_is_said_to_run(store):
    versions = Versions(store)
    attempt = versions.begin("cat", "raw_scrape", "f")
    assert attempt.pid == os.getpid()
    assert causes(subject(), store)["raw_scrape"] == (
        f"never built; running since {attempt.started_at}"
    )
    assert states(subject(), store)["raw_scrape"] == "missing"


def test_a_subject_with_a_detector_has_a_row_for_its_detections(store):
    seeing = with_detector(subject())
    assert list(states(seeing, store)) == [
        stage.name for stage in STAGES if stage.name in (*NAMES, "detections")
    ]
    build(seeing, store)
    assert set(states(seeing, store).values()) == {"fresh"}


def test_other_weights_make_the_detections_stale_and_a_filter_change_does_not(store):
    seeing = with_detector(subject())
    build(seeing, store)
    others = with_detector(subject(), weights="better.pt")
    assert states(others, store) == {"detections": "stale", **only(NAMES[1:])}
    assert causes(others, store)["detections"] == "detect.weights: yolo.pt → better.pt"
    stricter = with_detector(subject(filter__min_side_px=96))
    assert states(stricter, store) == {"detections": "fresh", **only(NAMES[1:])}


def test_a_detector_that_comes_or_goes_is_named_as_the_cause(store):
    build(subject(), store)
    seeing = with_detector(subject())
    assert states(seeing, store) == {"detections": "missing", **only(NAMES[1:])}
    assert causes(seeing, store)["filtered_crops"] == "detections is missing"
    build(seeing, store, "detections")
    assert causes(seeing, store)["filtered_crops"] == "detections has new content"
    build(seeing, store)
    assert causes(subject(), store)["filtered_crops"] == "detections is no longer read"


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "scrape__path": st.sampled_from(["pictures", "paintings"]),
        "filter__min_side_px": st.sampled_from([64, 65]),
        "shard__channels": st.sampled_from([1, 3]),
        "train__mirror": st.booleans(),
        "video__fps": st.sampled_from([30, 60]),
        "evaluate__seed": st.sampled_from([0, 1]),
    },
)


@settings(max_examples=25)
@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_building_what_is_not_fresh_makes_all_fresh_and_builds_nothing_else(history):
    store = Store("memory:///")
    for changes in history:
        recipe = subject(**changes)
        before = assess(recipe, Versions(store))
        fresh = {step.asset for step in before if step.state == "fresh"}
        kept = {name: Versions(store).current("cat", name) for name in fresh}
        for step in steps_to_run(before):
            build(recipe, store, step.asset)
        assert set(states(recipe, store).values()) == {"fresh"}
        assert {name: Versions(store).current("cat", name) for name in fresh} == kept


def test_a_failure_under_a_setting_that_was_taken_back_is_past(store):
    build(subject(), store)
    edited = subject(filter__min_side_px=65)
    crops = BY_NAME["filtered_crops"]
    with pytest.raises(OSError, match="disk full"):
        build_stage(crops, edited, store=store, builder=fail)
    assert states(edited, store)["filtered_crops"] == "failed"
    assert states(subject(), store) == only(set())


def fail(inputs):
    raise OSError("disk full")


def test_a_new_decision_makes_the_reviewed_crops_stale_and_what_reads_them(store):
    reviewed = subject(review__gate="all")
    build(reviewed, store)
    assert set(states(reviewed, store).values()) == {"fresh"}
    store.write("subjects/cat/decisions/ada-0001.jsonl", b"{}\n")
    assert causes(reviewed, store)["reviewed_crops"] == "new decisions"
    assert causes(reviewed, store)["deduped_shards"] == "reviewed_crops is stale"
    assert set(states(subject(), store).values()) >= {"fresh"}
