import hashlib
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from classifier_samples import BLUE, RED, colour
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from wunderkammer.classify.errors import NetworkFileError
from wunderkammer.classify.network import normalised, open_network
from wunderkammer.classify.params import ClassifyParams
from wunderkammer.classify.scores import classify_ledgered
from wunderkammer.classify.settings import NetworkSettings
from wunderkammer.classify.torch_network import load_network
from wunderkammer.classify.weights_file import read_weights

SMALL = "shufflenet_v2_x0_5"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True)
def on_one_cpu(monkeypatch):
    monkeypatch.setenv("WUNDERKAMMER_DEVICE", "cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network():
    """A small network of torchvision for three classes, with weights of chance."""
    torch.manual_seed(1)
    return torchvision.models.get_model(SMALL, weights=None, num_classes=3).eval()


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def settings_of(path, *, head="classes", architecture=SMALL):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return NetworkSettings(path, sha256, architecture, None, None, MEAN, STD, head)


def run(path, pictures, **changes):
    chosen = settings_of(path, **changes)
    return open_network(chosen, input_px=64).run(normalised(pictures, chosen))


def as_torchvision_says(network, pictures):
    x_NCHW = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    return torchvision.transforms.functional.normalize(x_NCHW, MEAN, STD)


@pytest.mark.parametrize(
    "save",
    [
        lambda state, path: torch.save(state, path),
        lambda state, path: torch.save({"epoch": 3, "state_dict": state}, path),
        lambda state, path: torch.save({f"module.{k}": v for k, v in state.items()}, path),
        lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    ],
    ids=["plain", "in a checkpoint", "of several GPUs", "of old"],
)
def test_weights_are_read_as_training_scripts_save_them(tmp_path, network, save):
    path = tmp_path / "net.pth"
    save(network.state_dict(), path)
    found = read_weights(settings_of(path))
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(found[k], v) for k, v in network.state_dict().items())


def test_probabilities_are_those_of_torchvisions_own_network(tmp_path, network, pictures):
    path = tmp_path / "net.safetensors"
    save_file(network.state_dict(), path)
    with torch.no_grad():
        expected = network(as_torchvision_says(network, pictures)).softmax(1)
    np.testing.assert_allclose(run(path, pictures), expected, atol=1e-5)


def test_the_embedding_is_what_goes_into_the_last_layer(tmp_path, network, pictures):
    path = tmp_path / "net.pth"
    torch.save(network.state_dict(), path)
    found = run(path, pictures, head="embedding")
    with torch.no_grad():
        expected = network(as_torchvision_says(network, pictures))
        logits = network.fc(torch.from_numpy(found))
    assert found.shape == (2, 1024)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_weights_without_a_last_layer_are_a_backbone_and_no_classifier(tmp_path, network, pictures):
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    path = tmp_path / "net.pth"
    torch.save(state, path)
    assert run(path, pictures, head="embedding").shape == (2, 1024)
    with pytest.raises(NetworkFileError, match=r"not those of shufflenet.*fc.weight"):
        load_network(settings_of(path))


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("resnet18", "correct the architecture"),
        ("shufflenet_v2_x0_55", "did you mean 'shufflenet_v2_x0_5'"),
        ("inception_v3", "no classifier of torchvision that can be used"),
        ("fcn_resnet50", "no classifier of torchvision"),
    ],
)
def test_another_architecture_is_refused(tmp_path, network, architecture, words):
    path = tmp_path / "net.pth"
    torch.save(network.state_dict(), path)
    with pytest.raises(NetworkFileError, match=words):
        load_network(settings_of(path, architecture=architecture))


def test_an_architecture_that_computes_as_it_is_built_is_taken(tmp_path):
    path = tmp_path / "net.pth"
    own = torchvision.models.get_model("regnet_y_400mf", weights=None, num_classes=2)
    torch.save(own.state_dict(), path)
    before = torch.random.get_rng_state()
    found = load_network(settings_of(path, architecture="regnet_y_400mf"))
    assert all(torch.equal(found.state_dict()[k], v) for k, v in own.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_old_names_of_densenet_are_understood(tmp_path):
    path = tmp_path / "net.pth"
    old = {"features.denseblock1.denselayer2.norm.1.weight": torch.ones(1)}
    torch.save(old, path)
    assert set(read_weights(settings_of(path))) == {"features.denseblock1.denselayer2.norm1.weight"}


def test_timm_is_asked_for_where_it_is_missing(tmp_path, network, monkeypatch):
    path = tmp_path / "net.pth"
    torch.save(network.state_dict(), path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NetworkFileError, match="needs timm, which is not installed"):
        load_network(settings_of(path, architecture="timm/resnet18"))


class _Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_of_weights_is_never_run(tmp_path):
    path, trace = tmp_path / "net.pth", tmp_path / "ran"
    torch.save({"fc.weight": torch.zeros(1), "more": _Evil(trace)}, path)
    with pytest.raises(NetworkFileError, match="no weights that are safe to read"):
        read_weights(settings_of(path))
    assert not trace.exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}])
def test_a_file_without_tensors_is_refused(tmp_path, content):
    path = tmp_path / "net.pth"
    torch.save(content, path)
    with pytest.raises(NetworkFileError, match="no tensors by name"):
        read_weights(settings_of(path))


@settings(max_examples=60)
@given(
    kind=st.sampled_from([".pth", ".safetensors"]),
    is_old=st.booleans(),
    place=st.integers(0, 5000),
    value=st.integers(0, 255),
    length=st.integers(0, 5000),
)
@example(kind=".pth", is_old=True, place=1, value=0, length=3520)  # ends within a number
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory, kind, is_old, place, value, length
):
    path = Path(tmp_path_factory.mktemp("weights") / f"net{kind}")
    state = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}
    if kind == ".pth":
        torch.save(state, path, _use_new_zipfile_serialization=not is_old)
    else:
        save_file(state, path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content[: max(1, len(content) - length // 10)])
    with suppress(NetworkFileError):
        read_weights(settings_of(path))


def test_a_classifier_that_is_trained_here_keeps_the_crops_of_its_class(bench, looked_at, network):
    """Its last layer learns two colours: it cuts halfway between their mean embeddings."""
    rng = np.random.default_rng(3)
    shades = rng.normal(np.repeat([RED, BLUE], 4, axis=0), 30)
    images = np.broadcast_to(shades.clip(0, 255)[:, None, None], (8, 64, 64, 3)).astype(np.uint8)
    pupil = torchvision.models.get_model(SMALL, weights=None, num_classes=2).eval()
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    pupil.load_state_dict(state, strict=False)
    pupil.fc = torch.nn.Identity()
    with torch.no_grad():
        red_K, blue_K = pupil(as_torchvision_says(network, images)).view(2, 4, -1).mean(1)
    away_K = red_K - blue_K
    weight_K = 20 * away_K / away_K.square().sum()
    offset = -weight_K @ (red_K + blue_K) / 2
    state["fc.weight"] = torch.stack([weight_K, torch.zeros_like(weight_K)])
    state["fc.bias"] = torch.stack([offset, torch.zeros(())])
    torch.save(state, bench.root / "colours.pth")
    crops = bench.crops(colour((230, 20, 30), 64), colour((30, 10, 240), 64))
    params = ClassifyParams(
        weights="colours.pth",
        architecture=SMALL,
        input_px=64,
        classes=("red",),
        labels=("red", "blue"),
    )
    table = classify_ledgered(bench.store, "scores", crops, params, subject=bench.subject)
    assert table["top_class"].to_pylist() == ["red", "blue"]
    assert table["class_rank"].to_pylist() == [1, 2]
    assert min(table["top_probability"].to_pylist()) > 0.9
