"""Each format opened by a reader that is not ours."""

import io
import json
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import webdataset
from export_kit import NUM, SIDE, contents, drawn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tensorboard.compat.tensorflow_stub import errors, pywrap_tensorflow
from tfrecord import example_pb2
from tfrecord.reader import tfrecord_loader

from wunderkammer.export.imagefolder import folder_name
from wunderkammer.export.tfrecords import example, record
from wunderkammer.export.write import WRITERS, write_export
from wunderkammer.images.pyramid import area_shrunk

LABELS = ("moth", "beetle")


@pytest.fixture
def export(chosen, tmp_path):
    def run(kind, **choice):
        target = tmp_path / kind
        write_export(chosen(**choice), kind=kind, target=target, replace=True)
        return target

    return run


@pytest.mark.parametrize("kind", WRITERS)
def test_equal_pictures_make_equal_bytes_whatever_the_shards_were_cut_to(export, kind, monkeypatch):
    first = contents(export(kind, resolution_px=8))
    monkeypatch.setattr("wunderkammer.export.collection.num_cpus", lambda: 1)
    monkeypatch.setattr("wunderkammer.shards.write.ROW_GROUP_BYTES", 2000)
    monkeypatch.setattr("time.time", lambda: 2e9)
    cut = {} if kind == "webdataset" else {"shards_mb": 1}
    assert contents(export(kind, resolution_px=8, **cut)) == first


@pytest.mark.parametrize("kind", WRITERS)
def test_the_credits_and_a_description_lie_beside_the_data(export, kind):
    folder = export(kind)
    assert "Author 3" in (folder / "attributions.md").read_text()
    assert len((folder / "attributions.csv").read_text().splitlines()) == NUM + 1
    described = json.loads((folder / "export.json").read_text())
    assert described["format"] == kind
    assert described["class_names"] == ["beetle", "moth"]
    assert (described["num_images"], described["resolution_px"]) == (NUM, SIDE)


def unfiltered(png, *, row_bytes):
    """Whether each row of a PNG has filter 0, in stored blocks."""
    place, data = 8, b""
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + size]
        place += size + 12
    assert len(data) > row_bytes * SIDE
    return set(zlib.decompress(data)[:: row_bytes + 1]) == {0}


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
def test_the_nvlabs_zip_keeps_its_rules(export, channels, mode):
    with zipfile.ZipFile(export("nvlabs-zip", channels=channels) / "moth.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == [*(f"00000/img{k:08d}.png" for k in range(NUM)), "dataset.json"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        labels = json.loads(archive.read("dataset.json"))
        for k, name in enumerate(names[:-1]):
            png = archive.read(name)
            assert unfiltered(png, row_bytes=SIDE * channels)
            with Image.open(io.BytesIO(png)) as image:
                assert image.mode == mode
                pixels = np.asarray(image).reshape(SIDE, SIDE, channels)
            assert np.array_equal(pixels, drawn(k, channels=channels))
    assert labels == {"labels": [[name, 1 - k % 2] for k, name in enumerate(names[:-1])]}


@pytest.mark.parametrize("labels", [(None,), ("moth", None)])
def test_a_zip_has_labels_for_all_or_for_none(export, labels):
    with zipfile.ZipFile(export("nvlabs-zip", labels=labels) / "moth.zip") as archive:
        assert json.loads(archive.read("dataset.json")) == {"labels": None}


@pytest.mark.parametrize("labels", [LABELS, ("moth", None)])
def test_webdataset_reads_the_tars(export, labels):
    folder = export("webdataset", labels=labels)
    tars = sorted(folder.glob("*.tar"))
    assert len(tars) > 1
    assert [tar.name for tar in tars] == [f"moth-{n:06d}.tar" for n in range(len(tars))]
    samples = []
    for tar in tars:
        with tar.open("rb") as stream:
            source = {"url": str(tar), "stream": stream}
            files = webdataset.tariterators.tar_file_expander([source])
            samples += map(
                webdataset.autodecode.Decoder([webdataset.imagehandler("rgb8")]),
                webdataset.tariterators.group_by_keys(files),
            )
    assert [sample["__key__"] for sample in samples] == [f"{k:08d}" for k in range(NUM)]
    for k, sample in enumerate(samples):
        assert np.array_equal(sample["png"], drawn(k))
        assert sample["json"]["label"] == labels[k % 2]
        assert sample.get("cls") == (1 - k % 2 if labels == LABELS else None)


@pytest.fixture
def load_dataset(monkeypatch, tmp_path):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")
    datasets = pytest.importorskip("datasets")

    def load(kind, **choice):
        return datasets.load_dataset(kind, cache_dir=str(tmp_path / "cache"), **choice)

    return load


@pytest.mark.parametrize(
    "labels", [("moth", "beetle"), (None,), (None, "test"), ("../a/b", "val 2", ".[x]")]
)
def test_datasets_reads_the_image_folder(export, load_dataset, labels):
    folder = export("imagefolder", labels=labels)
    found = load_dataset("imagefolder", data_dir=str(folder))
    assert list(found) == ["train"]
    rows = sorted(found["train"], key=lambda row: row["image"].filename[-12:])
    assert len(rows) == NUM
    for k, row in enumerate(rows):
        assert np.array_equal(np.asarray(row["image"]), drawn(k))
        assert row["label"] == labels[k % len(labels)]


def test_pictures_of_an_image_folder_lie_under_their_labels(export):
    train = export("imagefolder", labels=("moth", "Lymantria dispar")) / "train"
    assert sorted(path.name for path in train.iterdir()) == [
        "Lymantria dispar",
        "metadata.jsonl",
        "moth",
    ]
    assert (train / "moth" / "00000002.png").is_file()


def test_files_of_the_full_side_are_those_of_the_shards(export):
    folder = export("imagefolder")
    lines = (folder / "train/metadata.jsonl").read_text().splitlines()
    kept = {json.loads(line)["sha256"] for line in lines}
    hashes = contents(folder / "train")
    assert {digest for name, digest in hashes.items() if name.endswith(".png")} == kept


def test_smaller_files_are_encoded_as_the_shards_are(export):
    folder = export("imagefolder", resolution_px=4, channels=1)
    with Image.open(folder / "train/moth/00000000.png") as image:
        assert image.mode == "L"
        pixels = np.asarray(image)
    assert np.array_equal(pixels, area_shrunk(drawn(0, channels=1)[:, :, 0], side_px=4))


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_of_folders_are_safe_and_tell_labels_apart(label, other):
    name = folder_name(label)
    assert 0 < len(name.encode()) <= 255
    assert not set(name) & set("/\\\0\n:*?[]")
    assert name not in (".", "..")
    assert not name.startswith((".", "_"))
    assert (folder_name(other) == name) == (other == label)


@pytest.mark.parametrize("label", ["Vanessa atalanta", "Élan", "contested", "training-ground"])
def test_harmless_labels_are_names_as_they_are(label):
    expected = label.replace("training-", "%74raining-")
    assert folder_name(label) == expected


@pytest.mark.parametrize("labels", [LABELS, (None, "moth")])
@pytest.mark.parametrize("channels", [3, 1])
def test_h5py_reads_every_side(export, monkeypatch, labels, channels):
    monkeypatch.setattr("wunderkammer.export.hdf5.BATCH_BYTES", 3000)
    with h5py.File(export("hdf5", labels=labels, channels=channels) / "moth.h5") as file:
        assert [key for key in file if key.startswith("data_")] == ["data_16", "data_4", "data_8"]
        for side in (4, 8, 16):
            data = file[f"data_{side}"]
            assert data.chunks is None
            for k, image_CHW in enumerate(data[:]):
                whole = drawn(k, channels=channels).transpose(2, 0, 1)
                assert np.array_equal(image_CHW, area_shrunk(whole, side_px=side))
        names = [labels[k % 2] or "" for k in range(NUM)]
        assert list(file["label_name"].asstr()) == names
        assert ("label" in file) == (labels == LABELS)
        if labels == LABELS:
            assert list(file["label"]) == [1 - k % 2 for k in range(NUM)]


@pytest.mark.parametrize("labels", [LABELS, (None,)])
def test_tfrecord_reads_every_side(export, labels):
    folder = export("tfrecords", labels=labels)
    files = sorted(path.name for path in folder.glob("*.tfrecords"))
    assert files == [f"moth-r{exponent:02d}.tfrecords" for exponent in (2, 3, 4)]
    wanted = {"shape": "int", "data": "byte", **({"label": "int"} if labels == LABELS else {})}
    for name, side in zip(files, (4, 8, 16), strict=True):
        rows = list(tfrecord_loader(str(folder / name), None, wanted))
        assert len(rows) == NUM
        for k, row in enumerate(rows):
            assert row["shape"].tolist() == [3, side, side]
            image_CHW = np.frombuffer(row["data"], np.uint8).reshape(row["shape"])
            assert np.array_equal(image_CHW, area_shrunk(drawn(k).transpose(2, 0, 1), side_px=side))
            assert row.get("label") == (1 - k % 2 if labels == LABELS else None)
    one_hot = folder / "moth-rxx.labels"
    assert one_hot.exists() == (labels == LABELS)
    if labels == LABELS:
        with one_hot.open("rb") as file:
            assert np.array_equal(np.load(file), np.eye(2, dtype=np.float32)[[1, 0] * (NUM // 2)])


def test_tensorboard_finds_every_checksum_of_the_records_right(tmp_path):
    path = tmp_path / "x.tfrecords"
    path.write_bytes(b"".join(record(bytes(range(k))) for k in range(200)))
    reader = pywrap_tensorflow.PyRecordReader_New(str(path))
    for k in range(200):
        reader.GetNext()
        assert reader.record() == bytes(range(k))
    with pytest.raises(errors.OutOfRangeError):
        reader.GetNext()


@given(st.integers(0, 2**63 - 1), st.integers(1, 300))
def test_protobuf_reads_examples_of_any_size(label, side):
    image_CHW = np.full((1, side, 1), 7, np.uint8)
    found = example_pb2.Example.FromString(example(image_CHW, label=label)).features.feature
    assert list(found["shape"].int64_list.value) == [1, side, 1]
    assert list(found["label"].int64_list.value) == [label]
    assert list(found["data"].bytes_list.value) == [bytes([7]) * side]
