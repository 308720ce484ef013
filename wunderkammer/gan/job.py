"""The `trained_checkpoint` stage, seen from outside: what to train, and what came of it.

The training itself runs elsewhere (`wunderkammer.gan.train`, a process of its own), so nothing
here needs torch.
"""

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field
from safetensors.numpy import save

from wunderkammer.build import StageInputs
from wunderkammer.gan.checkpoints.archive import Archive, Facts, Saved
from wunderkammer.gan.loss_plot import loss_plot
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.gan.params import StyleGan2Params, TrainParams
from wunderkammer.params import Params, digest
from wunderkammer.shards.params import ShardParams
from wunderkammer.shards.read import shard_keys
from wunderkammer.stages import DEDUPED_SHARDS, TRAINED_CHECKPOINT
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet
from wunderkammer.storage.versions import Draft, Summary, Versions

# Settings that say how long to train and how often to look, not which way the weights go.
CADENCE = ("total_kimg", "tick_kimg", "snapshot_ticks", "keep_last")

# What a finished version keeps of a checkpoint: enough to draw, to judge, to start from.
PUBLISHED = ("average.", "discriminator.")


class TrainingJob(Params):
    """All that the training process needs to know; written to a JSON file for it.

    `trajectory` names everything that shapes the weights, except for how long they train: jobs
    with the same one go on from each other's checkpoints below `run_prefix`.
    """

    location: str
    subject: str
    trajectory: str
    run_prefix: str
    shard_keys: tuple[str, ...]
    resolution_px: int
    channels: int
    train: TrainParams
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
    tensorboard_dir: str | None

    @property
    def archive(self) -> Archive:
        """Where the checkpoints of this run lie."""
        return Archive(Store(self.location), self.run_prefix)


class MissingCheckpointError(RuntimeError):
    """A training was to be collected that has not reached its end."""


def plan_training(inputs: StageInputs, *, device: str, scratch: Path) -> TrainingJob:
    """The job that brings this subject's training up to date.

    Args:
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:<index>".
        scratch: a folder of this machine; TensorBoard's files go below it.

    Raises:
        ValueError: the shards hold no images.
    """
    subject, shards = inputs.subject, inputs.upstreams[DEDUPED_SHARDS.name]
    keys = shard_keys(shards)
    if not keys:
        raise ValueError(
            f"{DEDUPED_SHARDS.name} of {subject.name!r} (version {shards.version}) has no image to "
            f"train on; look at its rejections and loosen the filter or dedupe section"
        )
    train = subject.spec.train
    # Of the shards as they are: the recipe may have been edited since they were built.
    made = ShardParams.model_validate(shards.sections["shard"])
    trajectory = digest(
        {
            "code_version": TRAINED_CHECKPOINT.code_version,
            "images": shards.data_version,
            "resolution_px": made.resolution_px,
            "channels": made.channels,
            "train": shaping_settings(train),
        }
    )[:16]
    home = Versions.home(subject.name, TRAINED_CHECKPOINT.name)
    return TrainingJob(
        location=inputs.store.location,
        subject=subject.name,
        trajectory=trajectory,
        run_prefix=f"{home}/runs/{trajectory}",
        shard_keys=keys,
        resolution_px=made.resolution_px,
        channels=made.channels,
        train=train,
        device=device,
        tensorboard_dir=str(scratch / "tensorboard" / subject.name / trajectory),
    )


def shaping_settings(train: StyleGan2Params) -> dict[str, Any]:
    """The settings of a `train` section that the weights depend on, beside how long they train."""
    return {name: value for name, value in train.canonical().items() if name not in CADENCE}


def collect_training(inputs: StageInputs, job: TrainingJob) -> Draft:
    """The finished checkpoint of `job` as a version of the stage.

    Raises:
        MissingCheckpointError: the training has not reached its last image.
    """
    total = job.train.total_images
    saved = job.archive.find(total)
    if saved is None:
        raise MissingCheckpointError(
            f"no sound checkpoint at {total / 1000:g} kimg below {job.run_prefix}; "
            f"run the training again, it goes on from the newest one that is sound"
        )
    facts = saved.facts
    files = {
        "checkpoint.safetensors": _published_tensors(saved),
        "checkpoint.json": _description(facts, job),
        "grid.jpg": job.archive.read_grid(total),
        "loss.png": loss_plot(facts.ticks),
        "stats.parquet": to_parquet(statistics(facts)),
    }
    summary = Summary(
        num_in=facts.num_training_images,
        num_out=1,
        timings_s={"training": round(facts.elapsed_s, 3)},
        measures=_measures(facts),
    )
    return Draft(data_version=facts.digest, summary=summary, files=files)


def statistics(facts: Facts) -> pa.Table:
    """A row a tick: images shown, seconds, speed, memory (MiB), and every measure."""
    rows = [
        {
            "num_images": tick.num_images,
            "elapsed_s": tick.elapsed_s,
            "images_per_s": tick.images_per_s,
            "memory_mb": tick.memory_mb,
            **tick.measures,
        }
        for tick in facts.ticks
    ]
    return pa.Table.from_pylist(rows)


def _published_tensors(saved: Saved) -> bytes:
    return save({k: v for k, v in saved.tensors.items() if k.startswith(PUBLISHED)})


def _description(facts: Facts, job: TrainingJob) -> bytes:
    description = _Description(
        generator=facts.networks,
        discriminator=facts.networks,
        num_images=facts.num_images,
        digest=facts.digest,
        trajectory=job.trajectory,
        train=job.train,
    )
    return description.model_dump_json(indent=1).encode()


class _Description(Params):
    generator: NetworkParams
    discriminator: NetworkParams
    num_images: int
    digest: str
    trajectory: str
    train: TrainParams


def _measures(facts: Facts) -> dict[str, Any]:
    last = facts.ticks[-1]
    measures = {name: round(value, 4) for name, value in last.measures.items()}
    return {
        "kimg": facts.num_images / 1000,
        "images_per_s": round(facts.num_images / max(facts.elapsed_s, 1e-9), 2),
        "memory_mb": round(last.memory_mb, 1),
        "device": facts.device,
        **measures,
    }
