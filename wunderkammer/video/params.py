"""The `video` section."""

from typing import Annotated

from pydantic import Field

from wunderkammer.params import Params


class VideoParams(Params):
    """A walk through seeded latents: a looping one has a leg a keyframe, else one less.

    Frames are `side_px` on a side (the model's resolution, enlarged by whole factors, if unset).
    A conditional model goes from label to label, one a keyframe: `labels`, or else all of them.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    num_keyframes: Annotated[int, Field(ge=2, le=10_000)] = 12
    frames_per_leg: Annotated[int, Field(ge=1, le=10_000)] = 60
    fps: Annotated[int, Field(ge=1, le=120)] = 30
    loop: bool = True
    truncation_psi: Annotated[float, Field(gt=0, le=2)] = 0.7
    side_px: Annotated[int, Field(ge=16, le=4096, multiple_of=2)] | None = None
    labels: tuple[str, ...] | None = None
    crf: Annotated[int, Field(ge=0, le=51)] = 18

    @property
    def num_frames(self) -> int:
        """Frames in the film: a looping one returns to, but does not repeat, its first frame."""
        legs = self.num_keyframes if self.loop else self.num_keyframes - 1
        return legs * self.frames_per_leg + (0 if self.loop else 1)
