"""The settings that part a crop's subject from its background."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from wunderkammer.params import Params

Channel = Annotated[int, Field(ge=0, le=255)]
Share = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]
Scale = Annotated[float, Field(gt=0)]
Preset = Literal["auto", "u2net", "isnet", "isnet_anime", "birefnet", "plain"]
Fill = Literal["colour", "mean", "blur", "none"]


class MaskParams(Params):
    """The background of each crop is painted over, by any segmenter in an ONNX file.

    `model` is a path that starts at the subject file, or a bare name such as `u2net.onnx`, which is
    looked for beside the subject file and in the folder that WUNDERKAMMER_WEIGHTS names (else
    `data/weights`). Nothing is ever downloaded. `sha256` pins the file.

    `preset` says how the segmenter wants its input: `u2net` (also u2netp, silueta), `isnet`,
    `isnet_anime`, `birefnet`, or `plain` (values of 0 to 1 in, a mask of 0 to 1 out); `auto` goes
    by the name of the file, else by the size of its input. `mean`, `std` and `input_px` override
    it.

    `fill: colour` paints the background in `colour`, `mean` in its own mean colour, `blur` blurs it
    by `blur_px` (sigma) without the subject; `none` leaves the crop as it is, and keeps and
    measures the mask. The mask keeps its soft edges unless `threshold` cuts it; `feather_px`
    (sigma) softens it afterwards. A crop whose mask covers less than `min_area` of it, or more than
    `max_area`, is rejected: the segmenter has found nothing, or everything.
    """

    model: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    preset: Preset = "auto"
    mean: Triple | None = None
    std: tuple[Scale, Scale, Scale] | None = None
    input_px: Annotated[int, Field(ge=16, le=4096)] | None = None
    fill: Fill = "colour"
    colour: tuple[Channel, Channel, Channel] = (255, 255, 255)
    blur_px: Annotated[float, Field(gt=0, le=256)] = 16.0
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    feather_px: Annotated[float, Field(ge=0, le=64)] = 0.0
    min_area: Share = 0.02
    max_area: Share = 0.98

    @model_validator(mode="after")
    def _consistent(self) -> "MaskParams":
        if self.min_area > self.max_area:
            raise ValueError(
                f"min_area={self.min_area} is more than max_area={self.max_area}, "
                f"so that no crop could pass; lower the one or raise the other"
            )
        return self
