"""Windows about the pages of scans."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from wunderkammer.crops.cuts import Cut, Floats
from wunderkammer.crops.params import PageParams
from wunderkammer.crops.regions import Finder
from wunderkammer.crops.windows import Boxes, Windows, squares_around
from wunderkammer.pages.settings import PageSettings

MAX_PAGES_A_SCAN = 2


def page_finder(params: PageParams) -> Finder:
    """What looks for pages."""
    from wunderkammer.pages.regions import page_regions

    settings = PageSettings.of(params)
    find = partial(page_regions, settings=settings)
    return Finder("page", find, settings.digest, params.background)


def place_page(
    boxes: Boxes, angle_deg: Floats, measures: Mapping[str, Floats], *, fit: str
) -> Windows:
    """The window of each page.

    `pad` takes the square about the whole page, `crop` the square within it, `squash` the page.
    """
    del measures  # All of a page is shown.
    width = np.round(boxes.x1 - boxes.x0).astype(np.int64)
    height = np.round(boxes.y1 - boxes.y0).astype(np.int64)
    if fit == "squash":
        x0, y0 = np.round(boxes.x0).astype(np.int64), np.round(boxes.y0).astype(np.int64)
        upright = Windows.upright(x0, y0, x0 + width, y0 + height)
        return replace(upright, angle_deg=angle_deg)
    side = np.maximum(width, height) if fit == "pad" else np.minimum(width, height)
    squares = squares_around(boxes, np.maximum(side, 1), slide=False)
    # Beside a page lies the scanner's bed, or the other page.
    return replace(squares, angle_deg=angle_deg, shown_width=width, shown_height=height)


def page_cuts(params: PageParams) -> list[Cut]:
    """The rules about blank pages and covers."""
    cuts = []
    if params.skip_blank:
        words = "share of the page that is not paper; filter.min_ink"
        cuts.append(
            Cut(measure="ink_share", reason="blank_page", words=words, at_least=params.min_ink)
        )
    if params.skip_cover:
        words = "share of the page that is one picture or dark stock; filter.max_cover"
        cuts.append(
            Cut(measure="cover_score", reason="cover", words=words, at_most=params.max_cover)
        )
    return cuts
