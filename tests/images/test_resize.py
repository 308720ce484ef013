"""The compiled resize against Pillow's, of which it has to be the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wunderkammer.images import resize as module
from wunderkammer.images.resize import resize, resize_by_kernel, resize_by_pillow


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def both(picture, size_px, box):
    return [way(picture, size_px=size_px, box=box) for way in (resize_by_pillow, resize_by_kernel)]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    is_grey=st.booleans(),
    size_px=st.integers(1, 150),
    edges=st.tuples(*[st.floats(0, 1)] * 4),
    seed=st.integers(0, 99),
)
def test_the_kernel_gives_every_bit_that_pillow_gives(height, width, is_grey, size_px, edges, seed):
    (x0, x1), (y0, y1) = sorted(edges[:2]), sorted(edges[2:])
    box = (x0 * width, y0 * height, x1 * width, y1 * height)
    if box[2] - box[0] < 0.1 or box[3] - box[1] < 0.1:
        box = (0.0, 0.0, float(width), float(height))
    picture = noise(height, width, *(() if is_grey else (3,)), seed=seed)
    by_pillow, by_kernel = both(picture, size_px, box)
    assert by_kernel.shape == (size_px, size_px, *picture.shape[2:])
    assert np.array_equal(by_pillow, by_kernel)


def test_more_rows_than_fit_into_a_strip_are_the_same_too():
    picture = noise(300, 450, 3)
    by_pillow, by_kernel = both(picture, 2 * module.STRIP_ROWS + 9, (60.5, 0, 360.5, 300))
    assert np.array_equal(by_pillow, by_kernel)


def test_a_part_of_a_picture_and_one_that_cannot_be_written_to_are_fine():
    picture = noise(80, 120, 3)[::2, 10:90]
    by_pillow, by_kernel = both(picture, 20, (0, 0, 40, 40))
    assert np.array_equal(by_pillow, by_kernel)
    loaded = np.asarray(Image.fromarray(picture))
    assert not loaded.flags.writeable
    assert np.array_equal(resize_by_kernel(loaded, size_px=20, box=(0, 0, 40, 40)), by_kernel)


def test_the_order_of_the_passes_changes_no_more_than_rounding():
    picture = np.asarray(Image.fromarray(noise(12, 12, 3)).resize((200, 150)))
    box = (20.0, 0.0, 170.0, 150.0)
    once = Image.fromarray(picture).resize((64, 64), Image.Resampling.LANCZOS, box=box)
    crop = resize(picture, size_px=64, box=box)
    assert np.abs(crop.astype(int) - np.asarray(once)).max() <= 2


@pytest.mark.parametrize("value", [0, 1, 77, 254, 255])
def test_a_flat_picture_stays_as_it_is(value):
    flat = np.full((70, 50, 3), value, np.uint8)
    assert (resize_by_kernel(flat, size_px=33, box=(3.25, 0, 50, 61.7)) == value).all()


def test_a_process_turns_to_the_kernel_when_pillow_has_taken_long_enough(monkeypatch):
    monkeypatch.setattr(module, "_spent", module._Spent())
    used = []
    for way in (resize_by_pillow, resize_by_kernel):
        monkeypatch.setattr(
            module, way.__name__, lambda *a, way=way, **k: used.append(way) or way(*a, **k)
        )
    clock = iter([0.0, module.PATIENCE_S / 2, 10.0, 10.0 + module.PATIENCE_S])
    monkeypatch.setattr(module, "thread_time", lambda: next(clock))
    picture = noise(30, 30, 3)
    crops = [resize(picture, size_px=10, box=(0, 0, 30, 30)) for _ in range(4)]
    assert used == [resize_by_pillow, resize_by_pillow, resize_by_kernel, resize_by_kernel]
    assert all(np.array_equal(crop, crops[0]) for crop in crops)
