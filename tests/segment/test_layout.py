"""Strips and tiles are found where they are, and nowhere else."""

import cv2
import numpy as np
import pytest
from foram_frames import BACKGROUNDS, SIDES, make_frame

from wunderkammer.segment.box import frame_of
from wunderkammer.segment.layout import is_paper, peeled, tiles

TURNS = {"bottom": 0, "right": 1, "top": 2, "left": 3}


def field_of(grey_HW, max_strip=0.5):
    return peeled(grey_HW, max_strip=max_strip)[-1]


def grey_frame(seed, **traits):
    frame = make_frame(seed, **traits)
    return frame, cv2.cvtColor(frame.image_HWC, cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("strip", ["white", "black"])
def test_a_strip_on_any_side_is_peeled_off(strip, side):
    off = []
    for seed in range(8):
        background = "dark" if strip == "white" else "bright"
        frame, grey_HW = grey_frame(
            seed, strip=strip, side=side, background=background, mark="none"
        )
        found = field_of(grey_HW)
        off.append(max(abs(a - b) for a, b in zip(found, frame.field, strict=True)))
    # A row or two of the picture go with it, never one of the strip.
    assert sorted(off)[-2] <= 3


def test_nothing_of_the_strip_is_left():
    for seed in range(8):
        frame, grey_HW = grey_frame(seed, strip="white", side="bottom", background="dark")
        assert field_of(grey_HW).y1 <= frame.field[3]


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_frame_without_a_strip_is_whole(background):
    for seed in range(6):
        _, grey_HW = grey_frame(seed, strip="none", background=background, mark="none")
        assert field_of(grey_HW) == frame_of(grey_HW)


def canvas_with_strip(depth=60, words=True):
    grey_HW = np.zeros((300, 400), np.uint8)
    cv2.circle(grey_HW, (200, 100), 70, 150, -1)
    grey_HW[300 - depth :] = 255
    if words:
        cv2.putText(grey_HW, "TEST 1273", (40, 280), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 2)
    return grey_HW


def test_a_strip_without_writing_is_none():
    assert field_of(canvas_with_strip(words=False)) == (0, 0, 400, 300)


def test_a_strip_deeper_than_allowed_is_none():
    grey_HW = canvas_with_strip(depth=60)
    assert field_of(grey_HW, max_strip=0.25).y1 in (238, 239, 240)
    assert field_of(grey_HW, max_strip=0.15).y1 == 300


def test_a_specimen_below_a_canvas_is_no_writing_on_a_strip():
    grey_HW = np.full((300, 400), 120, np.uint8)
    grey_HW[160:] = 20
    cv2.circle(grey_HW, (200, 230), 55, 200, -1)
    assert field_of(grey_HW) == (0, 0, 400, 300)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    rough_HW = cv2.GaussianBlur(rng.normal(0, 40, (height, width)), (0, 0), 2) * 4
    return np.clip(90 + rough_HW, 20, 250).astype(np.uint8)


def on_canvas(*places, canvas=0, shape=(300, 420)):
    grey_HW = np.full(shape, canvas, np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(places):
        grey_HW[y0:y1, x0:x1] = picture(y1 - y0, x1 - x0, seed=number)
    return grey_HW


@pytest.mark.parametrize("canvas", [0, 255])
@pytest.mark.parametrize(
    "place", [(100, 40, 300, 220), (0, 50, 180, 250), (120, 0, 300, 300), (8, 8, 410, 290)]
)
def test_a_picture_on_a_flat_canvas_is_a_tile(place, canvas):
    (found,) = tiles(on_canvas(place, canvas=canvas))
    assert max(abs(a - b) for a, b in zip(found, place, strict=True)) <= 1


def test_a_plate_of_pictures_has_several():
    places = [(10, 10, 200, 140), (210, 10, 410, 140), (10, 150, 410, 290)]
    found = sorted(tiles(on_canvas(*places)), key=lambda box: (box.y0, box.x0))
    assert [tuple(box) for box in found] == places


def test_words_beside_a_tile_and_a_bar_that_touches_it_are_no_part_of_it():
    grey_HW = on_canvas((100, 60, 300, 240))
    cv2.putText(grey_HW, "slide 12", (10, 285), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    grey_HW[50:60, 110:150] = 255
    (found,) = tiles(grey_HW)
    assert max(abs(a - b) for a, b in zip(found, (100, 60, 300, 240), strict=True)) <= 2


def test_a_disc_on_a_canvas_is_no_tile():
    grey_HW = np.zeros((300, 420), np.uint8)
    cv2.circle(grey_HW, (200, 150), 100, 170, -1)
    assert tiles(grey_HW) == []


def test_a_label_on_a_canvas_is_no_tile():
    grey_HW = np.zeros((300, 420), np.uint8)
    grey_HW[20:80, 20:240] = 255
    cv2.putText(grey_HW, "No. 1273", (30, 64), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 0, 3)
    assert tiles(grey_HW) == []


def test_noise_is_no_canvas():
    grey_HW = on_canvas((100, 40, 300, 220), canvas=100)
    noise = np.random.default_rng(0).normal(0, 12, grey_HW.shape)
    grey_HW = np.clip(grey_HW + noise, 0, 255).astype(np.uint8)
    assert tiles(grey_HW) == []


def test_a_picture_above_a_strip_is_no_tile():
    assert tiles(on_canvas((0, 0, 420, 230))) == []


def test_paper_is_of_two_greys():
    paper_HW = np.full((60, 200), 250, np.uint8)
    cv2.putText(paper_HW, "No. 1273", (10, 45), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 5, 4)
    assert is_paper(paper_HW)
    assert not is_paper(picture(60, 200))
