import ctypes
import gc
import logging
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detector_kit import SIDE_PX, scene, untrained

from wunderkammer.detect import openvino_backend
from wunderkammer.detect.boxes import BoxSettings, find_boxes, iou
from wunderkammer.detect.detector_file import Detector, parse_detector, write_detector
from wunderkammer.detect.errors import BackendError
from wunderkammer.detect.network import RawDetector, build_network
from wunderkammer.detect.openvino_backend import OpenVinoBackend, export_folder, export_network
from wunderkammer.detect.params import YoloParams
from wunderkammer.detect.start import start_backend
from wunderkammer.detect.torch_backend import TorchBackend
from wunderkammer.detect.ultralytics_offline import ultralytics_module

SETTINGS = BoxSettings(min_confidence=0.25, max_overlap=0.7, max_objects=300)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(7)
    return np.stack([scene(rng, num_objects=2)[0] for _ in range(8)])


@pytest.fixture(scope="module")
def by_torch(detector):
    return TorchBackend(RawDetector(build_network(detector)), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def exported(detector, tmp_path_factory):
    """The folder of an export."""
    pytest.importorskip("openvino", exc_type=ImportError)
    folder = export_folder(tmp_path_factory.mktemp("exports"), detector.sha256)
    export_network(RawDetector(build_network(detector)), folder)
    return folder


def params(**settings):
    return YoloParams(kind="yolo", weights="any", **settings)


def boxes(backend, x_NHWC):
    frame = x_NHWC.shape[1:3]
    return [
        find_boxes(one, two, frame=frame, facts=backend.facts, settings=SETTINGS)
        for one, two in zip(*backend.run(x_NHWC), strict=True)
    ]


def test_boxes_are_those_of_ultralytics_own_head_and_suppression(detector, by_torch, pictures):
    network = build_network(detector)
    x_NCHW = torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255
    suppress = ultralytics_module("utils.nms").non_max_suppression
    with torch.inference_mode():
        decoded = network(x_NCHW)[0]
        expected = suppress(decoded, 0.25, 0.7, max_det=300)
    for found, theirs in zip(boxes(by_torch, pictures), expected, strict=True):
        assert len(found.class_K) == len(theirs) > 0
        assert np.allclose(found.corners_K4, theirs[:, :4], atol=1e-3)
        assert np.allclose(found.confidence_K, theirs[:, 4], atol=1e-5)
        assert found.class_K.tolist() == theirs[:, 5].tolist()


@pytest.mark.parametrize("name", ["yolo11n", "yolov10n", "yolo26n", "yolov8n-p6"])
def test_architectures_of_ultralytics_give_numbers_that_make_their_boxes(name):
    tasks = ultralytics_module("nn.tasks")
    architecture = tasks.yaml_model_load(f"{name}.yaml")
    torch.manual_seed(0)
    theirs = tasks.DetectionModel(architecture, nc=3, verbose=False).eval()
    tensors = {key: t.numpy() for key, t in theirs.state_dict().items()}
    ours = Detector(theirs.yaml, ("a", "b", "c"), tensors)
    network = RawDetector(build_network(parse_detector(write_detector(ours))))
    backend = TorchBackend(network, device=torch.device("cpu"))
    x_NHWC = np.random.default_rng(0).integers(0, 256, (1, 128, 192, 3), dtype=np.uint8)
    with torch.inference_mode():
        decoded = theirs(torch.tensor(x_NHWC).permute(0, 3, 1, 2).float() / 255)[0].numpy()
    distances, logits = backend.run(x_NHWC)
    assert np.allclose(1 / (1 + np.exp(-logits)), decoded[:, 4:], atol=1e-5)
    found = find_boxes(
        distances[0],
        logits[0],
        frame=(128, 192),
        facts=backend.facts,
        settings=BoxSettings(1e-9, 1.0, 10_000),
    )
    x, y, width, height = decoded[0, :4]
    corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    order = np.argsort(-logits[0].max(axis=0), kind="stable")
    assert np.allclose(found.corners_K4, corners[order], atol=1e-2)


def test_openvino_in_float32_finds_the_same_boxes(exported, by_torch, pictures):
    backend = OpenVinoBackend(exported, precision="float32")
    assert backend.name == "openvino, cpu, float32"
    assert backend.facts == by_torch.facts
    for found, expected in zip(boxes(backend, pictures), boxes(by_torch, pictures), strict=True):
        assert found.class_K.tolist() == expected.class_K.tolist()
        assert np.allclose(found.corners_K4, expected.corners_K4, atol=0.01)
        assert np.allclose(found.confidence_K, expected.confidence_K, atol=1e-4)


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def stack_of_signal_handlers():
    stack = _Stack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    return stack.start, stack.size


def test_backends_that_come_and_go_leave_signal_handlers_a_stack(exported):
    """A freed one crashes the process at the next signal."""
    OpenVinoBackend(exported, precision="float32")
    gc.collect()
    before = stack_of_signal_handlers()
    first = OpenVinoBackend(exported, precision="float32")
    second = OpenVinoBackend(exported, precision="float32")
    del first
    gc.collect()
    del second
    gc.collect()
    assert stack_of_signal_handlers() == before


def test_openvino_at_its_fastest_finds_boxes_of_nearly_the_same_place(exported, by_torch, pictures):
    backend = OpenVinoBackend(exported, precision="auto")
    for found, expected in zip(boxes(backend, pictures), boxes(by_torch, pictures), strict=True):
        sure = expected.confidence_K > 0.5
        for box, confidence in zip(
            expected.corners_K4[sure], expected.confidence_K[sure], strict=True
        ):
            overlap = iou(box, found.corners_K4)
            assert overlap.max() > 0.9
            assert abs(found.confidence_K[overlap.argmax()] - confidence) < 0.05


def test_frames_of_all_sizes_go_through_one_export(exported, by_torch):
    backend = OpenVinoBackend(exported, precision="float32")
    rng = np.random.default_rng(3)
    for height, width, num in ((64, 96, 3), (32, 32, 1), (128, 64, 40), (128, 64, 2)):
        x_NHWC = rng.integers(0, 256, (num, height, width, 3), dtype=np.uint8)
        for found, expected in zip(backend.run(x_NHWC), by_torch.run(x_NHWC), strict=True):
            assert np.allclose(found, expected, atol=1e-3)


def test_what_is_found_in_a_picture_depends_on_no_other(exported, pictures):
    backend = OpenVinoBackend(exported, precision="float32")
    together = backend.run(pictures)
    alone = backend.run(pictures[3:4])
    assert all(np.array_equal(a[3], b[0]) for a, b in zip(together, alone, strict=True))


def test_an_export_that_computes_something_else_is_refused(detector, tmp_path, monkeypatch):
    pytest.importorskip("openvino", exc_type=ImportError)
    other = RawDetector(build_network(untrained(seed=9)))
    converted = openvino_backend._converted
    monkeypatch.setattr(openvino_backend, "_converted", lambda _: converted(other))
    with pytest.raises(BackendError, match="differs by"):
        export_network(RawDetector(build_network(detector)), tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_export_is_made_again(detector, tmp_path, caplog, pictures):
    pytest.importorskip("openvino", exc_type=ImportError)
    caplog.set_level(logging.INFO)
    first = start_backend(detector, params(device="cpu"), cache=tmp_path)
    assert first.name.startswith("openvino")
    assert "exporting" in caplog.text
    caplog.clear()
    start_backend(detector, params(device="cpu"), cache=tmp_path)
    assert caplog.text == ""
    (model,) = tmp_path.rglob("model.xml")
    model.write_bytes(model.read_bytes()[:1000])
    again = start_backend(detector, params(device="cpu"), cache=tmp_path)
    assert "is damaged" in caplog.text
    assert np.array_equal(again.run(pictures)[1], first.run(pictures)[1])


def test_without_openvino_torch_is_used_and_the_log_says_so(
    detector, tmp_path, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "openvino", None)
    backend = start_backend(detector, params(device="cpu"), cache=tmp_path)
    assert backend.name == "torch, cpu, float32"
    assert "openvino can't be loaded" in caplog.text
    with pytest.raises(BackendError, match=r"detect\.backend: torch"):
        start_backend(detector, params(device="cpu", backend="openvino"), cache=tmp_path)


def test_a_network_that_can_not_be_exported_runs_on_torch(detector, tmp_path, monkeypatch, caplog):
    pytest.importorskip("openvino", exc_type=ImportError)

    def fail(_):
        raise NotImplementedError("no such layer")

    monkeypatch.setattr(openvino_backend, "_converted", fail)
    backend = start_backend(detector, params(device="cpu"), cache=tmp_path)
    assert backend.name.startswith("torch")
    assert "can't be exported: no such layer" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_device_comes_from_the_recipe_or_the_environment(detector, tmp_path, monkeypatch):
    asked = []

    def choose(name):
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("wunderkammer.detect.start.choose_device", choose)
    monkeypatch.delenv("WUNDERKAMMER_DEVICE", raising=False)
    start_backend(detector, params(backend="torch"), cache=tmp_path)
    monkeypatch.setenv("WUNDERKAMMER_DEVICE", "cuda:1")
    start_backend(detector, params(backend="torch"), cache=tmp_path)
    start_backend(detector, params(backend="torch", device="cpu"), cache=tmp_path)
    assert asked == ["auto", "cuda:1", "cpu"]


def test_openvino_is_refused_on_a_gpu(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "wunderkammer.detect.start.choose_device", lambda _: SimpleNamespace(type="cuda")
    )
    with pytest.raises(BackendError, match="runs on the CPU"):
        start_backend(detector, params(backend="openvino", device="cuda"), cache=tmp_path)


def test_a_network_is_built_without_touching_the_random_numbers_of_others(detector):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_network(detector)
    assert torch.equal(torch.rand(3), expected)


def test_frames_in_torch_are_of_the_step_of_the_network(by_torch):
    assert by_torch.facts.step_px == 16
    assert SIDE_PX % by_torch.facts.step_px == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_torch.run(np.zeros((1, 16, 32, 3), np.uint8))
