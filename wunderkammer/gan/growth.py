"""The stages of progressive growing (arXiv 1710.10196, section 2). No torch here.

A level says how far networks have grown: at an integer k their side is 4 · 2^k px; between k and
k + 1 the layers of the next side are faded in, weighed by the fraction.
"""

from dataclasses import dataclass

from wunderkammer.gan.params import ProgressiveParams


@dataclass(frozen=True)
class Stage:
    """One side at a time: its new layers are faded in, then trained at their full weight."""

    side_px: int
    is_fade: bool
    first_image: int
    num_images: int
    batch_size: int

    @property
    def end_image(self) -> int:
        """Images shown when it is over."""
        return self.first_image + self.num_images

    def level(self, num_images: int) -> float:
        """How far the networks have grown for the step that starts after `num_images`."""
        reached = self.side_px.bit_length() - 3
        if not self.is_fade:
            return float(reached)
        return reached - 1 + (num_images - self.first_image) / self.num_images


def growth_stages(
    train: ProgressiveParams, *, resolution_px: int, batch_size: int
) -> tuple[Stage, ...]:
    """One stage at the first side, then two (fade, stabilise) for each doubling of it.

    Args:
        train: the recipe.
        resolution_px: the last side.
        batch_size: samples of a step below `train.large_from_px`.

    Raises:
        ValueError: the first side is above the last.
    """
    if train.first_resolution_px > resolution_px:
        raise ValueError(
            f"first_resolution_px={train.first_resolution_px} is above "
            f"shard.resolution_px={resolution_px}; lower it"
        )
    stages: list[Stage] = []
    side_px: int = train.first_resolution_px
    while side_px <= resolution_px:
        is_large = side_px >= train.large_from_px
        batch = train.batch_size_large or batch_size if is_large else batch_size
        for is_fade in (True, False) if stages else (False,):
            first_image = stages[-1].end_image if stages else 0
            stages.append(Stage(side_px, is_fade, first_image, _num_images(train, batch), batch))
        side_px *= 2
    return tuple(stages)


def stage_at(stages: tuple[Stage, ...], num_images: int) -> Stage:
    """The stage of the step that starts after `num_images`; the last one has no end."""
    return next((stage for stage in stages if num_images < stage.end_image), stages[-1])


def _num_images(train: ProgressiveParams, batch_size: int) -> int:
    if train.stage_steps is not None:
        return train.stage_steps * batch_size
    return round(train.stage_kimg * 1000)
