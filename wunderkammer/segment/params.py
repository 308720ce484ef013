"""The settings of kind `threshold` of the `filter` section that say where a specimen lies."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wunderkammer.params import Params

Method = Literal["contrast", "otsu", "yen"]
Foreground = Literal["auto", "bright", "dark"]
Prefer = Literal["largest", "squarest", "most_solid", "most_central", "most_contrast"]
Tiles = Literal["whole", "inside", "ignore"]
# The values of the measure `method`.
METHOD_CODES = {"tile": 0, "contrast": 1, "otsu": 2, "yen": 3}
Share = Annotated[float, Field(ge=0, le=1)]


class ThresholdRegionParams(Params):
    """Finding a specimen by a threshold of grey, whatever else a frame shows.

    `methods` are tried in turn, the next one where the best region of the one before is out of
    bounds: `contrast` is `contrast_share` of the way from the background to the median of what
    Otsu's threshold takes for specimens, so that their dim parts count and a halo does not. Of the
    `num_largest` regions the best is the one that is preferred: the largest, the squarest (highest
    ratio of minor to major axis), the most solid (convex), central, or contrasting. Areas are
    bounded in px and as shares of the picture.

    Specimens are `bright` or `dark` on their background; `auto` takes what differs from it. With
    `level_light` the background may grow brighter across the picture. `leave_out_annotations`
    leaves out strips along an edge that have writing in them (up to `max_strip` of the picture's
    side), labels, scale bars and words. A picture that was pasted on a flat canvas, a tile, is one
    region (`tiles: whole`), or what is `inside` is looked for, or tiles are `ignore`d.

    Grey is blurred by `smooth` (sigma; at least 0.8 px), gaps and cracks are closed up to twice
    `close`, both shares of the picture's shorter side, 0 for neither; `fill_holes` fills what a
    region encloses. A crop shows `pad_px` and `pad` (a share of the box's longer side) around a
    region, as far as the strips leave room; a tile is shown without its canvas.

    The plain recipe of "Infinite Forams" is `methods: [yen, otsu]`, `foreground: bright`,
    `level_light: false`, `leave_out_annotations: false`, `tiles: ignore`, `smooth: 0`, `close: 0`,
    `fill_holes: false`, `num_largest: 2`, `prefer: squarest`, `min_area_px: 100`, `max_area_px:
    100000`, `min_area: 0`, `max_area: 1`, `pad_px: 4`, `pad: 0`.
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("contrast", "otsu", "yen")
    contrast_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    foreground: Foreground = "auto"
    level_light: bool = True
    leave_out_annotations: bool = True
    max_strip: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    tiles: Tiles = "whole"
    smooth: Annotated[float, Field(ge=0, le=0.1)] = 0.003
    close: Annotated[float, Field(ge=0, le=0.1)] = 0.008
    fill_holes: bool = True
    num_largest: Annotated[int, Field(ge=1, le=100)] = 5
    prefer: Prefer = "largest"
    min_area_px: Annotated[int, Field(ge=1)] = 1
    max_area_px: Annotated[int, Field(ge=1)] | None = None
    min_area: Share = 0.002
    max_area: Share = 0.95
    pad_px: Annotated[int, Field(ge=0)] = 0
    pad: Annotated[float, Field(ge=0, le=1)] = 0.02

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.max_area_px is not None and self.max_area_px < self.min_area_px:
            raise ValueError(
                f"max_area_px={self.max_area_px} is below min_area_px={self.min_area_px}, so no "
                f"region can be in bounds; raise the one or lower the other"
            )
        if self.max_area < self.min_area:
            raise ValueError(
                f"max_area={self.max_area:g} is below min_area={self.min_area:g}, so no region can "
                f"be in bounds; raise the one or lower the other"
            )
        return self
