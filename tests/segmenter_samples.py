"""Segmenters that are small enough to compute by hand, as ONNX files."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
SIDE = 64


def saved(path, nodes, *, shape=(1, 3, SIDE, SIDE), outputs=("mask",), constants=None, **extras):
    """A model with one input `picture`; `constants` are initialisers by name."""
    dtype = extras.pop("dtype", TensorProto.FLOAT)
    picture = helper.make_tensor_value_info("picture", dtype, shape)
    results = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
    stored = [
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "segmenter", [picture], results, initializer=stored)
    opsets = [helper.make_opsetid("", OPSET), *extras.pop("opsets", [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, **extras)
    path.write_bytes(model.SerializeToString())
    return path


def grey_nodes(name):
    """The mean of the three channels, of shape (1, 1, side, side)."""
    return [helper.make_node("ReduceMean", ["picture"], [name], axes=[1], keepdims=1)]


def bright_segmenter(path, *, limit=0.5, **options):
    """The subject is what is brighter than `limit` of 1."""
    nodes = [
        *grey_nodes("grey"),
        helper.make_node("Greater", ["grey", "limit"], ["is_bright"]),
        helper.make_node("Cast", ["is_bright"], ["mask"], to=options.get("dtype", 1)),
    ]
    kind = np.float16 if options.get("dtype") == TensorProto.FLOAT16 else np.float32
    return saved(path, nodes, constants={"limit": kind(limit)}, **options)


def grey_segmenter(path, *, gain=1.0, offset=0.0, **options):
    """The mask is `gain` times the grey of the input, and `offset`."""
    nodes = [
        *grey_nodes("grey"),
        helper.make_node("Mul", ["grey", "gain"], ["more"]),
        helper.make_node("Add", ["more", "offset"], ["mask"]),
    ]
    constants = {"gain": np.float32(gain), "offset": np.float32(offset)}
    return saved(path, nodes, constants=constants, **options)


def seven_outputs(path):
    """As U²-Net: the first output is the mask, the others are coarser ones (here nonsense)."""
    names = [f"d{i}" for i in range(7)]
    nodes = [*grey_nodes("d0")]
    nodes += [helper.make_node("Neg", ["d0"], [name]) for name in names[1:]]
    return saved(path, nodes, shape=(1, 3, 320, 320), outputs=names)


def with_weight_elsewhere(path):
    """Its limit lies in a file beside it."""
    bright_segmenter(path)
    model = onnx.load(str(path))
    (limit,) = model.graph.initializer
    limit.ClearField("raw_data")
    limit.data_location = TensorProto.EXTERNAL
    limit.external_data.add(key="location", value="../../../etc/hostname")
    path.write_bytes(model.SerializeToString())
    return path


def with_weight_elsewhere_in_a_branch(path):
    """The same, in a constant of a branch of an If."""
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [1], [0.5])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="hidden.bin")
    constant = helper.make_node("Constant", [], ["chosen"], value=tensor)
    result = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, [1])
    branch = helper.make_graph([constant], "branch", [], [result])
    nodes = [
        *grey_nodes("grey"),
        helper.make_node("If", ["yes"], ["limit"], then_branch=branch, else_branch=branch),
        helper.make_node("Add", ["grey", "limit"], ["mask"]),
    ]
    return saved(path, nodes, constants={"yes": np.bool_(True)})


def with_foreign_operator(path, domain="evil.ops"):
    """It needs an operator of a library that would have to be loaded."""
    nodes = [helper.make_node("RunThis", ["picture"], ["mask"], domain=domain)]
    return saved(path, nodes, opsets=[helper.make_opsetid(domain, 1)])


def with_own_function(path):
    """Its operator of a domain of its own is a function of the file."""
    body = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)]
    own = helper.make_function(
        "exported", "Grey", ["x"], ["y"], body, [helper.make_opsetid("", OPSET)]
    )
    nodes = [helper.make_node("Grey", ["picture"], ["mask"], domain="exported")]
    return saved(path, nodes, opsets=[helper.make_opsetid("exported", 1)], functions=[own])


def lit_square(side=SIDE, box=(16, 20, 48, 56), background=(30, 60, 20), subject=(240, 230, 250)):
    """A crop with a bright rectangle (x0, y0, x1, y1) on a dark ground."""
    crop = np.full((side, side, 3), background, np.uint8)
    x0, y0, x1, y1 = box
    crop[y0:y1, x0:x1] = subject
    return crop
