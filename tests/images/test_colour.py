import numpy as np
import pytest
from image_samples import blotches, correlation, encoded
from PIL import Image, ImageCms

from wunderkammer.images.colour import flatten_to_srgb
from wunderkammer.images.decode import decode_rgb

WHITE = (255, 255, 255)


def rgb(data, *, background=WHITE):
    return decode_rgb(data, max_pixels=10**6, background=background)


def gradient(low, high, dtype):
    return np.tile(np.linspace(low, high, 64), (8, 1)).astype(dtype)


@pytest.mark.parametrize(
    ("picture", "codec"),
    [
        (Image.fromarray(gradient(0, 65535, np.uint16)), "PNG"),
        (Image.fromarray(gradient(0, 65535, np.uint16)), "TIFF"),
        (Image.fromarray(gradient(0, 65535, ">u2")), "TIFF"),
        (Image.fromarray(gradient(0, 65535, np.int32)), "TIFF"),
        (Image.fromarray(gradient(-9_000_000, 2**31 - 1, np.int32)), "TIFF"),
        (Image.fromarray(gradient(-32768, 32767, np.int32)), "TIFF"),
        (Image.fromarray(gradient(0, 1, np.float32)), "TIFF"),
        (Image.fromarray(gradient(0, 255, np.float32)), "TIFF"),
        (Image.fromarray(gradient(-1e38, 3e38, np.float32)), "TIFF"),
        (Image.fromarray(gradient(0, 65535, np.uint16)), "PPM"),
    ],
    ids=lambda value: getattr(value, "mode", value),
)
def test_deep_greys_keep_their_order_and_fill_the_range(picture, codec):
    row = rgb(encoded(picture, codec))[0].astype(int)
    assert (row == row[:, :1]).all()
    assert np.abs(row[:, 0] - np.linspace(0, 255, 64)).max() <= 1


def test_a_deep_grey_below_white_is_not_stretched():
    dim = Image.fromarray(gradient(0, 32768, np.uint16))
    assert rgb(encoded(dim)).max() == 128


def test_numbers_that_are_none_are_black():
    values = gradient(0, 1, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    picture = rgb(encoded(Image.fromarray(values), "TIFF"))
    assert (picture[0, :3] == 0).all()
    assert picture[1, -1, 0] == 255


@pytest.mark.parametrize("value", [-5, 0, 7, 2**31 - 1])
def test_a_constant_deep_picture_is_a_constant_one(value):
    picture = Image.fromarray(np.full((4, 4), value, np.int32))
    assert np.unique(rgb(encoded(picture, "TIFF"))).size == 1


def test_cmyk_without_a_profile_comes_out_in_its_colours():
    inks = np.zeros((8, 32, 4), np.uint8)
    inks[:, :8, 0] = inks[:, 8:16, 1] = inks[:, 16:24, 2] = inks[:, 24:, 3] = 255
    for codec, options in (("TIFF", {}), ("JPEG", {"quality": 100})):
        picture = rgb(encoded(Image.fromarray(inks, "CMYK"), codec, **options)).astype(int)
        expected = [(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0)]
        assert np.abs(picture[4, 4::8] - expected).max() < 8


def test_alpha_lies_over_the_background():
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[..., 0] = 200
    picture[:, 2:, 3] = 255
    picture[:, 1, 3] = 128
    over_blue = rgb(encoded(Image.fromarray(picture)), background=(0, 0, 250))
    assert over_blue[0, 0].tolist() == [0, 0, 250]
    assert over_blue[0, 1].tolist() == pytest.approx([100, 0, 125], abs=1)
    assert over_blue[0, 2].tolist() == [200, 0, 0]


def test_grey_with_alpha_lies_over_the_background():
    picture = np.full((4, 4, 2), 60, np.uint8)
    picture[..., 1] = (0, 0, 255, 255)
    row = rgb(encoded(Image.fromarray(picture, "LA")), background=(1, 2, 3))[0]
    assert row.tolist() == [[1, 2, 3], [1, 2, 3], [60, 60, 60], [60, 60, 60]]


def palette_picture(**options):
    picture = Image.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata([0, 1, 2])
    return encoded(picture, "PNG", **options)


@pytest.mark.parametrize(
    ("transparency", "row"),
    [
        (None, [[10, 20, 30], [40, 50, 60], [70, 80, 90]]),
        (1, [[10, 20, 30], [0, 0, 0], [70, 80, 90]]),
        (b"\x00\xff\x80", [[0, 0, 0], [40, 50, 60], [35, 40, 45]]),
    ],
)
def test_a_palette_may_be_transparent(transparency, row):
    options = {} if transparency is None else {"transparency": transparency}
    decoded = rgb(palette_picture(**options), background=(0, 0, 0))[0].astype(int)
    assert np.abs(decoded - row).max() <= 1


@pytest.mark.parametrize(
    ("picture", "key"),
    [
        (Image.new("L", (2, 2), 7), 7),
        (Image.new("RGB", (2, 2), (1, 2, 3)), (1, 2, 3)),
        (Image.new("1", (2, 2), 1), 255),
        (Image.fromarray(np.full((2, 2), 7000, np.uint16)), 7000),
    ],
    ids=["L", "RGB", "1", "I;16"],
)
def test_one_colour_may_be_transparent(picture, key):
    assert (rgb(encoded(picture, transparency=key), background=(9, 8, 7)) == (9, 8, 7)).all()


@pytest.mark.parametrize(
    ("mode", "codec"),
    [("1", "PNG"), ("L", "JPEG"), ("RGB", "JPEG"), ("YCbCr", "JPEG"), ("YCbCr", "TIFF")],
)
def test_other_modes_look_the_same(mode, codec):
    original = blotches(64, 64)
    data = encoded(original.convert(mode), codec)
    expected = np.asarray(original.convert(mode).convert("RGB"))
    assert correlation(rgb(data), expected) > 0.97


def test_lab_becomes_rgb():
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    original = blotches(64, 64)
    decoded = rgb(encoded(to_lab.apply(original), "TIFF")).astype(int)
    # Colours come back to within the rounding of 8-bit Lab.
    assert np.abs(decoded - np.asarray(original)).mean() < 3


def test_hsv_becomes_rgb():
    original = blotches(64, 64)
    decoded = np.asarray(flatten_to_srgb(original.convert("HSV"), background=WHITE)).astype(int)
    assert np.abs(decoded - np.asarray(original)).mean() < 3


# --- colour profiles


def wide_gamut_profile():
    """A matrix profile whose red and green are swapped, which no decoder could overlook."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = {srgb[o : o + 4]: o for o in range(132, 132 + 12 * 20, 12)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    changed = bytearray(srgb)
    changed[red + 4 : red + 12], changed[green + 4 : green + 12] = (
        srgb[green + 4 : green + 12],
        srgb[red + 4 : red + 12],
    )
    return bytes(changed)


@pytest.mark.parametrize("codec", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_an_embedded_profile_is_obeyed(codec):
    options = {"quality": 100} if codec in ("JPEG", "WEBP") else {}
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    picture = rgb(encoded(red, codec, icc_profile=wide_gamut_profile(), **options)).astype(int)
    assert np.abs(picture - (0, 255, 0)).max() < 12


def test_a_profile_applies_under_alpha_too():
    red = Image.new("RGBA", (16, 16), (255, 0, 0, 255))
    picture = rgb(encoded(red, icc_profile=wide_gamut_profile())).astype(int)
    assert np.abs(picture - (0, 255, 0)).max() < 4


def test_an_srgb_profile_changes_no_bit():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(blotches(32, 32), icc_profile=profile)
    assert np.array_equal(rgb(data), np.asarray(blotches(32, 32)))


@pytest.mark.parametrize(
    "profile",
    [b"garbage", wide_gamut_profile()[:200], b"\0" * 4000],
    ids=["garbage", "cut short", "zeros"],
)
def test_a_broken_profile_is_ignored(profile):
    data = encoded(blotches(32, 32), icc_profile=profile)
    assert np.array_equal(rgb(data), np.asarray(blotches(32, 32)))


def test_a_profile_of_another_colour_space_is_ignored():
    grey = encoded(blotches(32, 32).convert("CMYK"), "TIFF", icc_profile=wide_gamut_profile())
    plain = encoded(blotches(32, 32).convert("CMYK"), "TIFF")
    assert np.array_equal(rgb(grey), rgb(plain))
