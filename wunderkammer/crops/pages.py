"""Windows about the pages of scans."""

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
    return Finder(partial(page_regions, settings=settings), settings.digest, params.background)


def place_page(boxes: Boxes, angle_deg: Floats, *, fit: str) -> Windows:
    """The window of each page.

    `pad` takes the square about the whole page, `crop` the square within it, `squash` the page.
    """
    if fit == "squash":
        return Windows(
            x0=np.round(boxes.x0).astype(np.int64),
            y0=np.round(boxes.y0).astype(np.int64),
            x1=np.round(boxes.x1).astype(np.int64),
            y1=np.round(boxes.y1).astype(np.int64),
            angle_deg=angle_deg,
        )
    longer = np.maximum(boxes.x1 - boxes.x0, boxes.y1 - boxes.y0)
    shorter = np.minimum(boxes.x1 - boxes.x0, boxes.y1 - boxes.y0)
    side = np.round(longer if fit == "pad" else shorter).astype(np.int64)
    windows = squares_around(boxes, np.maximum(side, 1), slide=False)
    return Windows(windows.x0, windows.y0, windows.x1, windows.y1, angle_deg)


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
