import io
import os
import pathlib
import pickle
import warnings
import zipfile
from copy import deepcopy

import numpy as np
import pytest
import torch
from detector_kit import ARCHITECTURE, NAMES, untrained

from wunderkammer.detect.checkpoint_reader import read_checkpoint
from wunderkammer.detect.detector_file import parse_detector, read_detector
from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.detect.network import build_network
from wunderkammer.detect.ultralytics_offline import ultralytics_module


@pytest.fixture(scope="module")
def network():
    return build_network(untrained(seed=3))


def saved(content):
    sink = io.BytesIO()
    torch.save(content, sink)
    return sink.getvalue()


def checkpoint(network, **changes):
    """As ultralytics saves one: the network in half precision, and much beside it."""
    return {
        "epoch": -1,
        "best_fitness": np.float64(0.5),
        "model": deepcopy(network).half(),
        "ema": None,
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
        "train_args": {"imgsz": 64, "data": None, "project": pathlib.PurePosixPath("runs")},
        "date": "2026-01-01",
        **changes,
    }


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files, compression=zipfile.ZIP_STORED):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def test_a_checkpoint_gives_the_same_network(network):
    detector = parse_detector(saved(checkpoint(network)))
    assert detector.names == tuple(network.names.values())
    again = build_network(detector).state_dict()
    expected = deepcopy(network).half().float().state_dict()
    assert again.keys() == expected.keys()
    assert all(torch.equal(again[name], expected[name]) for name in expected)


def test_the_average_is_taken_where_there_is_one(network):
    average = build_network(untrained(seed=4))
    parts = read_checkpoint(saved(checkpoint(network, ema=average)))
    name = "model.0.conv.weight"
    assert np.array_equal(parts.tensors[name], average.state_dict()[name].numpy())


def test_the_architecture_is_the_one_that_was_built(network):
    detector = parse_detector(saved(checkpoint(network)))
    assert detector.architecture == {**ARCHITECTURE, "scales": {}}
    assert len(detector.names) == len(NAMES)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def test_code_in_a_checkpoint_is_refused_and_never_run(network, tmp_path):
    left = tmp_path / "left"
    content = saved(checkpoint(network, extra=Bomb(left)))
    with pytest.raises(DetectorFileError, match="asks for"):
        parse_detector(content)
    assert not left.exists()
    # The bomb is live: Python's own unpickler sets it off.
    pickle.loads(pickle.dumps(Bomb(left)))
    assert left.exists()


@pytest.mark.parametrize("function", [eval, exec, __import__, os.popen, torch.load])
def test_no_function_may_be_named(network, function):
    with pytest.raises(DetectorFileError, match="asks for"):
        parse_detector(saved(checkpoint(network, extra=function)))


def test_an_activation_that_is_code_is_refused_before_anything_is_built(network):
    armed = deepcopy(network)
    armed.yaml["activation"] = "__import__('os').abort()"
    with pytest.raises(DetectorFileError, match="activation"):
        parse_detector(saved(checkpoint(armed)))


def test_a_network_of_another_task_is_named(network):
    kind = ultralytics_module("nn.tasks").SegmentationModel
    other = deepcopy(network)
    other.__class__ = kind
    with pytest.raises(
        DetectorFileError, match=r"holds a ultralytics\.nn\.tasks\.SegmentationModel"
    ):
        parse_detector(saved(checkpoint(other)))


def test_weights_alone_are_no_detector(network):
    with pytest.raises(DetectorFileError, match="holds no network"):
        parse_detector(saved({"model": network.state_dict()}))
    with pytest.raises(DetectorFileError, match="not a dict"):
        parse_detector(saved([1, 2]))


def test_a_network_whose_layers_were_fused_is_refused_with_a_remedy(network):
    fused = deepcopy(network).fuse(verbose=False)
    for module in fused.modules():
        module.__dict__.pop("forward", None)
    detector = parse_detector(saved(checkpoint(fused)))
    with pytest.raises(DetectorFileError, match="take the file from before"):
        build_network(detector)


def test_a_cut_file_is_refused_at_every_length(network):
    content = saved(checkpoint(network))
    for length in np.linspace(0, len(content) - 1, 23).astype(int):
        with pytest.raises(DetectorFileError):
            parse_detector(content[:length])


def test_flipped_bytes_never_raise_anything_else(network):
    content = saved(checkpoint(network))
    rng = np.random.default_rng(0)
    head = len(content) // 8
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, head, 3):
            damaged[place] = rng.integers(256)
        try:
            parse_detector(bytes(damaged))
        except DetectorFileError:
            continue


def test_a_packed_member_is_refused_since_it_could_unpack_to_anything(network):
    files = members(saved(checkpoint(network)))
    with pytest.raises(DetectorFileError, match="is packed"):
        parse_detector(zipped(files, zipfile.ZIP_DEFLATED))


def test_a_storage_of_another_length_or_none_is_refused(network):
    files = members(saved(checkpoint(network)))
    (name, *_) = (name for name in files if "/data/" in name)
    with pytest.raises(DetectorFileError, match="a storage of"):
        parse_detector(zipped({**files, name: files[name][:-1]}))
    del files[name]
    with pytest.raises(DetectorFileError, match="the zip has no"):
        parse_detector(zipped(files))


def test_numbers_that_are_not_finite_are_refused(network):
    broken = deepcopy(network)
    with torch.no_grad():
        broken.model[0].conv.weight[0] = float("nan")
    with pytest.raises(DetectorFileError, match=r"model\.0\.conv\.weight.*not finite"):
        parse_detector(saved(checkpoint(broken)))


def test_the_old_format_and_other_files_are_told_apart(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sink = io.BytesIO()
        torch.save({"model": None}, sink, _use_new_zipfile_serialization=False)
    for content in (sink.getvalue(), b"", b"\x08ONNX", b"\xff" * 100):
        file = tmp_path / "weights.pt"
        file.write_bytes(content)
        with pytest.raises(DetectorFileError, match=r"weights\.pt: neither a \.pt"):
            read_detector(file)
