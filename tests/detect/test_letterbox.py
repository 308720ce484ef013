import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.detect.letterbox import PADDING, letterbox, placement
from wunderkammer.detect.ultralytics_offline import ultralytics_module

sides = st.integers(1, 5000)


@pytest.mark.parametrize(
    "size", [(640, 480), (480, 640), (601, 400), (33, 500), (7, 640), (1, 1), (300, 300)]
)
def test_frames_are_those_of_ultralytics(size):
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    place = placement(width=width, height=height, image_size_px=320, step_px=32)
    theirs = ultralytics_module("data.augment").LetterBox(320, auto=True, stride=32)
    assert np.array_equal(letterbox(picture, place), theirs(image=picture))


@given(width=sides, height=sides, size=st.sampled_from([64, 416, 640]))
def test_a_frame_is_a_multiple_of_the_step_and_holds_the_whole_picture(width, height, size):
    place = placement(width=width, height=height, image_size_px=size, step_px=32)
    assert max(place.inner) == size
    for side, inner, start in zip(place.frame, place.inner, (place.top, place.left), strict=True):
        assert side % 32 == 0
        assert 0 <= side - inner < 32
        assert 0 <= start <= side - inner


@given(width=sides, height=sides, corners=st.tuples(*[st.floats(0, 1)] * 4))
def test_boxes_go_to_the_frame_and_back(width, height, corners):
    place = placement(width=width, height=height, image_size_px=640, step_px=32)
    box = np.array([corners]) * np.array([width, height, width, height])
    scale = np.array([place.inner[1] / width, place.inner[0] / height] * 2)
    framed = box * scale + np.array([place.left, place.top] * 2)
    assert np.allclose(place.to_picture(framed), box, atol=1e-6 * max(width, height))


def test_boxes_end_at_the_edge_of_the_picture():
    place = placement(width=100, height=50, image_size_px=64, step_px=32)
    boxes = place.to_picture(np.array([[-10.0, -10, 500, 500]]))
    assert boxes.tolist() == [[0, 0, 100, 50]]


def test_a_picture_that_was_decoded_smaller_fills_the_same_place():
    place = placement(width=400, height=200, image_size_px=64, step_px=32)
    frame = letterbox(np.full((50, 100, 3), 200, np.uint8), place)
    assert frame.shape == (32, 64, 3)
    assert (frame == 200).all()
    tall = placement(width=90, height=200, image_size_px=64, step_px=32)
    frame = letterbox(np.full((50, 23, 3), 200, np.uint8), tall)
    assert (frame[:, : tall.left] == PADDING).all()
    assert (frame[:, tall.left : tall.left + tall.inner[1]] == 200).all()
