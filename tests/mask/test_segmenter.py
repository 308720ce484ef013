import numpy as np
import pytest
from onnx import TensorProto, helper
from segmenter_samples import (
    bright_segmenter,
    grey_nodes,
    grey_segmenter,
    lit_square,
    saved,
    seven_outputs,
    with_foreign_operator,
)

from wunderkammer.mask.errors import SegmenterFileError
from wunderkammer.mask.params import MaskParams
from wunderkammer.mask.segmenter import Segmenter
from wunderkammer.mask.settings import MaskSettings


def predicted(path, crop, **changes):
    params = MaskParams(model=path.name, **{"preset": "plain", **changes})
    return Segmenter(MaskSettings.of(params, path=path)).predict(crop)


def expected_of(crop):
    return (crop.mean(axis=2) > 127.5).astype(np.float32)


def test_the_mask_is_what_the_model_says_at_the_size_of_the_crop(tmp_path):
    path = bright_segmenter(tmp_path / "bright.onnx")
    found = predicted(path, lit_square())
    np.testing.assert_array_equal(found.mask_HW, expected_of(lit_square()))
    assert found.peak == 1
    large = lit_square(256, (64, 80, 192, 224))
    mask_HW = predicted(path, large).mask_HW
    assert mask_HW.shape == (256, 256)
    assert np.abs(mask_HW - expected_of(large)).mean() < 0.02
    assert predicted(path, lit_square(20, (5, 5, 15, 15))).mask_HW.shape == (20, 20)


def test_half_precision_and_inputs_of_any_size_are_served(tmp_path):
    half = bright_segmenter(tmp_path / "half.onnx", dtype=TensorProto.FLOAT16)
    np.testing.assert_array_equal(predicted(half, lit_square()).mask_HW, expected_of(lit_square()))
    free = bright_segmenter(tmp_path / "free.onnx", shape=("n", 3, "h", "w"))
    mask_HW = predicted(free, lit_square(), input_px=64).mask_HW
    np.testing.assert_array_equal(mask_HW, expected_of(lit_square()))


@pytest.mark.parametrize(
    ("preset", "mean", "std", "white"),
    [
        ("u2net", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 200),
        ("isnet", (0.5, 0.5, 0.5), (1, 1, 1), 255),
        ("isnet_anime", (0.485, 0.456, 0.406), (1, 1, 1), 200),
        ("plain", (0, 0, 0), (1, 1, 1), 255),
    ],
)
def test_each_preset_normalises_as_its_authors_do(tmp_path, preset, mean, std, white):
    path = grey_segmenter(tmp_path / "grey.onnx")
    crop = np.random.default_rng(0).integers(0, 200, (64, 64, 3), np.uint8)
    crop[0, 0] = 200
    values_HW = ((crop / white - mean) / std).mean(axis=2)
    found = predicted(path, crop, preset=preset)
    assert found.peak == pytest.approx(values_HW.max(), abs=1e-5)
    if preset == "plain":
        expected_HW = np.clip(values_HW, 0, 1)
    else:
        expected_HW = (values_HW - values_HW.min()) / np.ptp(values_HW)
    np.testing.assert_allclose(found.mask_HW, expected_HW, atol=1e-5)


def test_birefnet_gives_logits(tmp_path):
    path = grey_segmenter(tmp_path / "grey.onnx", gain=4.0, offset=-2.0)
    crop = lit_square()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    logits_HW = 4 * ((crop / 255 - mean) / std).mean(axis=2) - 2
    shares_HW = 1 / (1 + np.exp(-logits_HW))
    found = predicted(path, crop, preset="birefnet")
    assert found.peak == pytest.approx(shares_HW.max(), abs=1e-5)
    expected_HW = (shares_HW - shares_HW.min()) / np.ptp(shares_HW)
    np.testing.assert_allclose(found.mask_HW, expected_HW, atol=1e-5)


def test_the_first_of_several_outputs_is_the_mask(tmp_path):
    path = seven_outputs(tmp_path / "u2net.onnx")
    crop = lit_square(320, (100, 80, 200, 220))
    mask_HW = predicted(path, crop, preset="auto").mask_HW
    np.testing.assert_allclose(mask_HW, expected_of(crop), atol=1e-5)


def test_a_mask_of_one_value_is_not_stretched(tmp_path):
    path = grey_segmenter(tmp_path / "flat.onnx", gain=0.0, offset=0.25)
    found = predicted(path, lit_square(), preset="isnet")
    np.testing.assert_array_equal(found.mask_HW, np.full((64, 64), 0.25, np.float32))


def test_values_that_are_no_numbers_are_background(tmp_path):
    nodes = [*grey_nodes("grey"), helper.make_node("Sqrt", ["negative"], ["mask"])]
    nodes.insert(1, helper.make_node("Sub", ["grey", "half"], ["negative"]))
    path = saved(tmp_path / "nan.onnx", nodes, constants={"half": np.float32(0.5)})
    found = predicted(path, lit_square())
    assert np.isfinite(found.mask_HW).all()
    assert found.mask_HW[0, 0] == 0


def test_an_output_of_several_classes_is_refused(tmp_path):
    path = saved(tmp_path / "rgb.onnx", [helper.make_node("Identity", ["picture"], ["mask"])])
    with pytest.raises(SegmenterFileError, match=r"shape \(1, 3, 64, 64\), allowed: one mask"):
        predicted(path, lit_square())


def test_a_model_that_can_not_be_opened_or_run_is_named(tmp_path):
    path = with_foreign_operator(tmp_path / "odd.onnx", domain="com.microsoft")
    with pytest.raises(SegmenterFileError, match=r"odd.onnx can't be run by onnxruntime"):
        predicted(path, lit_square())
    nodes = [helper.make_node("Reshape", ["picture", "shape"], ["mask"])]
    path = saved(tmp_path / "bad.onnx", nodes, constants={"shape": np.array([1, 1, 7, 7])})
    with pytest.raises(SegmenterFileError, match=r"bad.onnx (fails on a picture|can't be run)"):
        predicted(path, lit_square())


def test_a_file_that_was_replaced_is_not_used(tmp_path):
    path = bright_segmenter(tmp_path / "bright.onnx")
    settings = MaskSettings.of(MaskParams(model="x", preset="plain"), path=path)
    bright_segmenter(path, limit=0.4)
    with pytest.raises(SegmenterFileError, match="was replaced"):
        Segmenter(settings)
