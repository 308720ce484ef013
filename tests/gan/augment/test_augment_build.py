from pathlib import Path

import pytest
import torch
import yaml
from pydantic import TypeAdapter

from wunderkammer.gan.augment.build import build_augment
from wunderkammer.gan.augment.params import (
    AdaAugment,
    AugmentParams,
    DiffAugment,
    FixedAugment,
    NoAugment,
    RealsAugment,
)

SUBJECTS = Path(__file__).parents[3] / "subjects"


def test_none_is_none():
    assert build_augment(NoAugment(), channels=3, mirror=True) is None


@pytest.mark.parametrize("name", ["corgi", "spider", "quilt"])
def test_the_augmentation_of_a_shipped_recipe_can_be_built_and_run(draws, name):
    section = yaml.safe_load((SUBJECTS / f"{name}.yaml").read_text())["train"]["augment"]
    params = TypeAdapter(AugmentParams).validate_python(section, strict=False)
    augment = build_augment(params, channels=3, mirror=True)
    assert augment.reals_only == (name == "quilt")
    images = augment(torch.zeros(2, 3, 16, 16), draws(2), torch.tensor(0.5))
    assert images.shape == (2, 3, 16, 16)
    assert images.isfinite().all()


def test_only_the_fixed_kind_has_a_strength():
    fixed = FixedAugment(kind="fixed", p=0.5, transforms=("zoom",), strength=0.5)
    ada = AdaAugment(kind="ada", transforms=("zoom",))
    built = [build_augment(params, channels=3, mirror=False) for params in (fixed, ada)]
    assert [float(augment.amounts.spread) for augment in built] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    "params",
    [AdaAugment(kind="ada", transforms=("mirror_v",)), RealsAugment(kind="reals", mirror_h=0.5)],
)
def test_a_flip_by_name_where_mirror_is_false_is_refused(params):
    with pytest.raises(ValueError, match=r"train\.mirror is false"):
        build_augment(params, channels=3, mirror=False)


def test_an_augmentation_has_nothing_to_keep_in_a_checkpoint():
    for params in (AdaAugment(kind="ada"), DiffAugment(kind="diffaugment")):
        augment = build_augment(params, channels=3, mirror=True)
        assert augment.state_dict() == {}
        assert list(augment.parameters()) == []
