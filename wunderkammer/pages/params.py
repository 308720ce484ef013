"""The settings of kind `page` of the `filter` section that say where a page lies in its scan."""

from typing import Annotated, Literal

from pydantic import Field

from wunderkammer.params import Params

Split = Literal["none", "auto", "two"]


class PageRegionParams(Params):
    """Finding the page, or the two of a spread, in a scan, and leaving out blank pages and covers.

    A dark border of the scanner always goes. With `trim_margins` so does blank paper, up to
    `keep_margin` (a share of the page's longer side) around what is printed; no side loses more
    than `max_trim` of the page. `deskew` turns a page whose lines lean by at most `max_skew_deg`.
    `split: auto` parts a landscape picture at its gutter if it has one, `two` parts every picture,
    `none` none. `skip_blank` leaves out pages with less than `min_ink` (a share of the page's
    area), `skip_cover` those of which more than `max_cover` is not paper: covers, and pages that
    are one picture.
    """

    trim_margins: bool = True
    keep_margin: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    max_trim: Annotated[float, Field(ge=0, lt=0.5)] = 0.25
    deskew: bool = True
    max_skew_deg: Annotated[float, Field(gt=0, le=15)] = 5.0
    split: Split = "auto"
    skip_blank: bool = True
    min_ink: Annotated[float, Field(ge=0, lt=1)] = 0.003
    skip_cover: bool = False
    max_cover: Annotated[float, Field(ge=0, le=1)] = 0.5
