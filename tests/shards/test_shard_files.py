import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from shards_kit import SIDE, encoded, picture

from wunderkammer.shards.read import (
    ShardError,
    check_shard_counts,
    load_images,
    open_shards,
    shard_keys,
    stream_images,
    verified_keys,
)
from wunderkammer.shards.write import ShardImage, class_names, read_in_order, write_shards
from wunderkammer.storage.blobs import Blobs


def images(number, *, codec="png", labels=(None,)):
    for k in range(number):
        content = encoded(picture(k), codec)
        sha256 = hashlib.sha256(content).hexdigest()
        yield ShardImage(content, sha256, labels[k % len(labels)], f"{k}.{codec}")


@pytest.mark.parametrize("labels", [("moth", "beetle"), (None,), (None, "moth")])
def test_datasets_shows_the_pictures_and_their_labels(tmp_path, monkeypatch, labels):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")
    datasets = pytest.importorskip("datasets")
    names = class_names(labels)
    shards = write_shards(
        images(6, labels=labels), folder=tmp_path, names=names, max_shard_mb=0.001
    )
    assert len(shards) > 1
    files = [str(shard.path) for shard in shards]
    cache = str(tmp_path / "cache")
    data = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert isinstance(data.features["image"], datasets.Image)
    assert data.num_rows == 6
    for k, row in enumerate(data):
        assert np.array_equal(np.asarray(row["image"].convert("RGB")), picture(k))
        label = labels[k % len(labels)]
        assert (data.features["label"].int2str(row["label"]) if names else row["label"]) == label
    assert names is None or data.features["label"].names == ["beetle", "moth"]


def test_equal_pictures_make_equal_files(tmp_path):
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shards = write_shards(images(9), folder=tmp_path / name, names=None, max_shard_mb=0.002)
        contents.append([shard.path.read_bytes() for shard in shards])
    assert contents[0] == contents[1]


def test_a_picture_larger_than_a_shard_has_one_to_itself(tmp_path):
    shards = write_shards(images(3), folder=tmp_path, names=None, max_shard_mb=0.00001)
    assert [shard.num_rows for shard in shards] == [1, 1, 1]


def test_many_pictures_make_several_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("wunderkammer.shards.write.ROW_GROUP_BYTES", 2000)
    (shard,) = write_shards(images(12), folder=tmp_path, names=None, max_shard_mb=1)
    file = pq.ParquetFile(shard.path)
    assert file.num_row_groups > 2
    assert file.read()["sha256"].to_pylist() == [image.sha256 for image in images(12)]


def test_labels_are_classes_only_where_every_picture_has_one_and_they_are_few():
    assert class_names(["b", "a", "b"]) == ("a", "b")
    assert class_names(["b", None]) is None
    assert class_names([]) is None
    assert class_names(str(k) for k in range(10_001)) is None


def test_blobs_are_read_in_the_order_asked_for(workshop):
    blobs = Blobs(workshop.store)
    contents = [f"{k}".encode() for k in range(600)]
    sha256s = [blobs.put(content) for content in contents]
    assert list(read_in_order(blobs, reversed(sha256s))) == contents[::-1]
    assert list(read_in_order(blobs, [])) == []


@pytest.mark.parametrize(("codec", "channels"), [("png", 3), ("webp", 3), ("jpeg", 3), ("jpeg", 1)])
def test_pictures_come_back_in_their_order_as_pillow_decodes_them(workshop, codec, channels):
    workshop.put([workshop.crop(f"{k}", encoded(picture(k))) for k in range(5)])
    record = workshop.build(codec=codec, channels=channels, max_shard_mb=0.002).record
    shards = open_shards(workshop.store, record)
    loaded = shards.images(resolution_px=SIDE, channels=channels)
    assert loaded.dtype == np.uint8
    assert loaded.shape == (5, channels, SIDE, SIDE)
    contents = pa.concat_tables([pq.read_table(path) for path in workshop.shard_paths(record)])
    for image_CHW, row in zip(loaded, contents["image"].to_pylist(), strict=True):
        with Image.open(io.BytesIO(row["bytes"])) as image:
            pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
        assert np.array_equal(image_CHW, pixels.reshape(SIDE, SIDE, channels).transpose(2, 0, 1))


@pytest.mark.parametrize("labels", [("moth", "beetle"), (None, "moth")])
def test_labels_come_back_as_the_names_that_the_manifest_has(workshop, some_crops, labels):
    workshop.put(some_crops(6, labels=labels))
    record = workshop.build(max_shard_mb=0.001).record
    listed = sorted(workshop.manifest(record), key=lambda row: (row["shard"], row["row"]))
    assert open_shards(workshop.store, record).labels == tuple(row["label"] for row in listed)


@pytest.fixture
def built(workshop, some_crops):
    workshop.put(some_crops(8))
    return workshop.build(max_shard_mb=0.002).record


def test_shards_that_equal_their_manifest_pass_the_check(workshop, built):
    assert check_shard_counts(workshop.subject(), workshop.store) is None


def test_a_version_that_was_never_built_fails_the_check(workshop):
    assert "was never built" in check_shard_counts(workshop.subject(), workshop.store)


def rewrite(path, change):
    table = change(pq.read_table(path))
    path.unlink()
    pq.write_table(table, path)


def flip(path, marked):
    """Change a bit of the first place where `marked` stands."""
    content = bytearray(path.read_bytes())
    content[content.index(marked)] ^= 1
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: rewrite(path, lambda table: table.slice(1)), "its manifest lists"),
        (lambda path: rewrite(path, lambda table: table.take([1, 0])), "other pictures than"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: rewrite(path, lambda table: table), "is not the file that was published"),
        (lambda path: flip(path, b"PNG"), "is not the file that was published"),
    ],
)
def test_a_spoilt_shard_fails_the_check_and_is_named(workshop, built, spoil, complaint):
    path = workshop.shard_paths(built)[0]
    assert pq.ParquetFile(path).metadata.num_rows == 2
    spoil(path)
    message = check_shard_counts(workshop.subject(), workshop.store)
    assert complaint in message
    assert path.name in message


def test_the_record_has_the_hash_of_every_file(workshop, built):
    assert sorted(built.digests) == list(built.files)
    for path in workshop.shard_paths(built):
        assert built.digests[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_shards_of_a_record_without_hashes_are_still_compared_with_the_manifest(workshop, built):
    old = built.model_copy(update={"digests": {}})
    assert open_shards(workshop.store, old).num_images == 8
    rewrite(workshop.shard_paths(built)[0], lambda table: table.slice(1))
    with pytest.raises(ShardError, match="its manifest lists"):
        open_shards(workshop.store, old)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is not the file that was publ"),
        (lambda path: rewrite(path, lambda table: table), "is not the file that was published"),
    ],
)
def test_a_training_is_given_no_shards_but_the_published_ones(workshop, built, spoil, complaint):
    assert verified_keys(workshop.store, built) == shard_keys(built)
    spoil(workshop.shard_paths(built)[1])
    with pytest.raises(ShardError, match=rf"{complaint}.*build deduped_shards again"):
        verified_keys(workshop.store, built)


def test_a_page_that_has_changed_is_found_by_whoever_reads_it(workshop, built):
    path, key = workshop.shard_paths(built)[0], shard_keys(built)[0]
    flip(path, b"PNG")
    with pytest.raises(ShardError, match=r"is damaged.*build deduped_shards again"):
        load_images(workshop.store, [key], resolution_px=SIDE, channels=3)
    with pytest.raises(ShardError, match=r"is damaged.*build deduped_shards again"):
        list(stream_images(workshop.store, [key]))


def test_pictures_stream_in_the_order_of_the_shards(workshop, some_crops):
    workshop.put(some_crops(6, labels=("moth", "beetle")))
    record = workshop.build(max_shard_mb=0.001).record
    shards = open_shards(workshop.store, record)
    streamed = list(stream_images(workshop.store, shards.keys))
    assert tuple(image.sha256 for image in streamed) == shards.sha256s
    assert tuple(image.label for image in streamed) == shards.labels
    assert all(hashlib.sha256(image.content).hexdigest() == image.sha256 for image in streamed)


def test_rows_that_no_shard_holds_fail_the_check(workshop, built):
    fewer = built.model_copy(update={"files": built.files[:-1]})
    with pytest.raises(ShardError, match="the manifest lists 8 pictures"):
        open_shards(workshop.store, fewer)


def test_a_picture_of_another_size_is_refused(workshop, built):
    keys = shard_keys(built)
    with pytest.raises(ShardError, match="is 16 x 16 px, asked for were 32 x 32"):
        load_images(workshop.store, keys, resolution_px=32, channels=3)


@pytest.mark.parametrize("content", [b"\xff\xd8\xff no JPEG", b"no picture"])
def test_a_picture_that_cannot_be_decoded_is_named(workshop, tmp_path, content):
    sha256 = hashlib.sha256(content).hexdigest()
    image = ShardImage(content, sha256, None, "x")
    (shard,) = write_shards([image], folder=tmp_path, names=None, max_shard_mb=1)
    workshop.store.write("one.parquet", shard.path)
    with pytest.raises(ShardError, match=f"{sha256} can't be decoded"):
        load_images(workshop.store, ["one.parquet"], resolution_px=8, channels=3)


def test_a_picture_whose_bytes_have_changed_is_named(workshop, tmp_path):
    image = ShardImage(encoded(picture(1)), "0" * 64, None, "x")
    (shard,) = write_shards([image], folder=tmp_path, names=None, max_shard_mb=1)
    workshop.store.write("one.parquet", shard.path)
    with pytest.raises(ShardError, match=r"the picture 0{64} is damaged"):
        load_images(workshop.store, ["one.parquet"], resolution_px=SIDE, channels=3)
