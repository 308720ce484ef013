"""The page of a scan, or the two of a spread: places, angles and measures."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wunderkammer.crops.region import Region
from wunderkammer.pages.content import Box, printed_box, sheet_box
from wunderkammer.pages.gutter import Gutter, find_gutter
from wunderkammer.pages.look import BRIGHT, Look, look_at
from wunderkammer.pages.settings import PageSettings
from wunderkammer.pages.sheet import find_sheet
from wunderkammer.pages.skew import Skew, find_skew
from wunderkammer.pages.turning import side_of_line, turned, turned_back, turned_mask

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

# Beyond this error the angle is one of a few words, below this contrast one of a drawing.
MAX_SKEW_ERROR_DEG = 0.2
MIN_SKEW_CONTRAST = 4.0
# Less than this is not seen, and turning blurs.
MIN_SKEW_DEG = 0.1
# Two upright pages side by side are wider than high by this much; one is not.
MIN_SPREAD_ASPECT = 1.15
EDGE_PX = 5
MIN_GUTTER = 0.5
# Of a page, once the print is painted over: paper is at least so bright, and at most so coloured.
MIN_PAPER_LEVEL = 140
MAX_PAPER_CHROMA = 90
STROKE_SHARE = 0.012
COVER_STEP = 4


def page_regions(image_HWC: Bytes, settings: PageSettings) -> list[Region]:
    """The page of a scan (uint8 RGB), or the left and the right page of a spread.

    A region's rectangle is the page, trimmed as `settings` say, in the scan turned by the region's
    angle about the rectangle's centre; where a page leans, its corners may reach beyond the scan.
    Nothing is turned by more than `max_skew_deg`: a page that lies on its side stays so.

    Measures (of the sheet without a scanner's border, before its margins are trimmed):
        ink_share: of its area, what is not paper.
        cover_score: of its area, what is not paper when print is painted over: 0 for text, 1 for a
            page that is one picture or of dark or coloured stock.
        skew_deg, skew_error_deg, skew_contrast: of its lines, by `find_skew`, whether or
            not they were righted.
        sideways: how much more its columns look like lines than its rows do, as a ratio; above 1
            for a page that lies on its side, and for print that runs down.
        gutter: strength, 0 to 1, of the signs that the scan shows two pages.
        page: 0, or 1 for the second of a spread.
        margin_left, margin_top, margin_right, margin_bottom: blank paper beside the print, as a
            share of the sheet's side.
        border_left, border_top, border_right, border_bottom: what lies beyond the sheet, as a share
            of the scan's side.
        paper_red, paper_green, paper_blue: the colour of the paper, 0 to 255.

    Raises:
        ValueError: the image is not such an array.
    """
    look = look_at(image_HWC)
    sheet_HW = find_sheet(look)
    whole = _find_page(look, sheet_HW, settings)
    gutter = _find_gutter(look, whole)
    if not _is_spread(whole, gutter, settings):
        return [_region(look, whole, settings, gutter=gutter, number=0)]
    height, width = sheet_HW.shape
    side_HW = side_of_line(gutter.x, whole.angle_deg, width=width, height=height)
    # The two pages of an open book seldom lean alike.
    halves = [_find_page(look, sheet_HW & half, settings) for half in (side_HW < 0, side_HW >= 0)]
    return [
        _region(look, half, settings, gutter=gutter, number=number)
        for number, half in enumerate(halves)
    ]


@dataclass(frozen=True)
class _Page:
    """A page of the reduced scan, and all of the scan turned so that the page is upright."""

    skew: Skew
    angle_deg: float
    box: Box
    ink_HW: Bools


def _find_page(look: Look, sheet_HW: Bools, settings: PageSettings) -> _Page:
    ink_HW = look.ink_HW & _without_edge(sheet_HW)
    skew = find_skew(ink_HW, max_deg=settings.max_skew_deg)
    angle_deg = skew.angle_deg if settings.deskew and _is_certain(skew) else 0.0
    box = sheet_box(turned_mask(sheet_HW, angle_deg))
    return _Page(skew, angle_deg, box, turned_mask(ink_HW, angle_deg))


def _without_edge(sheet_HW: Bools) -> Bools:
    """The sheet without the px at which it and what lies beyond are mixed; the frame is no edge."""
    kernel = np.ones((EDGE_PX, EDGE_PX), np.uint8)
    inner = cv2.erode(sheet_HW.astype(np.uint8), kernel, borderValue=1)
    return np.asarray(inner, np.bool_)


def _is_certain(skew: Skew) -> bool:
    return (
        skew.error_deg <= MAX_SKEW_ERROR_DEG
        and skew.contrast >= MIN_SKEW_CONTRAST
        and abs(skew.angle_deg) >= max(MIN_SKEW_DEG, 2 * skew.error_deg)
    )


def _find_gutter(look: Look, page: _Page) -> Gutter:
    """The gutter of what may be a spread, in px of the turned scan."""
    left, top, right, bottom = page.box
    if right - left < MIN_SPREAD_ASPECT * (bottom - top):
        return Gutter((left + right) / 2, 0.0)
    inside = np.s_[top:bottom, left:right]
    grey_HW = turned(look.grey_HW, page.angle_deg, fill=(look.paper_grey,))
    found = find_gutter(
        grey_HW[inside],
        page.ink_HW[inside],
        paper_grey=look.paper_grey,
        lines_run_down=page.skew.sideways > 1,
    )
    return Gutter(left + found.x, found.strength)


def _is_spread(page: _Page, gutter: Gutter, settings: PageSettings) -> bool:
    is_wide_enough = page.box[2] - page.box[0] >= 2
    is_asked = settings.split == "two"
    is_seen = settings.split == "auto" and gutter.strength >= MIN_GUTTER
    return is_wide_enough and (is_asked or is_seen)


def _region(
    look: Look, page: _Page, settings: PageSettings, *, gutter: Gutter, number: int
) -> Region:
    left, top, right, bottom = page.box
    inside = np.s_[top:bottom, left:right]
    printed = printed_box(page.ink_HW[inside])
    kept = _trimmed(page.box, printed, settings)
    height, width = page.ink_HW.shape
    centre = ((kept[0] + kept[2]) / 2, (kept[1] + kept[3]) / 2)
    x, y = turned_back(centre, page.angle_deg, width=width, height=height)
    half_width, half_height = (kept[2] - kept[0]) / 2, (kept[3] - kept[1]) / 2
    rgb_HWC = turned(look.rgb_HWC, page.angle_deg, fill=look.paper_rgb)[inside]
    return Region(
        x0=(x - half_width) * look.scale_x,
        y0=(y - half_height) * look.scale_y,
        x1=(x + half_width) * look.scale_x,
        y1=(y + half_height) * look.scale_y,
        angle_deg=page.angle_deg,
        measures={
            "ink_share": float(page.ink_HW[inside].mean()),
            "cover_score": _cover_score(rgb_HWC, look.paper_grey),
            "skew_deg": page.skew.angle_deg,
            "skew_error_deg": page.skew.error_deg,
            "skew_contrast": page.skew.contrast,
            "sideways": page.skew.sideways,
            "gutter": gutter.strength,
            "page": float(number),
            **_shares("margin", _beside(printed, (0, 0, right - left, bottom - top))),
            **_shares("border", _beside(page.box, (0, 0, width, height))),
            "paper_red": float(look.paper_rgb[0]),
            "paper_green": float(look.paper_rgb[1]),
            "paper_blue": float(look.paper_rgb[2]),
        },
    )


def _trimmed(
    box: Box, printed: Box | None, settings: PageSettings
) -> tuple[float, float, float, float]:
    """The part of the page that is kept."""
    left, top, right, bottom = box
    if printed is None or not settings.trim_margins:
        return box
    width, height = right - left, bottom - top
    keep = settings.keep_margin * max(width, height)
    lose = settings.max_trim
    return (
        left + float(np.clip(printed[0] - keep, 0, lose * width)),
        top + float(np.clip(printed[1] - keep, 0, lose * height)),
        right - float(np.clip(width - printed[2] - keep, 0, lose * width)),
        bottom - float(np.clip(height - printed[3] - keep, 0, lose * height)),
    )


def _beside(inner: Box | None, outer: Box) -> tuple[float, float, float, float]:
    """What lies left of, above, right of and below a box, in shares; all of it without a box."""
    if inner is None:
        return 1.0, 1.0, 1.0, 1.0
    width, height = outer[2] - outer[0], outer[3] - outer[1]
    return (
        (inner[0] - outer[0]) / width,
        (inner[1] - outer[1]) / height,
        (outer[2] - inner[2]) / width,
        (outer[3] - inner[3]) / height,
    )


def _shares(name: str, shares: tuple[float, float, float, float]) -> dict[str, float]:
    sides = ("left", "top", "right", "bottom")
    return {f"{name}_{side}": share for side, share in zip(sides, shares, strict=True)}


def _cover_score(rgb_HWC: Bytes, paper_grey: int) -> float:
    """The share of a page that is not paper once its print is painted over."""
    # The print's strokes are thinner than this, so the paper around grows over them.
    stroke = max(3, round(STROKE_SHARE * max(rgb_HWC.shape)))
    grow = cv2.MORPH_DILATE if paper_grey >= BRIGHT else cv2.MORPH_ERODE
    grown_HWC = cv2.morphologyEx(rgb_HWC, grow, np.ones((stroke, stroke), np.uint8))
    grown_HWC = grown_HWC[::COVER_STEP, ::COVER_STEP]
    level_HW = cv2.cvtColor(grown_HWC, cv2.COLOR_RGB2GRAY)
    chroma_HW = grown_HWC.max(axis=2) - grown_HWC.min(axis=2)
    is_paper = (level_HW >= MIN_PAPER_LEVEL) & (chroma_HW <= MAX_PAPER_CHROMA)
    return float(1 - is_paper.mean())
