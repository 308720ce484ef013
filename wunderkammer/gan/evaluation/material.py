"""The real pictures that a finished training is measured against."""

import json
from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from wunderkammer.build import StageInputs
from wunderkammer.gan.evaluation.pictures import Indices, Pictures
from wunderkammer.gan.holdout import split
from wunderkammer.gan.params import TrainParams
from wunderkammer.shards.params import ShardParams
from wunderkammer.shards.read import (
    load_families,
    load_images,
    load_labels,
    load_sha256s,
    verified_keys,
)
from wunderkammer.stages import DEDUPED_SHARDS, TRAINED_CHECKPOINT

_TRAIN: TypeAdapter[TrainParams] = TypeAdapter(TrainParams)


class OtherPicturesError(RuntimeError):
    """The checkpoint was trained on other pictures than the shards hold now."""


@dataclass(frozen=True)
class Material:
    """Pictures that were trained on, and those that were not, uint8 [N, C, H, W].

    `sha256s` and `labels_N` (numbers, for a conditional training) are those of the former.
    """

    training_NCHW: Pictures
    held_out_NCHW: Pictures
    sha256s: tuple[str, ...]
    labels_N: Indices | None
    mirror: bool

    def some_training(self, num: int, *, seed: int) -> Indices:
        """The numbers of at most `num` training pictures, drawn with `seed`, rising."""
        order = np.random.default_rng(seed).permutation(len(self.training_NCHW))
        return np.sort(order[:num])

    def labels_for(self, num: int, *, seed: int) -> Indices | None:
        """Label numbers as frequent as among the training pictures; None for no labels."""
        if self.labels_N is None:
            return None
        return np.random.default_rng(seed).choice(self.labels_N, num)


def read_material(inputs: StageInputs, *, labels: tuple[str, ...]) -> Material:
    """The pictures of the shards as the training of the checkpoint split them.

    `labels` are the names of the checkpoint's labels, in their order.

    Raises:
        OtherPicturesError: the shards have changed since.
        ShardError: a shard is missing or damaged.
    """
    checkpoint = inputs.upstreams[TRAINED_CHECKPOINT.name]
    shards = inputs.upstreams[DEDUPED_SHARDS.name]
    if checkpoint.upstreams[DEDUPED_SHARDS.name] != shards.data_version:
        raise OtherPicturesError(
            f"trained_checkpoint of {inputs.subject.name!r} was trained on other pictures than "
            f"deduped_shards holds now; run: wunderkammer refresh {inputs.subject.name}"
        )
    # Of the versions as they are: the recipe may have been edited since they were built.
    made = ShardParams.model_validate(shards.sections["shard"])
    train = _TRAIN.validate_json(json.dumps(checkpoint.sections["train"]))
    keys = verified_keys(inputs.store, shards)
    images_NCHW = load_images(
        inputs.store, keys, resolution_px=made.resolution_px, channels=made.channels
    )
    sha256s = load_sha256s(inputs.store, keys)
    train_N, held_out_N = split(
        load_families(inputs.store, keys), share=train.held_out, seed=train.seed
    )
    numbers = {name: number for number, name in enumerate(labels)}
    labels_N = None
    if labels:
        found = load_labels(inputs.store, keys)
        labels_N = np.array([numbers[str(found[index])] for index in train_N], np.int64)
    return Material(
        training_NCHW=images_NCHW[train_N] if len(held_out_N) else images_NCHW,
        held_out_NCHW=images_NCHW[held_out_N],
        sha256s=tuple(sha256s[index] for index in train_N),
        labels_N=labels_N,
        mirror=train.mirror,
    )
