import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from wunderkammer.gan.growth import growth_stages, stage_at
from wunderkammer.gan.params import ProgressiveParams, TrainParams
from wunderkammer.gan.settings import check_train

SUBJECTS = Path(__file__).parents[2] / "subjects"


def recipe(**changes):
    return ProgressiveParams(kind="progressive", **changes)


def train_section(name):
    """A shipped recipe's training, and the side of its pictures."""
    recipe = yaml.safe_load((SUBJECTS / f"{name}.yaml").read_text())
    train = TypeAdapter(TrainParams).validate_json(json.dumps(recipe["train"]))
    check_train(train, **recipe["shard"])
    return train, recipe["shard"]["resolution_px"]


def test_the_zine_recipe_has_the_17_stages_of_the_original():
    train, side_px = train_section("zine")
    stages = growth_stages(train, resolution_px=side_px, batch_size=train.batch_size)
    assert len(stages) == 17
    assert [stage.side_px for stage in stages[::2]] == [2**k for k in range(2, 11)]
    assert [stage.is_fade for stage in stages] == [False] + [True, False] * 8
    assert {stage.num_images / stage.batch_size for stage in stages} == {10_000}
    assert [stage.batch_size for stage in stages] == [16] * 11 + [4] * 6
    assert stages[-1].end_image == 2_000_000


def test_the_quilt_recipe_is_the_original_one():
    train, _ = train_section("quilt")
    assert (train.kind, train.network, train.loss) == ("dcgan", "quilt", "non_saturating")
    assert (train.learning_rate, train.betas, train.batch_size) == (3e-4, (0.9, 0.999), 16)


def test_levels_run_from_0_to_the_last_side_and_fades_run_evenly():
    stages = growth_stages(recipe(stage_kimg=0.08), resolution_px=16, batch_size=8)
    levels = [stage_at(stages, n).level(n) for n in range(0, 480, 40)]
    assert levels == [0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 2, 2]


def test_a_training_may_begin_at_a_larger_side():
    stages = growth_stages(
        recipe(stage_steps=3, first_resolution_px=8), resolution_px=16, batch_size=2
    )
    assert [(s.side_px, s.is_fade, s.first_image) for s in stages] == [
        (8, False, 0),
        (16, True, 6),
        (16, False, 12),
    ]
    assert stages[0].level(0) == 1.0


def test_a_first_side_above_the_last_is_refused():
    with pytest.raises(ValueError, match=r"first_resolution_px=32 is above .*=16; lower it"):
        growth_stages(recipe(first_resolution_px=32), resolution_px=16, batch_size=8)


@given(
    steps=st.integers(1, 9),
    small=st.sampled_from([2, 8]),
    large=st.sampled_from([None, 2]),
    side=st.sampled_from([8, 32, 128]),
    from_px=st.sampled_from([8, 32, 256]),
)
def test_stages_follow_each_other_without_gaps_and_levels_only_rise(
    steps, small, large, side, from_px
):
    train = recipe(stage_steps=steps, batch_size_large=large, large_from_px=from_px)
    stages = growth_stages(train, resolution_px=side, batch_size=small)
    assert [s.first_image for s in stages] == [0, *(s.end_image for s in stages[:-1])]
    assert {s.num_images // s.batch_size for s in stages} == {steps}
    num_images, levels = 0, []
    while num_images < stages[-1].end_image:
        stage = stage_at(stages, num_images)
        levels.append(stage.level(num_images))
        num_images += stage.batch_size
    assert num_images == stages[-1].end_image
    assert levels == sorted(levels)
    assert levels[0] == 0.0
    assert levels[-1] == side.bit_length() - 3
    assert stage_at(stages, num_images + 1) is stages[-1]
