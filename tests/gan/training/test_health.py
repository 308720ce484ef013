import math
import subprocess
import sys

import pytest

from wunderkammer.gan.checkpoints.archive import Tick
from wunderkammer.gan.params import HealthParams
from wunderkammer.gan.training.health import find_unsound, judge

SOUND = {
    "loss/generator": 1.2,
    "scores/real_sign": 0.6,
    "scores/fake_sign": -0.5,
    "augment/p": 0.3,
    "health/diversity": 0.9,
    "health/unsound_losses": 0.0,
}


def _ticks(*measures):
    return [
        Tick(
            num_images=4000 * (i + 1),
            measures=SOUND | changed,
            elapsed_s=1.0,
            images_per_s=1.0,
            memory_mb=1.0,
        )
        for i, changed in enumerate(measures)
    ]


def _kinds(ticks, **params):
    return [alarm.kind for alarm in judge(ticks, HealthParams(**params))]


COLLAPSES = {
    "saturation": {"scores/real_sign": 0.99, "scores/fake_sign": -1.0},
    "diversity": {"health/diversity": 0.05},
    "augmentation": {"augment/p": 0.85},
}


def test_a_training_that_goes_well_raises_no_alarm():
    assert judge([], HealthParams()) == ()
    assert _kinds(_ticks({}, {}, {}, {})) == []


@pytest.mark.parametrize("kind", COLLAPSES)
def test_a_collapse_is_told_once_it_has_lasted(kind):
    bad = COLLAPSES[kind]
    assert _kinds(_ticks({}, bad, bad)) == []
    assert _kinds(_ticks({}, bad, bad, bad)) == [kind]
    assert _kinds(_ticks(bad, bad)) == []
    assert _kinds(_ticks({}, bad), patience_ticks=1) == [kind]


@pytest.mark.parametrize("kind", COLLAPSES)
def test_a_tick_of_health_starts_the_count_anew(kind):
    bad = COLLAPSES[kind]
    assert _kinds(_ticks(bad, bad, bad, {})) == []
    assert _kinds(_ticks(bad, bad, {}, bad)) == []


def test_a_discriminator_that_is_sure_of_the_reals_only_is_not_saturated():
    sure = {"scores/real_sign": 1.0, "scores/fake_sign": 0.4}  # its scores are merely shifted
    assert _kinds(_ticks(sure, sure, sure)) == []


def test_counted_unsound_numbers_are_told_at_once():
    (alarm,) = judge(_ticks({}, {"health/unsound_losses": 0.25}), HealthParams())
    assert alarm.kind == "unsound"
    assert "health/unsound_losses is 0.25 at 8.0 kimg" in alarm.message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_measure_that_is_no_number_is_found_before_a_tick_is_made(value):
    alarm = find_unsound(SOUND | {"loss/r1": value}, num_images=8000)
    assert alarm.kind == "unsound"
    assert "loss/r1" in alarm.message
    assert find_unsound(SOUND, num_images=8000) is None


def test_a_measure_that_a_tick_lacks_is_not_judged():
    bad = COLLAPSES["augmentation"] | COLLAPSES["diversity"]
    ticks = _ticks(bad, bad, bad)
    del ticks[1].measures["augment/p"], ticks[1].measures["health/diversity"]
    assert _kinds(ticks) == []


def test_several_alarms_come_together():
    everything = COLLAPSES["saturation"] | COLLAPSES["diversity"] | COLLAPSES["augmentation"]
    kinds = _kinds(_ticks(*[everything | {"health/unsound_losses": 1.0}] * 3))
    assert kinds == ["unsound", "saturation", "diversity", "augmentation"]


def test_an_alarm_gives_the_mildest_value_that_lasted_and_its_limit():
    ticks = _ticks(*({"health/diversity": value} for value in (0.02, 0.07, 0.01)))
    (alarm,) = judge(ticks, HealthParams())
    assert (alarm.value, alarm.limit) == (0.07, 0.1)
    assert "0.070" in alarm.message
    assert "3 ticks" in alarm.message
    assert "train.r1_gamma" in alarm.message


def test_the_limits_are_those_of_the_recipe():
    bad = {"scores/real_sign": 0.8, "scores/fake_sign": -0.8, "health/diversity": 0.4}
    ticks = _ticks(bad, bad, bad)
    assert _kinds(ticks) == []
    assert _kinds(ticks, max_real_sign=0.7) == ["saturation"]
    assert _kinds(ticks, min_diversity=0.5) == ["diversity"]


def test_judging_does_not_load_torch():
    code = "import sys, wunderkammer.gan.training.health; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
