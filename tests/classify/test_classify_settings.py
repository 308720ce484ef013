import hashlib

import numpy as np
import pytest
from classifier_samples import colour_classifier, endless_network
from onnx import helper
from segmenter_samples import saved

from wunderkammer.classify.errors import NetworkFileError, NetworkNotFoundError
from wunderkammer.classify.network import open_network
from wunderkammer.classify.params import BackboneParams
from wunderkammer.classify.settings import NetworkSettings
from wunderkammer.classify.vectors import input_px


def settings(bench, head="classes", **changes):
    params = BackboneParams(**{"weights": "net.onnx", **changes})
    return NetworkSettings.of(params, subject=bench.subject, head=head, section="filter.x")


def test_a_file_is_found_beside_the_subject_then_among_the_weights(bench):
    (bench.root / "weights").mkdir()
    far = colour_classifier(bench.root / "weights" / "net.onnx", gain=1.0)
    assert settings(bench).path == far
    near = colour_classifier(bench.root / "net.onnx", gain=2.0)
    assert settings(bench).path == near
    with pytest.raises(NetworkNotFoundError, match=r"filter.x.weights='sub/net.onnx' .*no file"):
        settings(bench, weights="sub/net.onnx")


def test_the_name_of_settings_goes_by_what_reaches_the_numbers(bench):
    path = colour_classifier(bench.root / "net.onnx")
    path.with_name("twin.onnx").write_bytes(path.read_bytes())
    first = settings(bench).digest
    assert settings(bench, weights="twin.onnx").digest == first
    others = [
        settings(bench, head="embedding"),
        settings(bench, mean=(0.0, 0.0, 0.0)),
        settings(bench, input_px=64),
        settings(bench, output="logits"),
    ]
    assert len({first, *(other.digest for other in others)}) == 5


def test_another_file_than_the_pinned_one_is_refused(bench):
    path = colour_classifier(bench.root / "net.onnx")
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    assert settings(bench, sha256=own).sha256 == own
    with pytest.raises(NetworkFileError, match=f"has the SHA-256 {own}, not .*drop the pin"):
        settings(bench, sha256="0" * 64)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("net.pkl", {}, "ends in '.pkl', allowed: .onnx, .safetensors"),
        ("net.onnx", {"architecture": "resnet18"}, "leave it out"),
        ("net.pth", {}, "must name the network"),
        ("net.pth", {"architecture": "resnet18", "output": "a"}, "is for ONNX"),
    ],
)
def test_files_and_settings_that_do_not_belong_together_are_refused(bench, name, changes, words):
    (bench.root / name).write_bytes(b"x")
    with pytest.raises(NetworkFileError, match=words):
        settings(bench, weights=name, **changes)


def test_the_file_says_its_size_and_another_is_refused(bench):
    colour_classifier(bench.root / "net.onnx")
    assert input_px(settings(bench)) == 32
    with pytest.raises(NetworkFileError, match="takes pictures of 32 px only"):
        input_px(settings(bench, input_px=64))
    colour_classifier(bench.root / "free.onnx", shape=("n", 3, "h", "w"))
    assert input_px(settings(bench, weights="free.onnx", input_px=64)) == 64
    assert input_px(settings(bench, weights="free.onnx")) == 224


def test_a_file_that_is_replaced_or_no_network_is_refused(bench):
    path = colour_classifier(bench.root / "net.onnx")
    chosen = settings(bench)
    colour_classifier(path, gain=3.0)
    with pytest.raises(NetworkFileError, match="was replaced"):
        open_network(chosen, input_px=32)
    path.write_bytes(b"not found")
    with pytest.raises(NetworkFileError, match="is no ONNX file"):
        open_network(settings(bench), input_px=32)


def test_a_feature_map_that_is_not_pooled_gives_no_classes(bench):
    path = colour_classifier(bench.root / "net.onnx")
    nodes = [helper.make_node("Identity", ["picture"], ["maps"])]
    saved(path, nodes, shape=("n", 3, 32, 32), outputs=("maps",))
    x_NCHW = np.arange(2 * 3 * 32 * 32, dtype=np.float32).reshape(2, 3, 32, 32)
    with pytest.raises(NetworkFileError, match=r"shape \(2, 3, 32, 32\) for 2 crops"):
        open_network(settings(bench), input_px=32).run(x_NCHW)
    pooled = open_network(settings(bench, head="embedding"), input_px=32).run(x_NCHW)
    np.testing.assert_allclose(pooled, x_NCHW.mean(axis=(2, 3)))


def test_a_network_that_runs_without_end_is_ended(bench, monkeypatch):
    monkeypatch.setattr("wunderkammer.classify.onnx_network.RUN_TIMEOUT_S", 0.3)
    endless_network(bench.root / "net.onnx")
    network = open_network(settings(bench), input_px=32)
    with pytest.raises(NetworkFileError, match=r"more than 0.3 s for 1 crops of 32 px"):
        network.run(np.zeros((1, 3, 32, 32), np.float32))
