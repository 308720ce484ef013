"""What the ONNX file of a segmenter may hold.

An ONNX file is data, but it can name other files to read its weights from, and operators of
libraries that have to be loaded. Neither is allowed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto

from wunderkammer.mask.errors import SegmenterFileError

# The largest of rembg's files, a BiRefNet, has 973 MB.
MAX_MODEL_MB = 1100
# Operators that onnxruntime brings along itself.
KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
FLOATS = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
MAX_GRAPH_DEPTH = 16


@dataclass(frozen=True)
class SegmenterFile:
    """What a checked file is: its hash, and the side of its input in px, None if that is free."""

    path: Path
    sha256: str
    input_px: int | None


def read_model(path: Path) -> tuple[bytes, SegmenterFile]:
    """The content of a segmenter's file, and what it is.

    Raises:
        SegmenterFileError: it is too large, no ONNX file, no segmenter of RGB pictures, or asks for
            other files or libraries.
    """
    size = path.stat().st_size
    if size > MAX_MODEL_MB * 1_000_000:
        raise SegmenterFileError(
            f"{path.name} has {size / 1e6:.0f} MB, the limit is {MAX_MODEL_MB}; take a smaller one"
        )
    content = path.read_bytes()
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise SegmenterFileError(f"{path.name} is no ONNX file ({error}); get it again") from error
    if not model.graph.node:
        raise SegmenterFileError(f"{path.name} is no ONNX file: it holds no graph; get it again")
    _check_graphs(model, name=path.name)
    input_px = _check_input(model.graph, name=path.name)
    return content, SegmenterFile(path, hashlib.sha256(content).hexdigest(), input_px)


def _check_graphs(model: onnx.ModelProto, *, name: str) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for part in (model.graph, *model.functions):
        for node, tensors in _nodes(part, name=name):
            if node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in own:
                raise SegmenterFileError(
                    f"{name} needs the operator {node.op_type} of {node.domain!r}, which is no "
                    f"part of onnxruntime; export the model with standard operators (of "
                    f"{', '.join(domain for domain in KNOWN_DOMAINS if domain)}) only"
                )
            _check_tensors(tensors, name=name)


def _nodes(
    part: GraphProto | FunctionProto, *, name: str, depth: int = 0
) -> Iterator[tuple[NodeProto, list[TensorProto]]]:
    """Every node of a graph and of those within it, with the tensors that it brings."""
    if depth > MAX_GRAPH_DEPTH:
        raise SegmenterFileError(
            f"{name} nests graphs more than {MAX_GRAPH_DEPTH} deep; it is no segmenter"
        )
    if isinstance(part, GraphProto):
        sparse = [t for pair in part.sparse_initializer for t in (pair.values, pair.indices)]
        yield NodeProto(), [*part.initializer, *sparse]
    for node in part.node:
        tensors = [tensor for a in node.attribute for tensor in _tensors_of(a)]
        yield node, tensors
        for attribute in node.attribute:
            graphs = [attribute.g] if attribute.HasField("g") else []
            for graph in (*graphs, *attribute.graphs):
                yield from _nodes(graph, name=name, depth=depth + 1)


def _tensors_of(attribute: AttributeProto) -> list[TensorProto]:
    sparse = [attribute.sparse_tensor, *attribute.sparse_tensors]
    pairs = [tensor for pair in sparse for tensor in (pair.values, pair.indices)]
    return [attribute.t, *attribute.tensors, *pairs]


def _check_tensors(tensors: Iterable[TensorProto], *, name: str) -> None:
    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            places = {entry.key: entry.value for entry in tensor.external_data}
            raise SegmenterFileError(
                f"{name} keeps its weight {tensor.name!r} in another file "
                f"({places.get('location', 'not named')!r}); save the model as one "
                f"file (torch.onnx.export: external_data=False)"
            )


def _check_input(graph: GraphProto, *, name: str) -> int | None:
    """The side of the one input, which must take a batch of square RGB pictures in floats."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    wanted = "one input of float32 or float16, of shape (1, 3, side, side)"
    shapes = [
        tuple(d.dim_value or d.dim_param or "?" for d in value.type.tensor_type.shape.dim)
        for value in inputs
    ]
    fault = f"{name} takes {shapes}, allowed: {wanted}; export the model so"
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type not in FLOATS:
        raise SegmenterFileError(fault)
    dims = inputs[0].type.tensor_type.shape.dim
    if len(dims) != 4:
        raise SegmenterFileError(fault)
    batch, channels, height, width = (dim.dim_value for dim in dims)
    if batch not in (0, 1) or channels != 3 or height != width:
        raise SegmenterFileError(fault)
    return height or None
