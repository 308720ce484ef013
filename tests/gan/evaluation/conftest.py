"""A store as the training leaves it: shards of random quilts and a published checkpoint."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from evaluation_kit import SIDE, quilts, random_weights
from PIL import Image
from safetensors.torch import save

from wunderkammer.build import build_stage, stage_inputs
from wunderkammer.gan.evaluation.evaluate import evaluate
from wunderkammer.gan.networks.build import build_networks
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.manifests import SHARDS
from wunderkammer.shards.write import ShardImage, class_names, shard_name, write_shards
from wunderkammer.stages import EVALUATION
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet
from wunderkammer.storage.versions import Draft, Record, Summary, Versions, now
from wunderkammer.subject import Subject, SubjectSpec


@dataclass
class Collection:
    """A subject whose shards hold `images_NCHW`; a test trains it by decree, then evaluates."""

    store: Store
    folder: Path
    images_NCHW: np.ndarray

    def publish(self, stage, *, data_version, files, manifest=None, **facts):
        record = Record(
            subject="quilt",
            stage=stage,
            version="",
            data_version=data_version,
            fingerprint=data_version,
            code_version="1",
            files=(),
            summary=Summary(),
            created_at=now(),
            **{"sections": {}, "upstreams": {}, **facts},
        )
        draft = Draft(data_version, Summary(), manifest, files)
        return Versions(self.store).commit(record, draft)

    def shard(self, labels=None, *, data_version="images"):
        """Publish the pictures in two shards, in their order."""
        labels = labels or [None] * len(self.images_NCHW)
        pictures = []
        for image_CHW, label in zip(self.images_NCHW, labels, strict=True):
            sink = io.BytesIO()
            Image.fromarray(image_CHW.transpose(1, 2, 0)).save(sink, "PNG")
            sha256 = hashlib.sha256(sink.getvalue()).hexdigest()
            pictures.append(ShardImage(sink.getvalue(), sha256, label, f"{sha256}.png"))
        self.folder.mkdir(exist_ok=True)
        size = sum(len(picture.content) for picture in pictures)
        shards = write_shards(
            pictures,
            folder=self.folder,
            names=class_names(labels),
            max_shard_mb=size * 0.6 / 1e6,
        )
        names = [shard_name(k, num_shards=len(shards)) for k in range(len(shards))]
        places = [
            (name, row)
            for name, shard in zip(names, shards, strict=True)
            for row in range(shard.num_rows)
        ]
        rows = [
            {"image_sha256": p.sha256, "shard": shard, "row": row, "decision": "kept"}
            for p, (shard, row) in zip(pictures, places, strict=True)
        ]
        rows.insert(3, {"decision": "rejected", "reason": "duplicate"})
        self.publish(
            "deduped_shards",
            data_version=data_version,
            files={name: shard.path for name, shard in zip(names, shards, strict=True)},
            manifest=pa.Table.from_pylist(rows, SHARDS),
            sections={"shard": {"resolution_px": SIDE}},
        )
        return [picture.sha256 for picture in pictures]

    def train(self, *, labels=(), data_version="weights", **train):
        """Publish a tiny generator as it is made, with a history of three ticks."""
        network = StyleGan2Network(
            resolution_px=SIDE,
            channels=3,
            num_labels=len(labels),
            z_dim=8,
            w_dim=12,
            num_mapping_layers=2,
            channel_base=64,
            channel_max=8,
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            generator, discriminator = build_networks(network)
        tensors = {f"average.{k}": v.contiguous() for k, v in generator.state_dict().items()}
        tensors |= {
            f"discriminator.{k}": v.contiguous() for k, v in discriminator.state_dict().items()
        }
        description = {
            "generator": network.model_dump(mode="json"),
            "num_images": 2000,
            "labels": list(labels),
        }
        stats = {
            "num_images": [1000, 2000, 3000],
            "elapsed_s": [1.0, 2.0, 3.0],
            "loss/generator": [1.0, 0.5, 0.7],
            "distance/sliced_wasserstein": [None, 0.4, 0.5],
        }
        return self.publish(
            "trained_checkpoint",
            data_version=data_version,
            files={
                "checkpoint.safetensors": save(tensors),
                "checkpoint.json": json.dumps(description).encode(),
                "stats.parquet": to_parquet(pa.table(stats)),
            },
            sections={"train": {"kind": "stylegan2", "total_kimg": 3.0, **train}},
            upstreams={"deduped_shards": "images"},
        )

    def subject(self, **evaluate_section):
        recipe = {
            "scrape": {"kind": "patchwork"},
            "filter": {"kind": "whole"},
            "shard": {"resolution_px": SIDE},
            "train": {"kind": "stylegan2", "total_kimg": 8, "batch_size": 16, "tick_kimg": 0.8},
            "evaluate": {"num_fakes": 64, **evaluate_section},
        }
        spec = SubjectSpec.model_validate_json(json.dumps(recipe))
        return Subject("quilt", spec, self.folder)

    def inputs(self, **evaluate_section):
        return stage_inputs(EVALUATION, self.subject(**evaluate_section), store=self.store)

    def evaluate(self, **evaluate_section):
        """The record of a fresh evaluation."""
        subject = self.subject(**evaluate_section)
        return build_stage(
            EVALUATION, subject, store=self.store, builder=evaluate, force=True
        ).record


@pytest.fixture
def collection(tmp_path):
    return Collection(Store(str(tmp_path / "data")), tmp_path / "files", quilts(60, seed=0))


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory):
    """Random weights under the names of the published file."""
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(random_weights(), path)
    return path
