import pytest
from pydantic import ValidationError
from recipes import subject

from wunderkammer.detect.training.params import YoloTrainingParams


def section_digest(**settings):
    spec = subject(detector__kind="yolo", **settings).spec
    return spec.section_digest("detector")


def test_a_recipe_without_the_section_trains_no_detector():
    assert subject().spec.detector.kind == "none"


def test_when_to_train_anew_is_no_part_of_what_is_trained():
    plain = section_digest()
    assert section_digest(detector__retrain="on_review", detector__retrain_every=5) == plain
    assert section_digest(detector__epochs=7) != plain
    assert section_digest(detector__labels={"path": "labels"}) != plain


def test_the_detector_of_ones_own_needs_a_section_that_says_what_to_learn():
    with pytest.raises(ValidationError, match=r"detect\.weights: trained needs a section detector"):
        subject(detect__kind="yolo", detect__weights="trained")
    assert subject(
        detector__kind="yolo", detect__kind="yolo", detect__weights="trained"
    ).spec.detects_with_own


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reviewed": False}, "detector needs labels"),
        (
            {"reviewed": False, "labels": {"path": "x"}, "retrain": "on_review"},
            "on_review needs detector.reviewed",
        ),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"epochs": 2001}, "less than or equal to 2000"),
        ({"image_size_px": 100}, "multiple of 32"),
        ({"image_size_px": 4096}, "less than or equal to 2048"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"held_out": 0.0}, "greater than 0"),
        ({"labels": {"path": "x", "format": "labelme"}}, "'auto', 'voc'"),
        ({"start": {"kind": "file"}}, "Field required"),
    ],
)
def test_settings_beyond_their_bounds_are_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        YoloTrainingParams.model_validate({"kind": "yolo", **settings})
