import logging

import numpy as np
import pytest
from safetensors import safe_open

from wunderkammer.gan.checkpoints.archive import Archive, Facts, Tick, checkpoint_digest
from wunderkammer.gan.networks.params import StyleGan2Network
from wunderkammer.storage.store import MissingObjectError, Store

NETWORKS = StyleGan2Network(
    resolution_px=8,
    channels=3,
    z_dim=8,
    w_dim=8,
    num_mapping_layers=2,
    channel_base=64,
    channel_max=8,
)


def facts(num_images, **changes):
    settings = {
        "networks": NETWORKS,
        "num_steps": num_images // 4,
        "loader_seed": 0,
        "loader_position": num_images,
        "device": "cpu",
        "elapsed_s": 1.0,
        "num_training_images": 24,
        **changes,
    }
    return Facts(num_images=num_images, **settings)


def tensors(value=0.0):
    return {"a": np.full((2, 3), value, np.float32), "random": np.arange(4, dtype=np.uint8)}


def names(store):
    return sorted(key.rpartition("/")[2][:12] for key in store.keys("run/checkpoints"))


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def archive(store):
    return Archive(store, "run")


def test_a_checkpoint_comes_back_as_it_went(archive):
    saved = archive.save(facts(16), tensors(0.5), keep_last=3)
    found = archive.newest(at_most=100)
    assert found is not None
    assert found.facts == saved
    assert {name: array.tolist() for name, array in found.tensors.items()} == {
        name: array.tolist() for name, array in tensors(0.5).items()
    }


def test_a_checkpoint_holds_no_pickled_object(archive, store, tmp_path):
    saved = archive.save(facts(16), tensors(), keep_last=3)
    with safe_open(tmp_path / saved.tensors_key, framework="np") as file:
        assert sorted(file.keys()) == ["a", "random"]


def test_the_newest_one_that_is_not_beyond_the_limit_is_found(archive):
    for number in (16, 32, 48):
        archive.save(facts(number), tensors(number), keep_last=5)
    assert archive.newest(at_most=47).facts.num_images == 32
    assert archive.newest(at_most=48).facts.num_images == 48
    assert archive.newest(at_most=15) is None


def test_only_the_last_ones_are_kept(archive, store):
    for number in (16, 32, 48, 64):
        archive.save(facts(number), tensors(number), keep_last=2)
    assert names(store) == ["000000000048"] * 2 + ["000000000064"] * 2


def test_those_of_a_longer_training_are_left_alone(archive):
    archive.save(facts(64), tensors(1), keep_last=1)
    archive.save(facts(16), tensors(2), keep_last=1)
    archive.save(facts(32), tensors(3), keep_last=1)
    assert archive.find(16) is None
    assert archive.find(32) is not None
    assert archive.find(64) is not None


def test_saving_again_replaces_and_leaves_no_orphan(archive, store):
    archive.save(facts(16), tensors(1), keep_last=2)
    archive.save(facts(16), tensors(2), keep_last=2)
    assert len(names(store)) == 2
    assert archive.find(16).tensors["a"][0, 0] == 2.0


class KilledError(BaseException):
    """Stands for SIGKILL."""


class KilledStore(Store):
    """Dies at the n-th write or removal, before it happens."""

    def __init__(self, location, *, survives):
        super().__init__(location)
        self.left = survives

    def _count(self):
        self.left -= 1
        if self.left < 0:
            raise KilledError

    def write(self, key, content):
        self._count()
        super().write(key, content)

    def delete(self, key):
        self._count()
        super().delete(key)


@pytest.mark.parametrize("survives", range(5))
def test_wherever_a_save_is_killed_a_whole_checkpoint_is_left(store, survives):
    archive = Archive(store, "run")
    archive.save(facts(16), tensors(1), keep_last=1)
    killed = KilledStore(store.location, survives=survives)
    try:
        Archive(killed, "run").save(facts(32), tensors(2), keep_last=1)
        was_killed = False
    except KilledError:
        was_killed = True
    assert was_killed == (survives < 4)
    assert archive.newest(at_most=99).facts.num_images == (16 if survives < 2 else 32)
    archive.save(facts(48), tensors(3), keep_last=1)
    assert names(store) == ["000000000048"] * 2


@pytest.mark.parametrize("damage", ["tensors changed", "tensors gone", "facts cut", "facts empty"])
def test_a_damaged_one_is_skipped_with_a_log_line(archive, store, caplog, damage):
    archive.save(facts(16), tensors(1), keep_last=3)
    last = archive.save(facts(32), tensors(2), keep_last=3)
    key = f"{archive.prefix}/checkpoints/{32:012d}.json"
    if damage == "tensors changed":
        content = bytearray(store.read(last.tensors_key))
        content[-1] ^= 1
        store.write(last.tensors_key, bytes(content))
    elif damage == "tensors gone":
        store.delete(last.tensors_key)
    else:
        store.write(key, store.read(key)[:-20] if damage == "facts cut" else b"")
    with caplog.at_level(logging.WARNING):
        found = archive.newest(at_most=99)
    assert found.facts.num_images == 16
    assert key in caplog.text
    assert "skipped" in caplog.text


def test_a_save_over_a_damaged_one_succeeds(archive, store):
    archive.save(facts(32), tensors(2), keep_last=3)
    store.write(f"{archive.prefix}/checkpoints/{32:012d}.json", b"{")
    archive.save(facts(48), tensors(3), keep_last=3)
    archive.save(facts(32), tensors(2), keep_last=3)
    assert archive.find(32) is not None


def test_the_digest_tells_content_and_counters_but_not_times(archive):
    tick = Tick(num_images=16, measures={}, elapsed_s=1.0, images_per_s=9.0, memory_mb=1.0)
    first = archive.save(facts(16), tensors(1), keep_last=3)
    slower = archive.save(facts(16, elapsed_s=7.0, ticks=(tick,)), tensors(1), keep_last=3)
    other = archive.save(facts(16), tensors(2), keep_last=3)
    assert first.digest == slower.digest != other.digest
    assert archive.save(facts(32), tensors(1), keep_last=3).digest != first.digest


def test_the_digest_tells_names_types_and_shapes():
    arrays = {"a": np.zeros(4, np.float32)}
    digests = {
        checkpoint_digest(case, counters={})
        for case in (
            arrays,
            {"b": arrays["a"]},
            {"a": arrays["a"].reshape(2, 2)},
            {"a": arrays["a"].view(np.int32)},
        )
    }
    assert len(digests) == 4


def test_a_grid_that_was_never_drawn_is_missing(archive):
    archive.write_grid(16, b"jpeg")
    assert archive.read_grid(16) == b"jpeg"
    with pytest.raises(MissingObjectError):
        archive.read_grid(32)
