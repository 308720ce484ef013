from copy import deepcopy

import pytest
import yaml
from detector_kit import ARCHITECTURE

from wunderkammer.detect.architecture import checked_architecture
from wunderkammer.detect.errors import DetectorFileError
from wunderkammer.detect.ultralytics_offline import ultralytics_module


def changed(**settings):
    return {**deepcopy(ARCHITECTURE), **settings}


def with_layer(row):
    architecture = deepcopy(ARCHITECTURE)
    architecture["backbone"][2] = row
    return architecture


def test_every_box_finder_that_ultralytics_ships_is_taken_and_nothing_else_is():
    folder = ultralytics_module("utils").ROOT / "cfg" / "models"
    taken = set()
    for file in folder.rglob("*.yaml"):
        try:
            checked_architecture(yaml.safe_load(file.read_text(encoding="utf-8")))
        except DetectorFileError:
            continue
        taken.add(file.stem)
    assert {"yolov3", "yolov5", "yolov6", "yolov8", "yolov9c", "yolov10n"} <= taken
    assert {"yolo11", "yolo12", "yolo26", "yolov8-p6"} <= taken
    others = ("seg", "pose", "obb", "cls", "rtdetr", "world", "yoloe", "depth", "sem")
    assert [name for name in taken if any(word in name for word in others)] == []


def test_what_is_no_part_of_an_architecture_is_left_out():
    checked = checked_architecture(changed(yaml_file="/secret/yolo.yaml", names=["a"]))
    assert checked == {**ARCHITECTURE, "scales": {}}


@pytest.mark.parametrize(
    "activation",
    [
        "__import__('os').system('true')",
        "nn.SiLU() or __import__('os')",
        "torch.nn.Module.__subclasses__()",
        "nn.SiLU(inplace=__import__('os'))",
        "nn.Linear(10, 10)",
        7,
    ],
)
def test_an_activation_that_is_more_than_a_layer_is_refused(activation):
    with pytest.raises(DetectorFileError, match="activation"):
        checked_architecture(changed(activation=activation))


@pytest.mark.parametrize(
    "activation", ["nn.SiLU()", "torch.nn.ReLU()", "nn.LeakyReLU(0.1)", "nn.ReLU(inplace=True)"]
)
def test_plain_activations_are_taken(activation):
    checked = checked_architecture(changed(activation=activation))
    assert checked["activation"] == activation


@pytest.mark.parametrize(
    "row",
    [
        [-1, 1, "TorchVision", [16, "resnet18", "DEFAULT"]],
        [-1, 1, "nn.Linear", [16]],
        [-1, 1, "__import__", ["os"]],
        [-1, 1, "Conv", ["__import__('os').getpid()"]],
        [-1, 1, "Conv", [1e9]],
        [-1, 1, "Conv", [[[[[1]]]]]],
        [-1, 1, "Conv", [{"a": 1}]],
        [-1, 10**6, "Conv", [16]],
        ["x", 1, "Conv", [16]],
        [-1, 1, "Conv"],
        [-1, 1, 3, [16]],
        "Conv",
    ],
)
def test_layers_that_no_detector_has_are_refused(row):
    with pytest.raises(DetectorFileError, match="not taken"):
        checked_architecture(with_layer(row))


@pytest.mark.parametrize(
    "settings",
    [
        {"nc": 0},
        {"nc": 10**9},
        {"nc": "80"},
        {"channels": 1},
        {"scales": {"n": [1, 2]}},
        {"scales": [1]},
        {"scale": "n"},
        {"reg_max": "16"},
        {"head": []},
        {"head": [[-1, 1, "Segment", ["nc"]]]},
        {"backbone": [[-1, 1, "Conv", [8]]] * 300},
    ],
)
def test_settings_out_of_bounds_are_refused(settings):
    with pytest.raises(DetectorFileError, match="not taken"):
        checked_architecture(changed(**settings))


@pytest.mark.parametrize("key", ["nc", "backbone", "head"])
def test_a_missing_part_is_named(key):
    architecture = changed()
    del architecture[key]
    with pytest.raises(DetectorFileError, match=f"no '{key}'"):
        checked_architecture(architecture)
