"""The `detect` and `filter` sections: from a picture to the square crop that a GAN learns from."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params

Channel = Annotated[int, Field(ge=0, le=255)]
Rgb = tuple[Channel, Channel, Channel]


class NoDetector(Params):
    """The subject needs no detector; its chain has no `detections`."""

    kind: Literal["none"] = "none"


DetectParams = NoDetector


class CropParams(Params):
    """What every crop rule shares.

    `size_px` is the side at which a crop is stored; a window smaller than `size_px / max_upsample`
    is rejected, never blown up further. `background` is what shows through transparent pixels.
    """

    size_px: Annotated[int, Field(ge=8, le=4096)] = 256
    max_upsample: Annotated[float, Field(ge=1, le=8)] = 1.0
    max_aspect: Annotated[float, Field(ge=1)] = 2.0
    background: Rgb = (255, 255, 255)
    codec: Literal["jpeg", "png", "webp"] = "jpeg"
    quality: Annotated[int, Field(ge=1, le=100)] = 95


class WholeParams(CropParams):
    """The centre square of the whole picture, unless its aspect ratio is beyond `max_aspect`."""

    kind: Literal["whole"]


class SquareParams(CropParams):
    """The centre square of pictures whose shorter side is at least `min_side_px`."""

    kind: Literal["square"]
    min_side_px: Annotated[int, Field(ge=1)]


FilterParams = Annotated[WholeParams | SquareParams, Field(discriminator="kind")]
