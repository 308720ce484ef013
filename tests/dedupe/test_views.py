from itertools import pairwise

import numpy as np
import pytest
from photo_like import CHANGES, crop, framed, jpeg, photo
from PIL import Image, ImageOps

from wunderkammer.dedupe.likeness import likeness
from wunderkammer.dedupe.phash import phash
from wunderkammer.dedupe.rough import rough_likeness, rough_of
from wunderkammer.dedupe.views import (
    VIEWS,
    View,
    grey_of,
    mirrored_hash,
    turned,
    view_hashes,
    views_name,
)

MADE = [photo(seed) for seed in range(4)]


def bits(one, other):
    return np.bitwise_count(np.uint64(one) ^ np.asarray(other, np.uint64)).astype(int)


def square(picture, side=256):
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def grey(picture):
    return grey_of(jpeg(square(picture), quality=95))


def test_the_hash_of_a_window_is_nearly_that_of_the_pixels_cut_out() -> None:
    for picture in MADE:
        hashes = view_hashes(grey(picture))
        for number, view in enumerate(VIEWS):
            if view.angle_deg:
                continue
            cut = crop(
                picture,
                left=view.left,
                top=view.top,
                right=1 - view.left - view.width,
                bottom=1 - view.top - view.height,
            )
            assert bits(phash(np.asarray(square(cut))), hashes[number]) <= 6


def test_the_hash_of_a_turned_view_is_nearly_that_of_the_turned_picture() -> None:
    number = VIEWS.index(View(0.0, 1.0, 0.0, 1.0, 3.0))
    for picture in MADE:
        grey_PP = grey(picture)
        by_hand = np.repeat(turned(grey_PP, angle_deg=3.0)[:, :, None], 3, axis=2)
        assert bits(phash(np.uint8(by_hand)), view_hashes(grey_PP)[number]) <= 6
    # Against the clock, as Pillow turns.
    corner = np.zeros((96, 96), np.float32)
    corner[:48, 48:] = 255
    expected = Image.fromarray(np.uint8(corner)).rotate(3)
    assert np.abs(turned(corner, angle_deg=3.0) - np.asarray(expected))[8:-8, 8:-8].mean() < 2


def test_the_mirrored_hash_is_that_of_the_mirrored_picture() -> None:
    for picture in MADE:
        grey_PP = grey(picture)
        mirrored = np.ascontiguousarray(grey_PP[:, ::-1])
        assert bits(mirrored_hash(grey_PP), view_hashes(mirrored)[0]) <= 1
        assert bits(mirrored_hash(grey_PP), view_hashes(grey_PP)[0]) > 12


def test_every_view_lies_in_its_picture_and_they_have_one_name() -> None:
    assert len(set(VIEWS)) == len(VIEWS)
    for view in VIEWS:
        assert 0 <= view.left < view.left + view.width <= 1.0001
        assert 0 <= view.top < view.top + view.height <= 1.0001
    assert views_name() == views_name()


def nearest_view(
    one: Image.Image, other: Image.Image
) -> tuple[int, Image.Image, View, Image.Image]:
    """The bits between one picture and a view of the other, whichever way round is nearer."""
    ways = []
    for viewed, whole in ((one, other), (other, one)):
        distances = bits(view_hashes(grey(whole))[0], view_hashes(grey(viewed)))
        ways.append((int(distances.min()), viewed, VIEWS[int(distances.argmin())], whole))
    return min(ways, key=lambda way: way[0])


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_near_by_a_view_and_alike_once_aligned(change: str) -> None:
    for picture in MADE:
        changed = CHANGES[change](picture)
        distance, viewed, view, whole = nearest_view(picture, changed)
        assert distance <= 10
        assert likeness(grey(viewed), grey(whole), view=view) > 0.7


def test_other_pictures_are_not_alike_however_they_are_laid_over() -> None:
    for one, other in pairwise(MADE):
        _, viewed, view, whole = nearest_view(one, other)
        assert likeness(grey(viewed), grey(whole), view=view) < 0.5
        mirrored = ImageOps.mirror(one)
        assert likeness(grey(one), grey(mirrored), view=VIEWS[0]) < 0.5


def test_pictures_without_contrast_are_alike_to_nothing() -> None:
    flat = np.full((96, 96), 90, np.float32)
    assert likeness(flat, flat, view=VIEWS[0]) == 0
    assert likeness(flat, grey(MADE[0]), view=VIEWS[0]) == 0
    assert likeness(grey(MADE[0]), flat, view=VIEWS[0]) == 0


def test_a_small_shared_part_in_much_background_does_not_make_two_pictures_alike() -> None:
    one, other = (grey(framed(picture, 0.2)) for picture in MADE[:2])
    assert likeness(one, other, view=VIEWS[0]) < 0.7
    assert likeness(one, one, view=VIEWS[0]) > 0.99


def test_a_glance_tells_a_window_of_a_picture_from_other_pictures() -> None:
    whole, other = grey(MADE[0]), grey(MADE[1])
    view = VIEWS.index(View(0.0, 0.9, 0.0, 0.9))
    window = grey(crop(MADE[0], right=0.1, bottom=0.1))
    mirrored = np.ascontiguousarray(window[:, ::-1])
    rough_NRR = np.stack([rough_of(one) for one in (whole, window, mirrored, other)])
    found = rough_likeness(
        rough_NRR,
        np.array([0, 0, 0, 0]),
        np.array([1, 2, 2, 3]),
        view=np.full(4, view),
        is_mirrored=np.array([False, True, False, False]),
    )
    assert found[:2].min() > 0.97
    assert found[2:].max() < 0.75
