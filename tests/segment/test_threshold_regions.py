"""Specimens are found whatever else a frame shows."""

import csv

import cv2
import numpy as np
import pytest
from foram_frames import intersection_over_union, make_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.filters import threshold_otsu, threshold_yen
from skimage.measure import label, regionprops

from wunderkammer.images.decode import decode_rgb
from wunderkammer.segment.params import ThresholdRegionParams
from wunderkammer.segment.settings import ThresholdSettings
from wunderkammer.segment.threshold import threshold_regions

ORIGINAL = {
    "methods": ("yen", "otsu"),
    "foreground": "bright",
    "level_light": False,
    "leave_out_annotations": False,
    "tiles": "ignore",
    "smooth": 0.0,
    "close": 0.0,
    "fill_holes": False,
    "num_largest": 2,
    "prefer": "squarest",
    "min_area_px": 100,
    "max_area_px": 100_000,
    "min_area": 0.0,
    "max_area": 1.0,
}
PLAIN = {
    **ORIGINAL,
    "methods": ("otsu",),
    "num_largest": 5,
    "prefer": "largest",
    "max_area_px": None,
}
NUM_FRAMES = 80


def regions_of(image_HWC, **fields):
    return threshold_regions(image_HWC, ThresholdSettings.of(ThresholdRegionParams(**fields)))


def box_of(region):
    return tuple(int(v) for v in (region.x0, region.y0, region.x1, region.y1))


def best_box(image_HWC, **fields):
    found = regions_of(image_HWC, **fields)
    return box_of(found[0]) if found else (0, 0, 1, 1)


def colour(grey_HW):
    return np.repeat(grey_HW[..., None], 3, axis=-1)


def recipe(grey_HW):
    """The box of the original recipe by scikit-image alone, the bound checked for Otsu too."""
    for level in (threshold_yen(grey_HW), threshold_otsu(grey_HW)):
        found = regionprops(label(grey_HW > level, connectivity=2))
        largest = sorted(found, key=lambda region: -region.area)[:2]
        if not largest:
            continue
        best = max(largest, key=lambda r: r.axis_minor_length / max(r.axis_major_length, 1e-9))
        if 100 <= best.area <= 100_000:
            y0, x0, y1, x1 = best.bbox
            return (x0, y0, x1, y1), best.area
    return None


def test_the_original_recipe_can_be_told_in_settings():
    outcomes = []
    for seed in range(24):
        image_HWC = make_frame(seed).image_HWC
        expected = recipe(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY))
        found = regions_of(image_HWC, **ORIGINAL)
        if expected is None:
            assert found == []
        else:
            assert box_of(found[0]) == expected[0]
            assert found[0].measures["area_px"] == expected[1]
        outcomes.append(int(found[0].measures["method"]) if found else None)
    # Yen, and Otsu where Yen's is out of bounds, and neither.
    assert {2, 3} <= set(outcomes)


def overlaps(truths, **fields):
    return np.array(
        [
            intersection_over_union(best_box(image_HWC, **fields), truth)
            for image_HWC, truth in truths
        ]
    )


@pytest.fixture(scope="module")
def frames():
    return [make_frame(seed) for seed in range(9000, 9000 + NUM_FRAMES)]


def test_specimens_are_found_in_frames_of_all_kinds(frames):
    truths = [(frame.image_HWC, frame.boxes[0]) for frame in frames]
    found = overlaps(truths, tiles="inside")
    assert found.mean() >= 0.95
    assert (found > 0.8).mean() >= 0.95
    original = overlaps(truths[:40], **ORIGINAL)
    assert original.mean() < 0.5


def test_tiles_are_found_in_frames_that_have_them(frames):
    truths = [(frame.image_HWC, frame.tile or frame.boxes[0]) for frame in frames]
    found = overlaps(truths)
    assert found.mean() >= 0.93
    assert (found > 0.8).mean() >= 0.93


def test_foramlike_frames_are_cropped_to_their_tiles(real_data):
    folder = real_data("foramlike")
    truths = []
    with (folder / "truth.csv").open() as file:
        for row in csv.DictReader(file):
            data = (folder / row["file"]).read_bytes()
            image_HWC = decode_rgb(data, max_pixels=10**7, background=(255, 255, 255))
            truths.append(
                (image_HWC, tuple(int(row[f"tile_{edge}"]) for edge in ("x0", "y0", "x1", "y1")))
            )
    found = overlaps(truths)
    assert found.mean() >= 0.98
    assert (found > 0.8).all()
    original = overlaps(truths, **ORIGINAL)
    assert original.mean() < found.mean() - 0.1


@pytest.mark.parametrize("background", ["dark", "bright", "grey"])
@pytest.mark.parametrize("surface", ["solid", "aperture", "hollow", "broken"])
def test_dark_interiors_and_broken_outlines_do_not_part_a_specimen(background, surface):
    traits = {"mark": "none", "num_specimens": 1, "touches_border": False, "noise": 3.0}
    frames = [
        make_frame(seed, background=background, surface=surface, **traits) for seed in range(8)
    ]
    found = overlaps([(frame.image_HWC, frame.boxes[0]) for frame in frames])
    assert np.median(found) > 0.93


def test_a_halo_is_not_the_specimen():
    for seed in range(5):
        traits = {"background": "dark", "mark": "none", "num_specimens": 1, "strip": "none"}
        frame = make_frame(seed, halo=0.25, surface="solid", **traits)
        assert intersection_over_union(best_box(frame.image_HWC), frame.boxes[0]) > 0.85


def test_specimens_at_the_border_are_kept_and_said_to_touch_it():
    num_touching = 0
    for seed in range(12):
        frame = make_frame(seed, background="dark", touches_border=True, mark="none", strip="none")
        best = regions_of(frame.image_HWC)[0]
        height, width = frame.image_HWC.shape[:2]
        box = frame.boxes[0]
        num_touching += best.measures["touches_border"] == 1
        assert best.measures["touches_border"] == (
            box[0] == 0 or box[1] == 0 or box[2] == width or box[3] == height
        )
    assert num_touching >= 8


def test_all_specimens_come_the_largest_first():
    frame = make_frame(
        5, background="dark", num_specimens=3, mark="none", strip="none", surface="solid"
    )
    assert len(frame.boxes) == 3
    found = regions_of(frame.image_HWC)
    for region, box in zip(found, frame.boxes, strict=True):
        assert intersection_over_union(box_of(region), box) > 0.85
    areas = [region.measures["area_px"] for region in found]
    assert areas == sorted(areas, reverse=True)


def scene():
    """A large long specimen at the side, a small round one in the middle, a bright angle."""
    grey_HW = np.full((300, 500), 20, np.uint8)
    cv2.ellipse(grey_HW, (90, 150), (50, 130), 0, 0, 360, 110, -1)
    cv2.circle(grey_HW, (250, 150), 40, 130, -1)
    grey_HW[60:240, 380:400] = 220
    grey_HW[220:240, 380:460] = 220
    return colour(grey_HW)


@pytest.mark.parametrize(
    ("prefer", "x0"),
    [
        ("largest", 40),
        ("squarest", 210),
        ("most_solid", 40),
        ("most_central", 210),
        ("most_contrast", 380),
    ],
)
def test_the_best_is_the_one_that_is_preferred(prefer, x0):
    found = regions_of(scene(), **{**PLAIN, "prefer": prefer})
    assert len(found) == 3
    assert found[0].x0 == pytest.approx(x0, abs=2)


def test_only_the_largest_are_asked():
    found = regions_of(scene(), **{**PLAIN, "prefer": "most_contrast", "num_largest": 2})
    assert [round(region.x0, -1) for region in found] == [210, 40]


@pytest.mark.parametrize(
    "bounds",
    [{"min_area_px": 30_000}, {"max_area_px": 10_000}, {"min_area": 0.2}, {"max_area": 0.05}],
)
def test_a_best_region_out_of_bounds_leaves_none(bounds):
    assert regions_of(scene(), **PLAIN) != []
    assert regions_of(scene(), **{**PLAIN, **bounds}) == []


def test_lesser_regions_out_of_bounds_are_left_out():
    found = regions_of(scene(), **{**PLAIN, "min_area_px": 5_000})
    assert [round(region.x0, -1) for region in found] == [40, 210]


def test_the_next_method_is_tried_where_the_best_is_out_of_bounds():
    grey_HW = np.full((200, 200), 10, np.uint8)
    grey_HW[20:180, 20:180] = 30
    grey_HW[80:120, 80:120] = 250
    grey_HW[:10:2] = np.arange(200, dtype=np.uint8)
    image_HWC = colour(grey_HW)
    levels = {
        method: regions_of(image_HWC, **{**PLAIN, "methods": (method,)})[0].measures["area_px"]
        for method in ("yen", "otsu")
    }
    small, large = sorted(levels, key=levels.get)
    assert levels[small] < levels[large]
    found = regions_of(image_HWC, **{**PLAIN, "methods": (large, small), "max_area": 0.1})
    assert found[0].measures["area_px"] == levels[small]
    assert found[0].measures["method"] == {"otsu": 2, "yen": 3}[small]


def test_measures_of_a_disc():
    grey_HW = np.full((200, 300), 20, np.uint8)
    cv2.circle(grey_HW, (150, 100), 50, 180, -1)
    (found,) = regions_of(colour(grey_HW))
    measures = found.measures
    area = np.pi * 50**2
    assert measures["area_px"] == pytest.approx(area, rel=0.05)
    assert measures["area_share"] == pytest.approx(area / 60_000, rel=0.05)
    assert measures["minor_major"] == pytest.approx(1, abs=0.02)
    assert measures["solidity"] > 0.97
    assert measures["extent"] == pytest.approx(np.pi / 4, abs=0.03)
    assert measures["contrast"] == pytest.approx(160, abs=5)
    assert measures["center_shift"] == pytest.approx(0, abs=0.01)
    assert measures["touches_border"] == 0
    assert [measures[f"field_{edge}"] for edge in ("x0", "y0", "x1", "y1")] == [0, 0, 300, 200]


def test_a_strip_is_not_of_the_field():
    frame = make_frame(3, strip="white", side="bottom", background="dark", mark="none")
    best = regions_of(frame.image_HWC)[0]
    assert frame.field[3] - 3 <= best.measures["field_y1"] <= frame.field[3]
    assert best.y1 <= frame.field[3]


@pytest.mark.parametrize("value", [0, 90, 255])
@pytest.mark.parametrize("fields", [{}, ORIGINAL, {"foreground": "dark"}])
def test_an_empty_frame_has_no_specimen(value, fields):
    assert regions_of(np.full((120, 160, 3), value, np.uint8), **fields) == []


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.sampled_from(["auto", "bright", "dark"]),
    st.sampled_from(["whole", "inside"]),
    st.booleans(),
)
@settings(max_examples=60)
def test_any_array_has_regions_within_it_and_finite_measures(grey_HW, foreground, tiles, leave_out):
    found = regions_of(
        colour(grey_HW), foreground=foreground, tiles=tiles, leave_out_annotations=leave_out
    )
    height, width = grey_HW.shape
    for region in found:
        assert 0 <= region.x0 < region.x1 <= width
        assert 0 <= region.y0 < region.y1 <= height
        assert np.isfinite(list(region.measures.values())).all()


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)]
)
def test_another_kind_of_array_is_refused(image):
    with pytest.raises(ValueError, match="allowed: uint8 of shape"):
        regions_of(image)


def test_the_same_frame_gives_the_same_regions():
    image_HWC = make_frame(11).image_HWC
    assert regions_of(image_HWC) == regions_of(image_HWC.copy())
