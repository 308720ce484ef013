"""Signs that a training has broken down, read from the measures of its ticks.

Nothing here needs torch, and nothing here acts: it says what it sees, with a remedy.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from wunderkammer.gan.checkpoints.archive import Tick
from wunderkammer.gan.params import HealthParams

REAL_SIGN = "scores/real_sign"
FAKE_SIGN = "scores/fake_sign"
AUGMENT_P = "augment/p"
DIVERSITY = "health/diversity"
UNSOUND = "health/unsound"  # measures that begin so count losses or gradients without a number

# ADA was seen to leak augmentations into the images beyond this (arXiv 2006.06676, section 2.2).
LARGEST_P = 0.85


@dataclass(frozen=True)
class Alarm:
    """One sign of trouble. Only "unsound" makes it certain that nothing good will come."""

    kind: Literal["unsound", "saturation", "diversity", "augmentation"]
    value: float
    limit: float
    message: str


def find_unsound(measures: Mapping[str, float], *, num_images: int) -> Alarm | None:
    """The first measure that is not finite, or that counts numbers that were not.

    A `Tick` can't hold a number that is not finite, so ask before one is made.
    """
    for name, value in measures.items():
        is_counted = name.startswith(UNSOUND) and value > 0
        if is_counted or not math.isfinite(value):
            message = (
                f"{name} is {value:g} at {_kimg(num_images)} where only finite numbers are sound; "
                f"lower the learning rate or raise train.r1_gamma, and go on from an earlier "
                f"checkpoint"
            )
            return Alarm("unsound", value, 0.0, message)
    return None


def judge(ticks: Sequence[Tick], params: HealthParams) -> tuple[Alarm, ...]:
    """What is wrong after the last of `ticks`; nothing if there are none.

    A collapse is told from a bad moment by its lasting `patience_ticks` ticks; unsound numbers are
    told at once. A measure that the ticks do not have is not judged, so `augment/p` belongs there
    only where p adapts.
    """
    if not ticks:
        return ()
    lasting = ticks[-params.patience_ticks :]
    alarms = [find_unsound(ticks[-1].measures, num_images=ticks[-1].num_images)]
    if len(lasting) == params.patience_ticks:
        alarms += [
            judge_one(lasting, params) for judge_one in (_saturation, _collapse, _augmentation)
        ]
    return tuple(alarm for alarm in alarms if alarm is not None)


def _saturation(ticks: Sequence[Tick], params: HealthParams) -> Alarm | None:
    values = _each(ticks, _certainty)
    if not values or (value := min(values)) <= params.max_real_sign:
        return None
    message = (
        f"the discriminator was certain of reals and fakes alike {_during(ticks)} (mean sign "
        f"{value:.3f}, limit {params.max_real_sign:g}): the generator learns little; raise "
        f"train.r1_gamma, set train.augment.kind to ada, or add pictures"
    )
    return Alarm("saturation", value, params.max_real_sign, message)


def _collapse(ticks: Sequence[Tick], params: HealthParams) -> Alarm | None:
    values = _each(ticks, lambda tick: tick.measures.get(DIVERSITY))
    if not values or (value := max(values)) >= params.min_diversity:
        return None
    message = (
        f"the images differed {value:.3f} times as much as the real ones {_during(ticks)}, limit "
        f"{params.min_diversity:g}: the generator repeats itself; go on from an earlier checkpoint "
        f"with a lower learning rate or a higher train.r1_gamma"
    )
    return Alarm("diversity", value, params.min_diversity, message)


def _augmentation(ticks: Sequence[Tick], params: HealthParams) -> Alarm | None:
    values = _each(ticks, lambda tick: tick.measures.get(AUGMENT_P))
    if not values or (value := min(values)) < LARGEST_P:
        return None
    message = (
        f"the augmentation's p was {value:.3f} or more {_during(ticks)}, limit {LARGEST_P:g}: "
        f"augmentations will show in the images; stop at the best checkpoint, add pictures, or "
        f"start from another model's weights"
    )
    return Alarm("augmentation", value, LARGEST_P, message)


def _certainty(tick: Tick) -> float | None:
    """How far the lesser of both mean signs is on its right side: 1 is a perfect separation."""
    real, fake = tick.measures.get(REAL_SIGN), tick.measures.get(FAKE_SIGN)
    return None if real is None or fake is None else min(real, -fake)


def _each(ticks: Sequence[Tick], measure: Callable[[Tick], float | None]) -> list[float]:
    """The measure of every tick; nothing if one lacks it."""
    values = [value for tick in ticks if (value := measure(tick)) is not None]
    return values if len(values) == len(ticks) else []


def _during(ticks: Sequence[Tick]) -> str:
    return f"for {len(ticks)} ticks up to {_kimg(ticks[-1].num_images)}"


def _kimg(num_images: int) -> str:
    return f"{num_images / 1000:.1f} kimg"
