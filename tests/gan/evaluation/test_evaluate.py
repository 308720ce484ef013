import hashlib
import io
import json

import numpy as np
import pytest
import torch
from evaluation_kit import quilts
from PIL import Image

from wunderkammer.gan.evaluation import copies as copies_module
from wunderkammer.gan.evaluation import evaluate as evaluate_module
from wunderkammer.gan.evaluation import inception as inception_module
from wunderkammer.gan.evaluation.inception import InceptionFileError, load_inception
from wunderkammer.gan.evaluation.verdict import memorisation_verdict
from wunderkammer.gan.holdout import split
from wunderkammer.storage.tables import from_parquet
from wunderkammer.storage.versions import Versions


class Painter(torch.nn.Module):
    """Draws the pictures that it is given, in turn."""

    def __init__(self, images_NCHW):
        super().__init__()
        self.z_dim, self.num_labels = 1, 0
        self.resolution_px, self.channels = images_NCHW.shape[-1], images_NCHW.shape[1]
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.images_NCHW = torch.from_numpy(images_NCHW).float() / 127.5 - 1
        self.num_drawn = 0

    def forward(self, z_NZ, labels_NL=None):
        rows = (self.num_drawn + torch.arange(len(z_NZ))) % len(self.images_NCHW)
        self.num_drawn += len(z_NZ)
        return self.images_NCHW[rows] * self.scale


class FirstNumbers(torch.nn.Module):
    """The whole network on small pictures, and a part of its features: it is slow."""

    def forward(self, features_ND):
        return features_ND[:, :64]


def drawing(monkeypatch, images_NCHW):
    monkeypatch.setattr(evaluate_module, "load_generator", lambda *_: Painter(images_NCHW))


def content(collection, record):
    return json.loads(Versions(collection.store).read(record, "measures.json"))


def file(collection, record, name):
    return Versions(collection.store).read(record, name)


def test_a_published_checkpoint_is_measured_in_every_way_that_needs_no_weights(collection):
    sha256s = collection.shard()
    collection.train()
    record = collection.evaluate()
    found = content(collection, record)
    assert set(found["measures"]) == {
        "distance/swd",
        "distance/swd_16px",
        "distance/random_kid",
        "copies/thumbnails",
        "copies/random_features",
    }
    assert all(np.isfinite(value) for value in found["measures"].values())
    assert (found["num_fakes"], found["num_reals"], found["num_images"]) == (64, 60, 2000)
    assert found["inception"] is None
    assert record.summary.num_in == 60
    assert record.summary.measures["distance/swd"] == found["measures"]["distance/swd"]
    assert record.summary.measures["verdict"] == found["memorisation"]["verdict"]
    nearest = from_parquet(file(collection, record, "nearest.parquet"))
    assert nearest.num_rows == 2 * 64
    assert set(nearest["nearest_sha256"].to_pylist()) <= set(sha256s)


def test_the_pictures_are_small_and_show(collection):
    collection.shard()
    collection.train()
    record = collection.evaluate()
    for name in ("memorisation.jpg", "course.png"):
        picture = file(collection, record, name)
        assert len(picture) <= 200_000
        assert Image.open(io.BytesIO(picture)).width > 800


def test_the_course_has_every_tick_and_ends_with_the_measures_of_the_checkpoint(collection):
    collection.shard()
    collection.train()
    rows = from_parquet(file(collection, collection.evaluate(), "measures.parquet")).to_pylist()
    course = {}
    for row in rows:
        course.setdefault(row["measure"], []).append((row["kimg"], row["value"]))
    assert course["loss/generator"] == [(1.0, 1.0), (2.0, 0.5), (3.0, 0.7)]
    assert course["distance/sliced_wasserstein"] == [(2.0, 0.4), (3.0, 0.5)]
    ((kimg, _),) = course["distance/random_kid"]
    assert kimg == 2.0
    assert "elapsed_s" not in course


def test_the_same_checkpoint_gives_the_same_version_and_another_seed_another(collection):
    collection.shard()
    collection.train()
    first, again, other = (collection.evaluate(seed=seed) for seed in (0, 0, 1))
    assert first.version == again.version
    assert first.data_version != other.data_version


@pytest.mark.parametrize("held_out", [0.0, 0.4])
def test_a_generator_that_copies_its_training_set_is_found_out(collection, monkeypatch, held_out):
    monkeypatch.setattr(copies_module, "MIN_HELD_OUT", 20)
    sha256s = collection.shard()
    collection.train(held_out=held_out, seed=1)
    train, _ = split(sha256s, share=held_out, seed=1)
    copies = collection.images_NCHW[train].astype(np.int16)
    copies = copies + np.random.default_rng(0).normal(0, 4, copies.shape)
    drawing(monkeypatch, copies.clip(0, 255).astype(np.uint8))
    record = collection.evaluate()
    is_original, words = memorisation_verdict(collection.subject(), collection.store)
    assert not is_original
    assert words.startswith("memorised: 100.0% of the generated pictures")
    expected = "held-out pictures" if held_out else "training pictures among themselves"
    assert expected in words
    assert content(collection, record)["measures"]["copies/thumbnails"] == 1.0


def test_one_that_draws_new_pictures_of_the_kind_is_not(collection, monkeypatch):
    collection.shard()
    collection.train()
    drawing(monkeypatch, quilts(64, seed=5))
    collection.evaluate()
    is_original, words = memorisation_verdict(collection.subject(), collection.store)
    assert is_original
    assert words.startswith("no sign of memorisation")


def test_held_out_pictures_drawn_again_are_no_copies_of_training_pictures(collection, monkeypatch):
    monkeypatch.setattr(copies_module, "MIN_HELD_OUT", 20)
    sha256s = collection.shard()
    collection.train(held_out=0.4)
    drawing(monkeypatch, collection.images_NCHW[split(sha256s, share=0.4, seed=0)[1]])
    collection.evaluate()
    assert memorisation_verdict(collection.subject(), collection.store)[0]


def test_what_is_switched_off_is_not_measured(collection):
    collection.shard()
    collection.train()
    record = collection.evaluate(
        sliced_wasserstein=False, random_features=False, memorisation=False
    )
    assert content(collection, record)["measures"] == {}
    assert "memorisation.jpg" not in record.files
    is_original, words = memorisation_verdict(collection.subject(), collection.store)
    assert is_original
    assert "switched off" in words


def test_without_an_evaluation_there_is_no_verdict(collection):
    assert memorisation_verdict(collection.subject(), collection.store) == (
        False,
        "evaluation of 'quilt' was never built",
    )


def test_with_the_weights_file_there_are_fid_kid_precision_and_recall(
    collection, inception_file, monkeypatch
):
    collection.shard()
    collection.train()
    prefix = hashlib.sha256(inception_file.read_bytes()).hexdigest()[:8]

    def load(path, *, resize):
        inception = load_inception(path, resize=resize, sha256_prefix=prefix)
        inception.network.fc = FirstNumbers()
        return inception

    monkeypatch.setattr(inception_module, "SIDE_PX", 75)
    monkeypatch.setattr(evaluate_module, "load_inception", load)
    drawing(monkeypatch, collection.images_NCHW)
    record = collection.evaluate(
        inception_weights=str(inception_file), inception_resize="antialias", memorisation=False
    )
    found = content(collection, record)
    assert found["inception"]["resize"] == "antialias"
    assert record.summary.measures["inception_resize"] == "antialias"
    assert found["measures"]["distance/fid"] < 5
    assert found["measures"]["distance/kid"] < 0
    assert found["measures"]["share/precision"] == found["measures"]["share/recall"] == 1.0


def test_a_weights_file_that_is_missing_fails_before_anything_is_drawn(collection):
    collection.shard()
    collection.train()
    with pytest.raises(InceptionFileError, match=r"files/inception\.pth"):
        collection.evaluate(inception_weights="inception.pth")
