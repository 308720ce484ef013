"""Classifiers and backbones that are small enough to compute by hand."""

from types import SimpleNamespace

import numpy as np
from onnx import TensorProto, helper
from PIL import Image
from segmenter_samples import saved

from wunderkammer.subject import Subject

SIDE = 32
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def subject_in(folder):
    """A subject whose relative paths start at `folder`; its recipe is not looked at."""
    return Subject("quilts", SimpleNamespace(), folder)


def colour(rgb, side=48):
    return Image.fromarray(np.full((side, side, 3), rgb, np.uint8))


def mean_colour_nodes(name):
    """The mean of each channel: of shape (N, 3)."""
    return [
        helper.make_node("GlobalAveragePool", ["picture"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], [name]),
    ]


def colour_classifier(path, *, gain=4.0, ends_in_softmax=False, shape=("n", 3, SIDE, SIDE), **more):
    """Classes red, green, blue; the logits are `gain` times the mean of each channel."""
    nodes = [
        *mean_colour_nodes("means"),
        helper.make_node("Mul", ["means", "gain"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    names = ("probabilities", "logits") if ends_in_softmax else ("logits", "probabilities")
    constants = {"gain": np.float32(gain)}
    return saved(path, nodes, shape=shape, outputs=names, constants=constants, **more)


def colour_backbone(path, *, shape=("n", 3, SIDE, SIDE)):
    """The embedding is the mean colour, less `mean`."""
    return saved(path, mean_colour_nodes("embedding"), shape=shape, outputs=("embedding",))


def endless_network(path):
    """A loop of 2^62 turns, as a hostile file may hold."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, ["n", 3]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["n", 3]),
        ],
    )
    nodes = [
        *mean_colour_nodes("means"),
        helper.make_node("Loop", ["turns", "yes", "means"], ["embedding"], body=body),
    ]
    constants = {"turns": np.int64(2**62), "yes": np.bool_(True)}
    shape = ("n", 3, SIDE, SIDE)
    return saved(path, nodes, shape=shape, outputs=("embedding",), constants=constants)
