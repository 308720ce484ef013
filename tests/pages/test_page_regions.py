"""Pages in made-up scans whose every edge, angle and fold is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from page_samples import (
    A4,
    Sheet,
    blank_sheet,
    bled_through,
    corners_of,
    halftone,
    overlap,
    pasted,
    picture,
    scanned,
    spread,
    text_sheet,
    upright,
)

from wunderkammer.pages.params import PageRegionParams
from wunderkammer.pages.regions import page_regions
from wunderkammer.pages.settings import PageSettings

BORDER = (80, 60, 45, 90)
SMALL = (500, 700)


def settings(**changes):
    return PageSettings.of(PageRegionParams(**changes))


def the_page(scan, **changes):
    (region,) = page_regions(scan.image, settings(**changes))
    return region


def whole(scan):
    width, height = scan.sheet.size
    return scan.corners((0, 0, width, height))


def kept(scan):
    return scan.kept(0.02 * max(scan.sheet.size))


@pytest.fixture(scope="module")
def text():
    return text_sheet(1)


@pytest.fixture(scope="module")
def illustrated():
    """A page with a photograph above the text."""
    sheet = text_sheet(3, margins=(105, 670, 100, 150))
    return pasted(sheet, picture(1, (640, 500)), (105, 105))


@pytest.fixture(scope="module")
def screened():
    """A page with a halftone in black and white, as zines are copied."""
    dots_HW = halftone(picture(2, (640, 640))[:, :, 0])
    sheet = text_sheet(4, margins=(105, 810, 100, 130))
    return pasted(sheet, np.repeat(dots_HW[:, :, None], 3, axis=2), (105, 105))


@pytest.mark.parametrize("angle_deg", [0.0, 0.15, -1.3, 2.6, -4.9])
def test_the_skew_of_text_is_found_within_a_tenth_of_a_degree(text, angle_deg):
    region = the_page(scanned(text, angle_deg=angle_deg, noise=5, dust=40))
    assert region.measures["skew_deg"] == pytest.approx(angle_deg, abs=0.1)
    assert region.angle_deg == pytest.approx(angle_deg, abs=0.1)


@pytest.mark.parametrize("name", ["illustrated", "screened"])
def test_pictures_and_halftones_do_not_mislead_it(name, request):
    scan = scanned(request.getfixturevalue(name), angle_deg=1.7, noise=6)
    assert the_page(scan).angle_deg == pytest.approx(1.7, abs=0.1)


def test_the_skew_of_columns_and_of_lines_that_run_down_is_found():
    scan = scanned(text_sheet(5, SMALL, columns=2, font_px=14), angle_deg=1.2)
    assert the_page(scan).angle_deg == pytest.approx(1.2, abs=0.1)
    (lying,) = page_regions(np.rot90(scan.image).copy(), settings())
    assert lying.angle_deg == pytest.approx(1.2, abs=0.1)


def test_a_page_that_lies_on_its_side_is_told_by_a_measure_and_not_turned_or_parted(text):
    standing = the_page(scanned(text))
    (lying,) = page_regions(np.rot90(text.image).copy(), settings())
    assert standing.measures["sideways"] < 0.5
    assert lying.measures["sideways"] > 2
    assert lying.angle_deg == 0


def test_a_skew_beyond_the_limit_and_one_that_is_not_to_be_righted_are_left(text):
    scan = scanned(text, angle_deg=2.0)
    region = the_page(scan, deskew=False)
    assert region.angle_deg == 0
    assert region.measures["skew_deg"] == pytest.approx(2.0, abs=0.1)
    assert abs(the_page(scanned(text, angle_deg=9.0), max_skew_deg=3.0).angle_deg) < 4
    assert the_page(scanned(text, angle_deg=9.0), max_skew_deg=12.0).angle_deg == pytest.approx(
        9.0, abs=0.2
    )


def test_one_word_and_one_photograph_are_no_reason_to_turn_a_page():
    word = text_sheet(6, SMALL, last_line=0.03)
    for sheet in (word, Sheet(picture(7, SMALL), (0, 0, *SMALL))):
        assert the_page(scanned(sheet, noise=3)).angle_deg == 0


@pytest.mark.parametrize("angle_deg", [0.0, -2.3, 4.7])
@pytest.mark.parametrize("border", [None, BORDER])
def test_margins_are_trimmed_to_the_print(text, border, angle_deg):
    scan = scanned(text, angle_deg=angle_deg, border=border, noise=5)
    assert overlap(corners_of(the_page(scan)), kept(scan)) > 0.98


@pytest.mark.parametrize("name", ["illustrated", "screened"])
def test_margins_are_trimmed_to_pictures_too(name, request):
    scan = scanned(request.getfixturevalue(name), angle_deg=-1.1, border=BORDER, noise=6, dust=0)
    assert overlap(corners_of(the_page(scan)), kept(scan)) > 0.98


@pytest.mark.parametrize(
    ("paper", "ink"),
    [
        ((222, 200, 160), (90, 70, 50)),
        ((235, 235, 235), (160, 160, 160)),
        ((12, 12, 14), (235, 235, 230)),
        ((250, 250, 250), (250, 220, 20)),
    ],
    ids=["yellowed", "faint", "inverted", "yellow ink"],
)
def test_paper_and_ink_may_have_any_colour(paper, ink):
    scan = scanned(text_sheet(8, paper=paper, ink=ink), angle_deg=1.0, noise=4)
    region = the_page(scan)
    assert overlap(corners_of(region), kept(scan)) > 0.98
    assert region.angle_deg == pytest.approx(1.0, abs=0.1)
    found = [region.measures[f"paper_{channel}"] for channel in ("red", "green", "blue")]
    assert np.abs(np.array(found) - paper).max() <= 3


def test_grey_scans_give_the_same_page(text):
    scan = scanned(text, angle_deg=1.4, border=BORDER)
    grey_HW = cv2.cvtColor(scan.image, cv2.COLOR_RGB2GRAY)
    (grey,) = page_regions(np.repeat(grey_HW[:, :, None], 3, axis=2), settings())
    assert overlap(corners_of(grey), corners_of(the_page(scan))) > 0.99


def test_print_that_shines_through_from_the_back_is_no_ink(text):
    back = text_sheet(9, margins=(60, 60, 60, 60))
    scan = scanned(bled_through(text, back), angle_deg=-2.1, noise=4)
    assert overlap(corners_of(the_page(scan)), kept(scan)) > 0.98
    blank = the_page(scanned(bled_through(blank_sheet(), back), noise=4))
    assert blank.measures["ink_share"] < PageRegionParams().min_ink


@pytest.mark.parametrize("angle_deg", [0.0, 1.6, -4.8])
@pytest.mark.parametrize("level", [(8, 8, 8), (70, 72, 68)])
def test_the_dark_border_of_the_scanner_goes_and_nothing_else(text, angle_deg, level):
    scan = scanned(text, angle_deg=angle_deg, border=BORDER, level=level, noise=5)
    region = the_page(scan, trim_margins=False)
    assert overlap(corners_of(region), whole(scan)) > 0.99
    width = A4[0] + BORDER[0] + BORDER[2]
    assert region.measures["border_left"] == pytest.approx(BORDER[0] / width, abs=0.005)


def test_a_page_without_margins_loses_none():
    for seed in range(6):
        pixels = picture(seed, SMALL).astype(float)
        dark = np.clip((pixels - 90) * 1.5, 0, 255).astype(np.uint8)
        for image in (pixels.astype(np.uint8), dark):
            scan = scanned(Sheet(image, (0, 0, *SMALL)))
            assert overlap(corners_of(the_page(scan)), whole(scan)) > 0.97


def test_a_picture_that_is_black_below_is_not_taken_for_a_page_in_a_scanner():
    image = picture(3, SMALL)
    image[330:] = 5
    image[:330] = np.maximum(image[:330], 150)
    region = the_page(scanned(Sheet(image, (0, 0, *SMALL))), trim_margins=False)
    assert region.y1 == pytest.approx(SMALL[1], abs=2)


def test_a_full_page_picture_in_a_scanners_border_is_righted_by_its_edges():
    sheet = Sheet(np.maximum(picture(4, SMALL), 90), (0, 0, *SMALL))
    scan = scanned(sheet, angle_deg=0.8, border=(50, 70, 60, 70), noise=3)
    region = the_page(scan)
    assert overlap(corners_of(region), whole(scan)) > 0.98
    assert region.angle_deg == pytest.approx(0.8, abs=0.1)


def test_no_side_loses_more_than_the_limit():
    short = scanned(text_sheet(10, SMALL, last_line=0.15, margins=(170, 70, 50, 70)))
    for max_trim in (0.0, 0.1, 0.3):
        region = the_page(short, max_trim=max_trim)
        assert region.y1 == pytest.approx(SMALL[1] * (1 - max_trim), abs=2)
        assert region.x0 <= SMALL[0] * max_trim + 2


def test_the_margins_are_measured_before_they_are_trimmed(text):
    measures = the_page(scanned(text)).measures
    x0, y0, x1, y1 = text.printed
    width, height = text.size
    expected = (x0 / width, y0 / height, 1 - x1 / width, 1 - y1 / height)
    sides = ("left", "top", "right", "bottom")
    assert [measures[f"margin_{side}"] for side in sides] == pytest.approx(expected, abs=0.004)


def test_dust_and_a_strip_of_the_border_are_not_printed(text):
    scan = scanned(text, noise=4, dust=60)
    scan.image[:, :14] = 30
    # Dust beside a letter is taken for a part of it.
    assert overlap(corners_of(the_page(scan)), kept(scan)) > 0.96


def test_a_page_number_is_printed():
    sheet = text_sheet(11, margins=(105, 120, 100, 350))
    number = np.full((30, 20, 3), sheet.image[0, 0], np.uint8)
    cv2.putText(number, "7", (2, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2)
    with_number = pasted(sheet, number, (415, 1060))
    region = the_page(scanned(with_number, noise=4))
    assert region.y1 > 1080


def test_blank_pages_have_next_to_no_ink_and_sparse_ones_have_some():
    limit = PageRegionParams().min_ink
    blank = scanned(blank_sheet(), angle_deg=1.0, border=BORDER, noise=5, dust=60)
    region = the_page(blank)
    assert region.measures["ink_share"] < limit / 3
    assert overlap(corners_of(region), whole(blank)) > 0.95
    assert the_page(scanned(text_sheet(12, last_line=0.15))).measures["ink_share"] > 2 * limit


def test_covers_are_told_from_pages_of_print(text, illustrated, screened):
    limit = PageRegionParams().max_cover
    cloth = text_sheet(
        13, margins=(200, 350, 200, 640), font_px=36, paper=(70, 30, 25), ink=(220,) * 3
    )
    photograph = Sheet(picture(14, A4), (0, 0, *A4))
    covers = [the_page(scanned(sheet)).measures["cover_score"] for sheet in (cloth, photograph)]
    inside = [
        the_page(scanned(sheet)).measures["cover_score"] for sheet in (text, illustrated, screened)
    ]
    assert min(covers) > 1.4 * limit
    assert max(inside) < 0.4 * limit


def pages_of_a_spread(seed=20, font_px=12):
    left = text_sheet(seed, (600, 850), margins=(85, 90, 70, 110), font_px=font_px)
    right = text_sheet(seed + 1, (600, 850), margins=(70, 90, 85, 110), font_px=font_px)
    return left, right


def halves_of(scan, left, right):
    """The kept part of the left and the right page in the scan."""
    shift = left.size[0]
    x0, y0, x1, y1 = right.printed
    keep = 0.02 * left.size[1]
    around = np.array((-keep, -keep, keep, keep))
    second = np.array((x0 + shift, y0, x1 + shift, y1))
    return scan.corners(left.printed + around), scan.corners(second + around)


@pytest.mark.parametrize("shadow", [0.0, 0.12, 0.4, 0.55])
@pytest.mark.parametrize("border", [None, BORDER])
def test_a_spread_gives_its_left_and_right_page(border, shadow):
    left, right = pages_of_a_spread()
    scan = scanned(spread(left, right, shadow=shadow), angle_deg=-1.5, border=border, noise=4)
    regions = page_regions(scan.image, settings())
    assert [region.measures["page"] for region in regions] == [0, 1]
    for region, expected in zip(regions, halves_of(scan, left, right), strict=True):
        assert overlap(corners_of(region), expected) > 0.97
        assert region.angle_deg == pytest.approx(-1.5, abs=0.2)


@pytest.mark.parametrize("shadow_px", [3.0, 14.0, 30.0])
def test_the_fold_is_found_within_two_px(shadow_px):
    left, right = pages_of_a_spread()
    narrow = Sheet(right.image[:, :-80].copy(), right.printed)
    scan = scanned(spread(left, narrow, shadow=0.3, shadow_px=shadow_px), angle_deg=1.0, noise=4)
    first, second = page_regions(scan.image, settings(trim_margins=False))
    back = cv2.invertAffineTransform(scan.matrix)
    for point in (*corners_of(first)[1:3], *corners_of(second)[[0, 3]]):
        assert (back @ (*point, 1))[0] == pytest.approx(left.size[0], abs=3)


def test_pages_that_lean_differently_are_righted_each_by_its_own_angle():
    left, right = (
        scanned(page, angle_deg=angle_deg, noise=3)
        for page, angle_deg in zip(pages_of_a_spread(), (-0.9, 0.8), strict=True)
    )
    both = spread(Sheet(left.image, None), Sheet(right.image, None), shadow=0.3)
    first, second = page_regions(both.image, settings())
    assert first.angle_deg == pytest.approx(-0.9, abs=0.2)
    assert second.angle_deg == pytest.approx(0.8, abs=0.2)


def test_a_single_page_is_never_parted_unless_that_is_asked_for(text):
    columns = text_sheet(22, columns=2, font_px=12)
    wide = text_sheet(23, (1000, 620), font_px=12)
    photograph = Sheet(picture(24, (1000, 700)), (0, 0, 1000, 700))
    for sheet in (text, columns, wide, photograph):
        assert len(page_regions(scanned(sheet).image, settings())) == 1
    halves = page_regions(scanned(photograph).image, settings(split="two", trim_margins=False))
    assert [(region.x0, region.x1) for region in halves] == [(0, 500), (500, 1000)]
    left, right = pages_of_a_spread()
    scan = scanned(spread(left, right))
    assert len(page_regions(scan.image, settings(split="none"))) == 1


def test_what_a_region_shows_is_upright_and_whole(text):
    scan = scanned(text, angle_deg=3.1, border=BORDER)
    region = the_page(scan)
    shown = upright(scan.image, region)
    (again,) = page_regions(shown, settings())
    assert abs(again.measures["skew_deg"]) < 0.1
    margin = 0.02 * A4[1] / min(shown.shape[:2])
    sides = [again.measures[f"margin_{side}"] for side in ("left", "top", "right", "bottom")]
    assert max(sides) < 1.5 * margin


def test_the_resolution_of_a_scan_does_not_matter(text):
    for resolution in (0.5, 1.7):
        scan = scanned(text, angle_deg=-1.2, resolution=resolution)
        region = the_page(scan)
        assert region.angle_deg == pytest.approx(-1.2, abs=0.15)
        assert overlap(corners_of(region), kept(scan)) > 0.96


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 140), st.just(3))),
    st.sampled_from(["none", "auto", "two"]),
)
@hypothesis_settings(max_examples=60)
def test_whatever_is_scanned_keeps_most_of_its_middle(image_HWC, split):
    regions = page_regions(image_HWC, settings(split=split))
    assert 1 <= len(regions) <= 2
    for region in regions:
        assert region.x1 > region.x0
        assert region.y1 > region.y0
        assert all(np.isfinite(value) for value in region.measures.values())
    height = image_HWC.shape[0]
    if len(regions) == 1 and not regions[0].measures["border_left"]:
        assert regions[0].y1 - regions[0].y0 >= 0.3 * height


def test_an_array_that_is_no_scan_is_refused():
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="allowed: uint8 of shape"):
            page_regions(wrong, settings())


def test_the_name_of_the_settings_changes_with_what_reaches_the_pixels_only():
    base = settings().digest
    assert settings(min_ink=0.1, skip_cover=True, max_cover=0.2, skip_blank=False).digest == base
    for change in ({"split": "two"}, {"keep_margin": 0.1}, {"max_trim": 0.1}, {"deskew": False}):
        assert settings(**change).digest != base
