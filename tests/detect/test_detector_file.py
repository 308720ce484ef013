import json
import struct

import numpy as np
import pytest
from detector_kit import untrained
from safetensors.numpy import save

from wunderkammer.detect.detector_file import (
    KEY,
    Detector,
    parse_detector,
    read_detector,
    write_detector,
)
from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.detect.network import build_network


@pytest.fixture(scope="module")
def plain():
    return untrained()


def test_what_was_written_is_read_back(plain, tmp_path):
    given = Detector(plain.architecture, plain.names, plain.tensors, "", {"from": "a test"})
    file = tmp_path / "detector.safetensors"
    file.write_bytes(write_detector(given))
    again = read_detector(file)
    assert again.architecture == {**plain.architecture, "scales": {}}
    assert again.names == plain.names
    assert again.provenance == {"from": "a test"}
    assert len(again.sha256) == 64
    assert again.tensors.keys() == plain.tensors.keys()
    assert all(np.array_equal(again.tensors[name], plain.tensors[name]) for name in plain.tensors)
    build_network(again)


def test_equal_detectors_are_equal_files(plain):
    assert write_detector(plain) == write_detector(plain)


def test_names_must_be_as_many_as_classes(plain):
    with pytest.raises(DetectorFileError, match="1 names for 2 classes"):
        write_detector(Detector(plain.architecture, ("one",), plain.tensors))


def test_weights_of_another_architecture_are_refused(plain):
    tensors = {**plain.tensors, "model.0.conv.weight": np.zeros((3, 3, 3, 3), np.float32)}
    with pytest.raises(DetectorFileError, match="not those of the architecture"):
        build_network(Detector(plain.architecture, plain.names, tensors))


CHANNELS = [-1, 1, "Conv", [65_536, 1, 1]]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        # 17 GB of weights or of a picture's numbers, were they made.
        ([CHANNELS, CHANNELS], "numbers; allowed"),
        ([[-1, 1, "nn.Upsample", [None, 512, "nearest"]]], "numbers; allowed"),
        ([[-1, 1, "nn.ZeroPad2d", [60_000]]], "numbers; allowed"),
        ([[-1, 1, "Conv", [512, 3, 2]]], r"it has \d+ numbers, the file 0"),
        ([[-1, 1, "Conv", ["None", "nc"]]], "no network can be made"),
        ([[-1, 1, "Conv", [-5, 3, 2]]], "no network can be made"),
        ([[-1, 1, "Conv", [16, 3, 0]]], "no network can be made"),
        ([[-1, 1, "Conv", [16, 3, 2]], [[150], 1, "Concat", [1]]], "no network can be made"),
    ],
)
def test_layers_that_make_no_network_are_refused_before_they_take_memory(layers, words):
    architecture = {"nc": 1, "backbone": layers, "head": [[[-1], 1, "Detect", ["nc"]]]}
    hostile = parse_detector(write_detector(Detector(architecture, ("a",), {})))
    with pytest.raises(DetectorFileError, match=words):
        build_network(hostile)


def test_a_file_of_another_kind_says_what_is_taken():
    for content in (save({"a": np.zeros(3)}), save({"a": np.zeros(3)}, metadata={"other": "{}"})):
        with pytest.raises(DetectorFileError, match=r"neither a \.pt of ultralytics nor"):
            parse_detector(content)


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"names": [1, 2]}, {"architecture": []}, {"provenance": {"from": 3}}],
)
def test_metadata_of_another_format_is_refused(plain, change):
    content = write_detector(plain)
    (length,) = struct.unpack_from("<Q", content)
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    described = {**json.loads(metadata[KEY]), **change}
    other = save(dict(plain.tensors), metadata={KEY: json.dumps(described)})
    with pytest.raises(DetectorFileError, match="another format"):
        parse_detector(other)


def test_a_cut_file_is_refused(plain):
    content = write_detector(plain)
    for length in (4, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(DetectorFileError):
            parse_detector(content[:length])
