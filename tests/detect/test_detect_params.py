import pytest
from pydantic import ValidationError

from wunderkammer.detect.params import YoloParams
from wunderkammer.params import digest


def params(**settings):
    return YoloParams(kind="yolo", weights="yolo11n.pt", **settings)


@pytest.mark.parametrize(
    "settings", [{"device": "cuda:1"}, {"backend": "torch"}, {"batch_size": 3}]
)
def test_how_it_is_computed_is_part_of_no_version(settings):
    assert digest(params(**settings).canonical()) == digest(params().canonical())


@pytest.mark.parametrize(
    "settings",
    [
        {"classes": ("dog",)},
        {"image_size_px": 416},
        {"min_confidence": 0.1},
        {"max_overlap": 0.45},
        {"max_objects": 5},
        {"precision": "float32"},
        {"sha256": "a" * 64},
    ],
)
def test_what_is_found_is_part_of_it(settings):
    assert digest(params(**settings).canonical()) != digest(params().canonical())


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size_px": 100},
        {"min_confidence": 0.0},
        {"max_overlap": 0.0},
        {"device": "gpu"},
        {"device": "cuda:"},
        {"backend": "onnx"},
        {"sha256": "abc"},
        {"colour": "red"},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        params(**settings)
