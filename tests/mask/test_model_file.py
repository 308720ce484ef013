from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from segmenter_samples import (
    bright_segmenter,
    grey_nodes,
    saved,
    with_foreign_operator,
    with_own_function,
    with_weight_elsewhere,
    with_weight_elsewhere_in_a_branch,
)

from wunderkammer.mask import model_file
from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.model_file import read_model


def test_a_segmenter_is_known_by_its_hash_and_the_size_of_its_input(tmp_path):
    content, file = read_model(bright_segmenter(tmp_path / "bright.onnx"))
    assert content == (tmp_path / "bright.onnx").read_bytes()
    assert (len(file.sha256), file.input_px) == (64, 64)
    free = bright_segmenter(tmp_path / "free.onnx", shape=("n", 3, "h", "w"))
    assert read_model(free)[1].input_px is None


@pytest.mark.parametrize("make", [with_weight_elsewhere, with_weight_elsewhere_in_a_branch])
def test_a_model_that_reads_another_file_is_refused(tmp_path, make):
    with pytest.raises(SegmenterFileError, match=r"in another file .*save the model as one file"):
        read_model(make(tmp_path / "model.onnx"))


def test_a_model_that_needs_a_foreign_library_is_refused(tmp_path):
    with pytest.raises(SegmenterFileError, match=r"operator RunThis of 'evil.ops'"):
        read_model(with_foreign_operator(tmp_path / "model.onnx"))


def test_functions_of_the_file_itself_and_operators_of_onnxruntime_are_taken(tmp_path):
    assert read_model(with_own_function(tmp_path / "own.onnx"))[1].input_px == 64
    assert read_model(with_foreign_operator(tmp_path / "ms.onnx", domain="com.microsoft"))


def test_a_function_of_another_name_is_no_excuse(tmp_path):
    path = with_own_function(tmp_path / "own.onnx")
    model = onnx.load(str(path))
    model.graph.node[0].op_type = "Other"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SegmenterFileError, match=r"operator Other of 'exported'"):
        read_model(path)


def test_a_foreign_operator_within_a_function_is_refused(tmp_path):
    path = with_own_function(tmp_path / "own.onnx")
    model = onnx.load(str(path))
    model.functions[0].node[0].domain = "evil.ops"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SegmenterFileError, match=r"of 'evil.ops'"):
        read_model(path)


@pytest.mark.parametrize(
    "shape", [(1, 1, 64, 64), (1, 64, 64, 3), (1, 3, 64, 32), (4, 3, 64, 64), (3, 64, 64)]
)
def test_an_input_that_is_no_rgb_picture_is_refused(tmp_path, shape):
    path = saved(
        tmp_path / "model.onnx",
        [helper.make_node("Identity", ["picture"], ["mask"])],
        shape=shape,
    )
    with pytest.raises(SegmenterFileError, match=r"allowed: one input of float32 or float16"):
        read_model(path)


def test_a_second_input_and_one_of_integers_are_refused(tmp_path):
    path = bright_segmenter(tmp_path / "model.onnx")
    model = onnx.load(str(path))
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SegmenterFileError, match="allowed: one input"):
        read_model(path)
    nodes = grey_nodes("mask")
    with pytest.raises(SegmenterFileError, match="allowed: one input"):
        read_model(saved(tmp_path / "ints.onnx", nodes, dtype=TensorProto.INT32))


def test_old_models_that_list_their_weights_as_inputs_are_taken(tmp_path):
    path = bright_segmenter(tmp_path / "model.onnx")
    model = onnx.load(str(path))
    model.graph.input.append(helper.make_tensor_value_info("limit", TensorProto.FLOAT, []))
    path.write_bytes(model.SerializeToString())
    assert read_model(path)[1].input_px == 64


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", bytes(1000), b"not found"])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(SegmenterFileError, match="is no ONNX file"):
        read_model(path)


def test_a_file_beyond_the_limit_is_not_read(tmp_path, monkeypatch):
    path = bright_segmenter(tmp_path / "model.onnx")
    monkeypatch.setattr(model_file, "MAX_MODEL_MB", 0.0001)
    with pytest.raises(SegmenterFileError, match="the limit is"):
        read_model(path)


def test_a_graph_of_graphs_without_end_is_refused(tmp_path):
    inner = helper.make_graph(
        [helper.make_node("Identity", ["picture"], ["mask"])], "inner", [], []
    )
    for _ in range(20):
        node = helper.make_node("If", ["yes"], ["mask"], then_branch=inner, else_branch=inner)
        node.attribute.pop()
        inner = helper.make_graph([node], "outer", [], [])
    path = saved(tmp_path / "model.onnx", list(inner.node), constants={"yes": np.bool_(True)})
    with pytest.raises(SegmenterFileError, match="nests graphs"):
        read_model(path)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp("models") / "model.onnx"
    content = bytearray(bright_segmenter(path).read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    with suppress(SegmenterFileError):
        read_model(path)
