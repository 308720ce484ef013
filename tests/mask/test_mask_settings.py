from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError
from segmenter_samples import bright_segmenter

from wunderkammer.crops.cuts import judge
from wunderkammer.mask.cuts import mask_cuts
from wunderkammer.mask.errors import SegmenterFileError, SegmenterNotFoundError
from wunderkammer.mask.location import find_model
from wunderkammer.mask.params import MaskParams
from wunderkammer.mask.presets import PRESETS, preset_for
from wunderkammer.mask.settings import MaskSettings


class _Subject:
    name = "spider"

    def __init__(self, folder):
        self.folder = folder

    def resolve(self, path):
        return (self.folder / Path(path).expanduser()).resolve()


def named(path, *, codec="jpeg", quality=95, **changes):
    params = MaskParams(model=path.name, **{"preset": "plain", **changes})
    return MaskSettings.of(params, path=path).digest(codec=codec, quality=quality)


def test_what_reaches_the_pixels_changes_the_name_and_nothing_else_does(tmp_path):
    path = bright_segmenter(tmp_path / "a.onnx")
    base = named(path)
    assert named(path, min_area=0.3, max_area=0.5) == base
    assert named(path, blur_px=3.0) == base
    elsewhere = bright_segmenter(tmp_path / "b.onnx")
    assert named(elsewhere) == base
    other_model = bright_segmenter(tmp_path / "c.onnx", limit=0.25)
    names = [
        named(other_model),
        named(path, quality=90),
        named(path, codec="png"),
        named(path, colour=(0, 0, 0)),
        named(path, fill="mean"),
        named(path, fill="blur"),
        named(path, fill="blur", blur_px=3.0),
        named(path, fill="none"),
        named(path, threshold=0.5),
        named(path, feather_px=1.0),
        named(path, preset="isnet"),
        named(path, std=(2.0, 1.0, 1.0)),
        base,
    ]
    assert len(set(names)) == len(names)
    assert named(path, fill="mean", colour=(0, 0, 0)) == named(path, fill="mean")


@pytest.mark.parametrize(
    ("name", "input_px", "expected"),
    [
        ("u2net.onnx", 320, "u2net"),
        ("u2netp.onnx", 320, "u2net"),
        ("Silueta.onnx", 320, "u2net"),
        ("isnet-general-use.onnx", 1024, "isnet"),
        ("isnet-anime.onnx", 1024, "isnet_anime"),
        ("birefnet-general.onnx", 1024, "birefnet"),
        ("mine.onnx", 320, "u2net"),
        ("mine.onnx", 1024, "isnet"),
    ],
)
def test_the_preset_is_told_by_the_files_name_or_else_by_its_input(name, input_px, expected):
    assert preset_for("auto", file=Path(name), input_px=input_px) == expected
    assert preset_for("plain", file=Path(name), input_px=input_px) == "plain"


@pytest.mark.parametrize("input_px", [None, 512])
def test_a_preset_that_nothing_tells_must_be_named(input_px):
    with pytest.raises(SegmenterFileError, match=r"set mask.preset to one of u2net, isnet"):
        preset_for("auto", file=Path("mine.onnx"), input_px=input_px)


def test_the_numbers_of_a_preset_can_be_overridden(tmp_path):
    path = bright_segmenter(tmp_path / "free.onnx", shape=(1, 3, "h", "w"))
    settings = MaskSettings.of(MaskParams(model="x", preset="u2net"), path=path)
    assert settings.normalisation == PRESETS["u2net"]
    params = MaskParams(
        model="x", preset="u2net", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0), input_px=96
    )
    changed = MaskSettings.of(params, path=path).normalisation
    assert (changed.mean, changed.std) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    assert (changed.input_px, changed.by_brightest) == (96, True)


def test_a_pin_and_a_size_that_do_not_fit_are_refused(tmp_path):
    path = bright_segmenter(tmp_path / "a.onnx")
    with pytest.raises(SegmenterFileError, match=r"drop the pin"):
        MaskSettings.of(MaskParams(model="a.onnx", preset="plain", sha256="0" * 64), path=path)
    with pytest.raises(SegmenterFileError, match=r"takes pictures of 64 px only"):
        MaskSettings.of(MaskParams(model="a.onnx", preset="plain", input_px=320), path=path)


def test_a_model_is_found_beside_the_recipe_and_in_the_folder_of_weights(tmp_path, monkeypatch):
    beside, weights = tmp_path / "subjects", tmp_path / "weights"
    beside.mkdir()
    weights.mkdir()
    monkeypatch.setenv("WUNDERKAMMER_WEIGHTS", str(weights))
    subject = _Subject(beside)
    with pytest.raises(SegmenterNotFoundError) as caught:
        find_model(MaskParams(model="u2net.onnx"), subject=subject)
    message = str(caught.value)
    assert str(beside / "u2net.onnx") in message
    assert f"put it to {weights / 'u2net.onnx'}" in message
    assert "never downloaded" in message
    bright_segmenter(weights / "u2net.onnx")
    assert find_model(MaskParams(model="u2net.onnx"), subject=subject).parent == weights
    bright_segmenter(beside / "u2net.onnx")
    assert find_model(MaskParams(model="u2net.onnx"), subject=subject).parent == beside
    with pytest.raises(SegmenterNotFoundError, match=r"put it to .*elsewhere"):
        find_model(MaskParams(model="elsewhere/u2net.onnx"), subject=subject)


def test_areas_that_leave_nothing_are_refused():
    with pytest.raises(ValidationError, match=r"lower the one or raise the other"):
        MaskParams(model="a.onnx", min_area=0.6, max_area=0.5)


def test_masks_of_nothing_and_of_everything_are_cut():
    areas = pa.table({"measure/mask_area": [0.01, 0.05, 0.5, 0.97, None]})
    verdicts = judge(areas, mask_cuts(MaskParams(model="x", min_area=0.05, max_area=0.9)))
    reasons = ["mask_too_small", None, None, "mask_too_large", None]
    assert verdicts.reason.to_pylist() == reasons
    assert verdicts.limit.to_pylist() == [0.05, None, None, 0.9, None]
