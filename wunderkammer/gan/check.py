"""The check that a trained checkpoint can be used."""

import json

from wunderkammer.gan.checkpoint import check_checkpoint
from wunderkammer.shards.read import load_images
from wunderkammer.stages import DEDUPED_SHARDS, TRAINED_CHECKPOINT
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

NUM_IMAGES = 8


def check_trained(subject: Subject, store: Store) -> str | None:
    """What is wrong with the checkpoint in force, or None: it loads and its loss is finite."""
    versions = Versions(store)
    record = versions.current(subject.name, TRAINED_CHECKPOINT.name)
    shards = versions.current(subject.name, DEDUPED_SHARDS.name)
    if record is None or shards is None:
        return f"trained_checkpoint of {subject.name!r} was never built"
    first = next(name for name in shards.files if name.startswith("train-"))
    shard = subject.spec.shard
    images = load_images(
        store,
        [versions.key(shards, first)],
        resolution_px=shard.resolution_px,
        channels=shard.channels,
    )
    config = json.loads(versions.read(record, "checkpoint.json"))["generator"]
    tensors = versions.read(record, "checkpoint.safetensors")
    return check_checkpoint(tensors, config, images[:NUM_IMAGES])
