"""The `trained_checkpoint` stage, seen from outside: what to train, and what came of it.

The training itself runs elsewhere (`wunderkammer.gan.train`, a process of its own), so nothing
here needs torch.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field
from safetensors.numpy import save

from wunderkammer.build import StageInputs
from wunderkammer.gan.checkpoints.archive import Archive, Facts, Intervention
from wunderkammer.gan.curriculum import picture_ranks
from wunderkammer.gan.loss_plot import loss_plot
from wunderkammer.gan.networks.params import NetworkParams
from wunderkammer.gan.params import FileStart, NoCurriculum, PreviousStart, TrainParams
from wunderkammer.gan.settings import total_images
from wunderkammer.params import Params, digest
from wunderkammer.shards.params import ShardParams
from wunderkammer.shards.read import load_labels, verified_keys
from wunderkammer.stages import DEDUPED_SHARDS, TRAINED_CHECKPOINT
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet
from wunderkammer.storage.versions import MANIFEST, Draft, Record, Summary, Versions

# Settings that say how long to train and how often to look, not which way the weights go.
CADENCE = (
    "total_kimg",
    "tick_kimg",
    "snapshot_ticks",
    "keep_last",
    "keep_best",
    "publish",
    "micro_batch",
    "deterministic",
    "cuda_graphs",
    "residence",
)

# What a finished version keeps of a checkpoint: enough to draw, to judge, to start from.
PUBLISHED = ("average.", "discriminator.")
TENSORS_FILE = "checkpoint.safetensors"
DESCRIPTION_FILE = "checkpoint.json"


class StartFiles(Params):
    """Weights to start from: two objects of the store, or one portable file of this machine."""

    tensors_key: str | None = None
    description_key: str | None = None
    path: str | None = None
    sha256: str


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
    labels: tuple[str, ...] = ()
    manifest_key: str | None = None
    train: TrainParams
    start: StartFiles | None = None
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
        ValueError: the shards hold no images, or the weights to start from are not those that the
            recipe pins.
        ShardError: a shard is missing, or not the one that was published.
        FileNotFoundError: there are no weights at `train.start.path`.
    """
    subject, shards = inputs.subject, inputs.upstreams[DEDUPED_SHARDS.name]
    keys = verified_keys(inputs.store, shards)
    if not keys:
        raise ValueError(
            f"{DEDUPED_SHARDS.name} of {subject.name!r} (version {shards.version}) has no image to "
            f"train on; look at its rejections and loosen the filter or dedupe section"
        )
    train = subject.spec.train
    # Of the shards as they are: the recipe may have been edited since they were built.
    made = ShardParams.model_validate(shards.sections["shard"])
    start = find_start(inputs)
    trajectory = digest(
        {
            "code_version": TRAINED_CHECKPOINT.code_version,
            "images": shards.data_version,
            "resolution_px": made.resolution_px,
            "channels": made.channels,
            "train": shaping_settings(train),
            "start": None if start is None else start.sha256,
            **ranked_pictures(inputs, shards),
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
        labels=label_names(inputs.store, keys) if train.conditional else (),
        manifest_key=inputs.versions.key(shards, MANIFEST),
        train=train,
        start=start,
        device=device,
        tensorboard_dir=str(scratch / "tensorboard" / subject.name / trajectory),
    )


def ranked_pictures(inputs: StageInputs, shards: Record) -> dict[str, str]:
    """What of a curriculum's ranks is part of the trajectory: nothing, where there is none.

    Raises:
        ValueError: the measure that the curriculum goes by is not known of the pictures.
    """
    curriculum = inputs.subject.spec.train.curriculum
    if isinstance(curriculum, NoCurriculum):
        return {}
    ranks_N = picture_ranks(inputs.versions.manifest(shards), curriculum)
    return {"ranks": hashlib.sha256(ranks_N.tobytes()).hexdigest()}


def label_names(store: Store, keys: Sequence[str]) -> tuple[str, ...]:
    """The labels that the pictures have, sorted.

    Raises:
        ValueError: a picture has none.
    """
    labels = load_labels(store, keys)
    missing = labels.count(None)
    if missing:
        raise ValueError(
            f"{missing} of {len(labels)} pictures have no label, and train.conditional needs one "
            f"for each; set it to false, or take a source that gives labels"
        )
    return tuple(sorted({label for label in labels if label is not None}))


def find_start(inputs: StageInputs) -> StartFiles | None:
    """The weights that `train.start` names, None if it names none or there are none yet.

    Raises:
        ValueError: the file is not the one that the recipe pins.
        FileNotFoundError: there is no such file.
    """
    subject, start = inputs.subject, inputs.subject.spec.train.start
    if isinstance(start, FileStart):
        path = subject.resolve(start.path)
        if not path.is_file():
            raise FileNotFoundError(
                f"train.start.path={start.path!r} of {subject.name!r}: there is no file {path}; "
                f"`wunderkammer import-checkpoint` makes one"
            )
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if start.sha256 not in (None, found):
            raise ValueError(
                f"{path} has the SHA-256 {found}, not train.start.sha256={start.sha256}; "
                f"get the right file or correct the recipe"
            )
        return StartFiles(path=str(path), sha256=found)
    if isinstance(start, PreviousStart):
        record = inputs.versions.current(subject.name, TRAINED_CHECKPOINT.name)
        if record is None:
            return None
        return StartFiles(
            tensors_key=inputs.versions.key(record, TENSORS_FILE),
            description_key=inputs.versions.key(record, DESCRIPTION_FILE),
            sha256=digest({"previous": record.data_version}),
        )
    return None


def shaping_settings(train: TrainParams) -> dict[str, Any]:
    """The settings of a `train` section that the weights depend on, beside how long they train."""
    return {name: value for name, value in train.canonical().items() if name not in CADENCE}


def collect_training(job: TrainingJob) -> Draft:
    """The finished checkpoint of `job` as a version of the stage.

    Raises:
        MissingCheckpointError: the training has not reached its last image.
    """
    total = total_images(job.train, resolution_px=job.resolution_px)
    last = job.archive.find(total)
    if last is None:
        raise MissingCheckpointError(
            f"no sound checkpoint at {total / 1000:g} kimg below {job.run_prefix}; "
            f"run the training again, it goes on from the newest one that is sound"
        )
    chosen = job.archive.best(at_most=total) if job.train.publish == "best" else None
    saved = chosen or last
    facts = saved.facts
    files = {
        TENSORS_FILE: save({k: v for k, v in saved.tensors.items() if k.startswith(PUBLISHED)}),
        DESCRIPTION_FILE: _description(facts, job),
        "grid.jpg": job.archive.read_grid(facts.num_images),
        "loss.png": loss_plot(last.facts.ticks),
        "stats.parquet": to_parquet(statistics(last.facts)),
    }
    summary = Summary(
        num_in=facts.num_training_images,
        num_out=1,
        timings_s={"training": round(last.facts.elapsed_s, 3)},
        measures=_measures(facts),
    )
    return Draft(data_version=facts.digest, summary=summary, files=files)


def statistics(facts: Facts) -> pa.Table:
    """A row a tick: images shown, seconds, speed, memory (MiB), and every measure.

    A measure that a tick does not have (the distance, between snapshots) is null there.
    """
    names = sorted({name for tick in facts.ticks for name in tick.measures})
    rows = [
        {
            "num_images": tick.num_images,
            "elapsed_s": tick.elapsed_s,
            "images_per_s": tick.images_per_s,
            "memory_mb": tick.memory_mb,
            **{name: tick.measures.get(name) for name in names},
        }
        for tick in facts.ticks
    ]
    return pa.Table.from_pylist(rows)


def _description(facts: Facts, job: TrainingJob) -> bytes:
    description = _Description(
        generator=facts.networks,
        discriminator=facts.networks,
        num_images=facts.num_images,
        digest=facts.digest,
        trajectory=job.trajectory,
        labels=job.labels,
        interventions=facts.interventions,
        train=job.train,
    )
    return description.model_dump_json(indent=1).encode()


class _Description(Params):
    generator: NetworkParams
    discriminator: NetworkParams
    num_images: int
    digest: str
    trajectory: str
    labels: tuple[str, ...]
    interventions: tuple[Intervention, ...]
    train: TrainParams


def _measures(facts: Facts) -> dict[str, Any]:
    last = facts.ticks[-1]
    measures = {name: round(value, 4) for name, value in last.measures.items()}
    if facts.interventions:
        measures["rollbacks"] = len(facts.interventions)
    return {
        "kimg": facts.num_images / 1000,
        "images_per_s": round(facts.num_images / max(facts.elapsed_s, 1e-9), 2),
        "memory_mb": round(last.memory_mb, 1),
        "device": facts.device,
        **measures,
    }
