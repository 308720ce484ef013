import json

import pytest
from pydantic import TypeAdapter, ValidationError

from wunderkammer.gan.augment.params import (
    GROUPS,
    AdaAugment,
    AugmentParams,
    FixedAugment,
    RealsAugment,
    check_mirror,
    transform_names,
)

READ = TypeAdapter(AugmentParams)


def read(**settings):
    return READ.validate_json(json.dumps(settings))


def names(transforms, *, mirror=True):
    return transform_names(AdaAugment(kind="ada", transforms=transforms), mirror=mirror)


def test_ada_is_the_papers_unless_told_otherwise():
    params = read(kind="ada")
    assert (params.target, params.metric, params.speed_kimg) == (0.6, "rt", 500.0)
    assert (params.interval, params.initial_p, params.transforms) == (4, 0.0, "bgc")
    assert params.canonical() == {"kind": "ada"}


def test_a_preset_is_the_groups_that_its_letters_stand_for():
    assert names("bg") == GROUPS["blit"] | GROUPS["geom"]
    assert names("bgcf") - names("bgc") == {"filter"}
    assert names("bgcfn") - names("bgcf") == {"noise"}
    assert names("bgcfnc") - names("bgcfn") == {"cutout"}
    assert names("cutout") == {"cutout"}


def test_the_full_preset_has_the_papers_18_transformations_where_a_filter_has_four_bands():
    assert len(names("bgcfnc")) + 3 == 18


def test_a_list_takes_single_transformations_and_groups():
    params = read(kind="fixed", p=0.7, strength=0.1, transforms=["color", "zoom", "mirror_v"])
    assert transform_names(params, mirror=True) == GROUPS["color"] | {"zoom", "mirror_v"}


@pytest.mark.parametrize("preset", ["blit", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc", ("blit",)])
def test_without_mirror_a_preset_loses_its_flip_and_nothing_else(preset):
    assert names(preset) - names(preset, mirror=False) == {"mirror_h"}


@pytest.mark.parametrize(
    "params",
    [
        AdaAugment(kind="ada", transforms=("mirror_h", "hue")),
        FixedAugment(kind="fixed", p=1.0, transforms=("mirror_v",)),
        RealsAugment(kind="reals", mirror_v=0.5),
    ],
)
def test_a_flip_that_is_asked_for_by_name_is_refused_without_mirror(params):
    check_mirror(params, mirror=True)
    with pytest.raises(ValueError, match=r"asks for mirror_[hv], but train\.mirror is false; set"):
        check_mirror(params, mirror=False)


@pytest.mark.parametrize("given", ["bgx", ["colour"], [], 3, [["hue"]], ["bgc"]])
def test_an_unknown_transformation_is_refused_with_all_that_are_allowed(given):
    with pytest.raises(ValidationError, match=r"allowed: one of blit, .*, or a list of mirror_h, "):
        read(kind="ada", transforms=given)


def test_a_transformation_named_twice_is_refused():
    with pytest.raises(ValidationError, match="given twice"):
        read(kind="ada", transforms=["hue", "hue"])


@pytest.mark.parametrize(
    "settings",
    [
        {"crop": [0.3, 0.2]},
        {"crop": [0.0, 0.5]},
        {"blur": {"sigma_px": [0.5, 0.1]}},
        {"affine": {"scale": [0.0, 1.0]}},
        {"brightness": [-1.0, 1.0]},
    ],
)
def test_a_range_that_is_turned_round_or_too_wide_is_refused(settings):
    with pytest.raises(ValidationError, match="two numbers, the smaller first"):
        read(kind="reals", **settings)


def test_a_classic_augmentation_that_does_nothing_is_refused():
    with pytest.raises(ValidationError, match="nothing is switched on"):
        read(kind="reals", mirror_h=0.0)
