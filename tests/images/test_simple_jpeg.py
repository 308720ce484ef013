"""What simplejpeg decodes against what Pillow does, which has to be the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_samples import blotches, encoded
from PIL import Image, ImageCms

from wunderkammer.images import decode
from wunderkammer.images.decode import DecodeError, decode_rgb


@pytest.fixture
def roads(monkeypatch):
    """What both roads make of data, and how often the fast one was open."""
    simple = decode._simple_jpeg
    opened = []

    def spy(image, data):
        pixels = simple(image, data)
        opened.append(pixels is not None)
        return pixels

    def both(data, min_side_px=None):
        results = []
        for road in (spy, lambda image, data: None):
            monkeypatch.setattr(decode, "_simple_jpeg", road)
            try:
                pixels = decode_rgb(
                    data, max_pixels=10**9, background=(1, 2, 3), min_side_px=min_side_px
                )
                results.append(pixels)
            except DecodeError as error:
                results.append(str(error))
        return (*results, opened[-1])

    return both


def textured(width, height, mode="RGB"):
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(blotches(width, height)) // 2 + noise).convert(mode)


def assert_same(roads, data, *, is_fast=True, min_side_px=None):
    fast, general, was_fast = roads(data, min_side_px)
    assert was_fast == is_fast
    assert fast.shape == general.shape
    assert np.array_equal(fast, general)


@pytest.mark.parametrize("min_side_px", [None, 60, 30, 16])
@pytest.mark.parametrize("size", [(150, 121), (128, 128), (241, 127)])
@pytest.mark.parametrize(
    "options",
    [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"quality": 30}],
    ids=str,
)
def test_colours_are_the_same_at_every_scale(roads, size, options, min_side_px):
    assert_same(roads, encoded(textured(*size), "JPEG", **options), min_side_px=min_side_px)


@pytest.mark.parametrize("orientation", range(9))
def test_greys_and_turned_pictures_are_the_same(roads, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for mode in ("RGB", "L"):
        assert_same(roads, encoded(textured(90, 70, mode), "JPEG", exif=exif))


def test_profiles_are_heeded(roads):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (srgb, lab, b"none at all"):
        assert_same(roads, encoded(textured(90, 70), "JPEG", icc_profile=profile))


def test_what_is_not_simple_is_for_pillow(roads):
    assert_same(roads, encoded(textured(90, 70, "CMYK"), "JPEG"), is_fast=False)
    assert_same(roads, encoded(textured(90, 70)), is_fast=False)
    assert_same(roads, encoded(textured(15, 90), "JPEG"), is_fast=False)


def test_what_is_amiss_is_called_what_pillow_calls_it(roads):
    data = encoded(textured(200, 200), "JPEG")
    fast, general, was_fast = roads(data[: len(data) // 2])
    assert fast == general
    assert fast.startswith("truncated")
    assert not was_fast


@settings(max_examples=60, deadline=None)
@given(
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
    min_side_px=st.sampled_from([None, 20]),
)
def test_damage_gives_the_same_picture_or_the_same_error(edits, min_side_px):
    data = bytearray(encoded(textured(64, 48), "JPEG"))
    for place, value in edits:
        data[int(place * len(data))] = value
    with pytest.MonkeyPatch.context() as patch:
        results = []
        for road in (decode._simple_jpeg, lambda image, data: None):
            patch.setattr(decode, "_simple_jpeg", road)
            try:
                pixels = decode_rgb(
                    bytes(data), max_pixels=10**6, background=(1, 2, 3), min_side_px=min_side_px
                )
                results.append((pixels.shape, pixels.tobytes()))
            except DecodeError as error:
                results.append(str(error))
    assert results[0] == results[1]


def test_every_real_jpeg_is_the_same_on_both_roads(roads, real_data):
    files = [file for name in ("exif", "pets") for file in real_data(name).rglob("*.jpg")]
    num_fast = 0
    for file in sorted(files)[::6]:
        fast, general, was_fast = roads(file.read_bytes(), 200)
        num_fast += was_fast
        assert np.array_equal(fast, general), file.name
    assert num_fast > 10
