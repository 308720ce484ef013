import io
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from wunderkammer.build import StageInputs, build_stage, stage_inputs
from wunderkammer.gan.check import check_trained
from wunderkammer.gan.checkpoints.published import check_checkpoint, load_generator
from wunderkammer.gan.interop.portable import Portable, write_portable
from wunderkammer.gan.job import (
    MissingCheckpointError,
    TrainingJob,
    collect_training,
    plan_training,
)
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.gan.train import load_start
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import Surroundings, run_training
from wunderkammer.stages import TRAINED_CHECKPOINT
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet
from wunderkammer.storage.versions import Draft, Record, Summary, Versions, now
from wunderkammer.subject import Subject, SubjectSpec

RECIPE = {
    "scrape": {"kind": "patchwork"},
    "filter": {"kind": "whole"},
    "shard": {"resolution_px": 8},
    "train": {
        "kind": "stylegan2",
        "network": "tiny",
        "total_kimg": 0.016,
        "batch_size": 4,
        "tick_kimg": 0.008,
    },
}


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "data"))
    files = {f"train-{n:05d}-of-00002.parquet": b"shard" for n in range(2)}
    draft = Draft(data_version="images", summary=Summary(), files={**files, "kept.jpg": b"sheet"})
    record = Record(
        subject="quilt",
        stage="deduped_shards",
        version="",
        data_version="images",
        fingerprint="f",
        code_version="1",
        sections={"shard": {"resolution_px": 8}},
        upstreams={},
        files=(),
        summary=Summary(num_out=24),
        created_at=now(),
    )
    Versions(store).commit(record, draft)
    return store


@pytest.fixture
def inputs(store, tmp_path):
    def make(shard=None, **train):
        recipe = {**RECIPE, "train": {**RECIPE["train"], **train}}
        recipe["shard"] = {**RECIPE["shard"], **(shard or {})}
        spec = SubjectSpec.model_validate_json(json.dumps(recipe))
        subject = Subject("quilt", spec, tmp_path)
        return stage_inputs(TRAINED_CHECKPOINT, subject, store=store)

    return make


@pytest.fixture
def plan(inputs, tmp_path):
    def make(**settings):
        return plan_training(inputs(**settings), device="cpu", scratch=tmp_path / "scratch")

    return make


def train_in_process(job, pictures, *, scores=None):
    around = Surroundings(
        archive=job.archive,
        device=torch.device("cpu"),
        on_tick=lambda report: None,
        should_stop=lambda: False,
        score=None if scores is None else lambda generator: scores.pop(0),
    )
    return run_training(TrainingImages.of(pictures), job.train, around=around)


def test_a_job_survives_its_json_and_names_the_shards_in_order(plan, store):
    job = plan()
    assert TrainingJob.model_validate_json(job.model_dump_json()) == job
    assert [key.rpartition("/")[2] for key in job.shard_keys] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert all(store.exists(key) for key in job.shard_keys)
    assert job.run_prefix == f"subjects/quilt/trained_checkpoint/runs/{job.trajectory}"
    assert (job.resolution_px, job.channels) == (8, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"total_kimg": 4.0},
        {"tick_kimg": 0.016},
        {"snapshot_ticks": 7},
        {"keep_last": 9},
        {"keep_best": 2},
        {"publish": "best"},
        {"micro_batch": 4},
        {"residence": "stream"},
    ],
)
def test_how_long_and_how_often_leave_the_trajectory_alone(plan, settings):
    assert plan(**settings).trajectory == plan().trajectory


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1},
        {"learning_rate": 0.001},
        {"batch_size": 8},
        {"network": "small"},
        {"mirror": True},
        {"held_out": 0.1},
        {"augment": {"kind": "ada"}},
        {"health": {"rollback": True}},
    ],
)
def test_what_shapes_the_weights_changes_the_trajectory(plan, settings):
    assert plan(**settings).trajectory != plan().trajectory


def test_a_curriculum_and_the_ranks_it_goes_by_shape_the_weights(plan, store):
    curriculum = {"kind": "measure", "measure": "sharpness", "all_at_kimg": 0.008}
    versions = Versions(store)
    found = {plan().trajectory}
    for sharpness in ([1.0, 2.0], [3.0, 4.0], [2.0, 1.0]):
        record = versions.current("quilt", "deduped_shards")
        rows = {
            "image_sha256": ["a", "b"],
            "shard": ["train-00000", "train-00000"],
            "row": [0, 1],
            "decision": ["kept", "kept"],
            "measure/sharpness": sharpness,
        }
        files = {name: versions.read(record, name) for name in record.files if "/" not in name}
        files.pop("manifest.parquet", None)
        versions.commit(record, Draft("images", Summary(), pa.table(rows), files))
        found.add(plan(curriculum=curriculum).trajectory)
    assert len(found) == 3  # other values in the same order make no other training


def test_a_training_takes_the_shards_as_they_are_though_the_recipe_has_been_edited(plan):
    edited = plan(shard={"resolution_px": 16, "channels": 1})
    assert (edited.resolution_px, edited.channels) == (8, 3)
    assert edited.trajectory == plan().trajectory


def test_shards_without_a_picture_are_refused_with_the_remedy(inputs, tmp_path):
    found = inputs()
    shards = found.upstreams["deduped_shards"].model_copy(update={"files": ("kept.jpg",)})
    empty = StageInputs(found.subject, found.store, {"deduped_shards": shards}, "f")
    with pytest.raises(ValueError, match="no image to train on"):
        plan_training(empty, device="cpu", scratch=tmp_path)


def test_an_unknown_device_is_refused(inputs, tmp_path):
    with pytest.raises(ValueError, match="device"):
        plan_training(inputs(), device="tpu", scratch=tmp_path)


def test_a_training_that_is_not_finished_cannot_be_collected(inputs, plan):
    with pytest.raises(MissingCheckpointError, match=r"at 0\.016 kimg"):
        collect_training(plan())


def test_a_finished_training_becomes_a_version_that_draws(inputs, plan, pictures, store):
    outcome = train_in_process(plan(), pictures)
    subject = inputs().subject
    built = build_stage(
        TRAINED_CHECKPOINT,
        subject,
        store=store,
        builder=lambda _: collect_training(plan()),
    )
    record, versions = built.record, Versions(store)
    assert set(record.files) == {
        "checkpoint.safetensors",
        "checkpoint.json",
        "grid.jpg",
        "loss.png",
        "stats.parquet",
    }
    assert record.data_version == outcome.facts.digest
    tensors = versions.read(record, "checkpoint.safetensors")
    config = json.loads(versions.read(record, "checkpoint.json"))["generator"]
    generator = load_generator(tensors, config)
    w = generator.mapping(torch.randn(2, generator.z_dim), truncation_psi=0.7)
    image = generator.synthesis(w, noise_mode="const")
    assert image.shape == (2, generator.channels, generator.resolution_px, generator.resolution_px)
    assert check_checkpoint(tensors, config, pictures[:4]) is None


def test_the_check_of_a_checkpoint_stands_when_shards_of_another_size_have_come_since(
    inputs, plan, pictures, store
):
    train_in_process(plan(), pictures)
    subject = inputs().subject
    build_stage(
        TRAINED_CHECKPOINT,
        subject,
        store=store,
        builder=lambda _: collect_training(plan()),
    )
    versions = Versions(store)
    shards = versions.current("quilt", "deduped_shards")
    versions.restore(shards.model_copy(update={"data_version": "others"}))
    assert check_trained(subject, store) is None


def test_the_plot_and_the_table_show_every_tick(inputs, plan, pictures):
    settings = {"snapshot_ticks": 2, "r1_interval": 4}
    train_in_process(plan(**settings), pictures, scores=[0.5])
    draft = collect_training(plan(**settings))
    plot = Image.open(io.BytesIO(draft.files["loss.png"]))
    assert plot.size == (1700, 300)
    assert len(np.unique(np.asarray(plot.convert("L")))) > 10
    table = pq.read_table(pa.BufferReader(draft.files["stats.parquet"]))
    assert table["num_images"].to_pylist() == [8, 16]
    assert table["distance/sliced_wasserstein"].to_pylist() == [None, 0.5]
    assert {"loss/generator", "images_per_s", "memory_mb", "elapsed_s"} < set(table.column_names)
    assert draft.summary.measures["kimg"] == 0.016
    assert draft.summary.num_in == len(pictures)


def test_planning_and_collecting_do_not_load_torch():
    code = "import sys, wunderkammer.gan.job; assert 'torch' not in sys.modules, 'torch loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)


def publish(inputs, job):
    build_stage(
        TRAINED_CHECKPOINT,
        inputs.subject,
        store=inputs.store,
        builder=lambda _: collect_training(job),
    )


def test_the_best_checkpoint_is_published_where_the_recipe_asks_for_it(inputs, plan, pictures):
    settings = {"publish": "best", "snapshot_ticks": 1}
    job = plan(**settings)
    train_in_process(job, pictures, scores=[1.0, 2.0])
    draft = collect_training(job)
    assert json.loads(draft.files["checkpoint.json"])["num_images"] == 8
    assert draft.summary.measures["distance/sliced_wasserstein"] == 1.0
    last = collect_training(plan(snapshot_ticks=1))
    assert json.loads(last.files["checkpoint.json"])["num_images"] == 16


def test_a_training_may_start_from_the_previous_checkpoint_of_its_subject(inputs, plan, pictures):
    first = plan(start={"kind": "previous"})
    assert first.start is None
    train_in_process(first, pictures)
    publish(inputs(start={"kind": "previous"}), first)
    second = plan(start={"kind": "previous"})
    assert second.start is not None
    assert second.trajectory != first.trajectory
    portable = load_start(inputs().store, second.start)
    assert portable.networks.resolution_px == 8
    published = Versions(inputs().store).current("quilt", "trained_checkpoint")
    tensors = Versions(inputs().store).read(published, "checkpoint.safetensors")
    generator = load_generator(tensors, portable.networks.model_dump())
    found = portable.network("average")
    assert found.keys() == generator.state_dict().keys()
    assert all(value.equal(found[name]) for name, value in generator.state_dict().items())
    assert portable.network("discriminator")


@pytest.fixture
def cats(tmp_path):
    """A portable checkpoint of small networks, beside the subject file."""
    sizes = {"z_dim": 64, "w_dim": 64, "num_mapping_layers": 2, "channel_base": 512}
    params = StyleGan2Network(resolution_px=8, channels=3, channel_max=64, **sizes)
    generator, discriminator = build_networks(params)
    tensors = {f"average.{key}": value for key, value in generator.state_dict().items()}
    tensors |= {f"discriminator.{k}": value for k, value in discriminator.state_dict().items()}
    sha256 = write_portable(tmp_path / "cats.safetensors", Portable(params, tensors))
    return {"kind": "file", "path": "cats.safetensors"}, sha256


def test_a_training_may_start_from_a_file_that_the_recipe_pins(plan, inputs, cats):
    start, sha256 = cats
    job = plan(start=start)
    assert job.start.sha256 == sha256
    assert job.trajectory != plan().trajectory
    assert load_start(inputs().store, job.start).network("average")
    assert plan(start={**start, "sha256": sha256}).start.sha256 == sha256
    with pytest.raises(ValueError, match="has the SHA-256"):
        plan(start={**start, "sha256": "0" * 64})
    with pytest.raises(FileNotFoundError, match="import-checkpoint"):
        plan(start={"kind": "file", "path": "dogs.safetensors"})


def labelled(store, labels):
    """Shards of pictures with these labels in place of the fixture's."""
    metadata = {"info": {"features": {"label": {"dtype": "string"}}}}
    table = pa.table({"label": pa.array(labels, pa.string())})
    table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    versions = Versions(store)
    record = versions.current("quilt", "deduped_shards")
    shards = {name: to_parquet(table) for name in record.files if name.endswith(".parquet")}
    versions.commit(record, Draft(record.data_version, record.summary, files=shards))


def test_a_conditional_training_knows_the_labels_by_name(plan, store):
    labelled(store, ["moth", "bee", "moth"])
    assert plan(conditional=True).labels == ("bee", "moth")
    assert plan().labels == ()


def test_a_picture_without_a_label_is_refused_where_each_needs_one(plan, store):
    labelled(store, ["moth", None, "moth"])
    with pytest.raises(ValueError, match="2 of 6 pictures have no label"):
        plan(conditional=True)
