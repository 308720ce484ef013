"""The `filter` section: from a picture to the square crop that a GAN learns from."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.classify.params import ClassifyParams, OutlierParams, SimilarParams
from wunderkammer.mask.params import MaskParams
from wunderkammer.pages.params import PageRegionParams
from wunderkammer.params import Params
from wunderkammer.segment.params import ThresholdRegionParams

Channel = Annotated[int, Field(ge=0, le=255)]
Rgb = tuple[Channel, Channel, Channel]
Share = Annotated[float, Field(ge=0, le=1)]


class CropParams(Params):
    """What every crop rule shares.

    `size_px` is the side at which a crop is stored; a window smaller than `size_px / max_upsample`
    is rejected, never blown up further. `background` is what shows through transparent pixels;
    where a window reaches beyond the picture it is filled with `outside`: the background, or the
    median colour of the picture's border. `min_sharpness` is the least variance of the Laplacian of
    the grey crop; `brightness` is the range that its mean grey may have, `min_contrast` the least
    standard deviation of its grey, both of 0 to 1. What a network sees in crops can keep and reject
    them too: `classify`, `similar`, `outliers`. With a `mask` the background is painted over.
    """

    size_px: Annotated[int, Field(ge=8, le=4096)] = 256
    max_upsample: Annotated[float, Field(ge=1, le=8)] = 1.0
    background: Rgb = (255, 255, 255)
    codec: Literal["jpeg", "png", "webp"] = "jpeg"
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    outside: Literal["background", "border"] = "background"
    min_sharpness: Annotated[float, Field(ge=0)] = 0.0
    brightness: tuple[Share, Share] = (0.0, 1.0)
    min_contrast: Share = 0.0
    classify: ClassifyParams | None = None
    similar: SimilarParams | None = None
    outliers: OutlierParams | None = None
    mask: MaskParams | None = None


class CentreParams(CropParams):
    """The centre square of a picture, unless its aspect ratio is beyond `max_aspect`."""

    max_aspect: Annotated[float, Field(ge=1)] = 2.0


class WholeParams(CentreParams):
    """The centre square of the whole picture, unless its aspect ratio is beyond `max_aspect`."""

    kind: Literal["whole"]


class SquareParams(CentreParams):
    """The centre square of pictures whose shorter side is at least `min_side_px`."""

    kind: Literal["square"]
    min_side_px: Annotated[int, Field(ge=1)]


class DetectedParams(CropParams):
    """A square about each object that the detector has found, or about one of a picture.

    Objects below `min_confidence` do not count, and neither do those of which more than
    `max_nested` lies within a larger one. `objects` takes pictures with `exactly_one`, the `best`
    (the surest) of each, or `each`. The square has the longer side of the object's box, or
    `min_window_px` (without it `size_px`) if that is more, or the picture's shorter side if that is
    less; it is centred on the box and slid into the picture. The picture's shorter side must have
    `min_window_px`.

    `min_cover` is the least share of the square that its object can fill, `max_center_shift` the
    farthest that the square's centre may lie from the object's, as a share of the picture's sides;
    `min_object_share` the least share of the picture that the box covers, `max_object_aspect` the
    most elongated box.
    """

    kind: Literal["detected"]
    objects: Literal["exactly_one", "best", "each"] = "exactly_one"
    min_confidence: Share = 0.5
    max_nested: Share = 1.0
    min_window_px: Annotated[int, Field(ge=1)] | None = None
    min_cover: Share = 0.0
    max_center_shift: Annotated[float, Field(ge=0)] | None = None
    min_object_share: Share = 0.0
    max_object_aspect: Annotated[float, Field(ge=1)] | None = None


class ThresholdParams(ThresholdRegionParams, CropParams):
    """A square about the specimen that a threshold of grey finds.

    `fit: square` keeps its proportions, and fills with `outside` what lies beyond the picture;
    `squash` squeezes its box into a square.
    """

    kind: Literal["threshold"]
    fit: Literal["square", "squash"] = "square"
    outside: Literal["background", "border"] = "border"


class PageParams(PageRegionParams, CropParams):
    """The page of each scan, or the two of a spread.

    `fit: pad` shows the whole page on a square of the `background`, `crop` the square in its
    middle, `squash` the page squeezed into a square.
    """

    kind: Literal["page"]
    fit: Literal["pad", "crop", "squash"] = "pad"


FilterParams = Annotated[
    WholeParams | SquareParams | DetectedParams | ThresholdParams | PageParams,
    Field(discriminator="kind"),
]
