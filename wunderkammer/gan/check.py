"""The check that a trained checkpoint can be used."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wunderkammer.gan.checkpoints.published import check_checkpoint
from wunderkammer.shards.read import load_images, shard_keys
from wunderkammer.stages import DEDUPED_SHARDS, TRAINED_CHECKPOINT
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Record, Versions
from wunderkammer.subject import Subject

NUM_IMAGES = 8


def check_trained(subject: Subject, store: Store) -> str | None:
    """What is wrong with the checkpoint in force, or None: it loads and its loss is finite."""
    versions = Versions(store)
    record = versions.current(subject.name, TRAINED_CHECKPOINT.name)
    if record is None:
        return f"trained_checkpoint of {subject.name!r} was never built"
    config = json.loads(versions.read(record, "checkpoint.json"))["generator"]
    tensors = versions.read(record, "checkpoint.safetensors")
    return check_checkpoint(tensors, config, _pictures(record, config, versions))


def _pictures(
    record: Record, config: Mapping[str, Any], versions: Versions
) -> npt.NDArray[np.uint8]:
    """Some that it was trained on; grey ones if other shards have come into force since."""
    shards = versions.current(record.subject, DEDUPED_SHARDS.name)
    side, channels = config["resolution_px"], config["channels"]
    if shards is None or shards.data_version != record.upstreams[DEDUPED_SHARDS.name]:
        return np.full((NUM_IMAGES, channels, side, side), 128, np.uint8)
    keys = shard_keys(shards)[:1]
    images = load_images(versions.store, keys, resolution_px=side, channels=channels)
    return images[:NUM_IMAGES]
