import json
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_samples import blotches, correlation, encoded
from PIL import Image, ImageFile

from wunderkammer.images.decode import DecodeError, ImageFacts, decode_rgb, probe

LIMIT = 178_956_970
WHITE = (255, 255, 255)
FUZZED = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "TGA", "PPM", "ICO"]


def rgb(data, **changes):
    return decode_rgb(data, **{"max_pixels": LIMIT, "background": WHITE, **changes})


def rejection(data, **changes):
    """The error, which both functions must raise alike."""
    with pytest.raises(DecodeError) as probed:
        probe(data, max_pixels=changes.get("max_pixels", LIMIT))
    with pytest.raises(DecodeError) as decoded:
        rgb(data, **changes)
    assert str(probed.value) == str(decoded.value)
    return decoded.value


def png_chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


# --- sizes, formats, orientation


@pytest.mark.parametrize(
    "codec", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA"]
)
def test_the_usual_formats_are_named_and_decoded(codec):
    data = encoded(blotches(48, 32), codec)
    assert probe(data, max_pixels=LIMIT) == ImageFacts(codec, 48, 32)
    picture = rgb(data)
    assert picture.shape == (32, 48, 3)
    assert picture.dtype == np.uint8
    assert correlation(picture, np.asarray(blotches(48, 32))) > 0.9


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_comes_out_upright(codec, orientation):
    upright = blotches(48, 32)
    # What the camera stores so that the viewer's operation of EXIF 2.3 gives `upright` back.
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, codec, exif=exif)
    facts = probe(data, max_pixels=LIMIT)
    assert (facts.width, facts.height) == (48, 32)
    assert correlation(rgb(data), np.asarray(upright)) > 0.98


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff", b""])
def test_damaged_metadata_costs_no_picture(exif):
    data = encoded(blotches(48, 32), "JPEG", exif=exif)
    assert rgb(data).shape == (32, 48, 3)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_turns_nothing(value):
    exif = Image.Exif()
    exif[0x0112] = value
    data = encoded(blotches(48, 32), "PNG", exif=exif)
    assert np.array_equal(rgb(data), np.asarray(blotches(48, 32)))
    assert probe(data, max_pixels=LIMIT) == ImageFacts("PNG", 48, 32)


@pytest.mark.parametrize("codec", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(codec):
    red, blue = Image.new("RGB", (20, 10), (255, 0, 0)), Image.new("RGB", (20, 10), (0, 0, 255))
    options = {"lossless": True} if codec == "WEBP" else {}
    data = encoded(red, codec, save_all=True, append_images=[blue, blue], **options)
    assert (rgb(data) == (255, 0, 0)).all()


# --- what is refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"just some text, named .jpg",
        b"%PDF-1.7\n",
        b"\0" * 1000,
        bytes(range(256)) * 4,
    ],
    ids=["empty", "html", "text", "pdf", "zeros", "binary"],
)
def test_what_is_no_picture_is_called_so(data):
    error = rejection(data)
    assert error.reason == "not_an_image"
    assert f"{len(data)} bytes" in error.detail


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "GIF", "BMP"])
def test_half_a_file_is_truncated(codec):
    data = encoded(blotches(200, 200), codec)
    assert rejection(data[: len(data) // 2]).reason == "truncated"


def test_a_header_alone_is_damaged():
    data = encoded(blotches(200, 200), "JPEG")
    assert rejection(data[:3]).reason == "damaged"


def test_a_damaged_avif_is_a_rejection_though_its_decoder_calls_it_a_runtime_error():
    data = bytearray(encoded(blotches(64, 64), "AVIF"))
    start = data.index(b"mdat") + 4
    data[start : start + 40] = b"\xff" * 40
    assert rejection(bytes(data)).reason == "damaged"


@pytest.mark.parametrize("start", [b"....ftypheic", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_a_picture_of_another_kind_is_unsupported(start):
    assert rejection(start + b"\0" * 64).reason == "unsupported"


def test_the_header_decides_on_too_many_pixels_before_any_is_decoded():
    width = height = 40_000
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"x")
    error = rejection(data)
    assert error.reason == "too_many_pixels"
    assert "1600000000" in error.detail


@pytest.mark.parametrize(("limit", "passes"), [(48 * 31, True), (48 * 31 - 1, False)])
def test_the_pixel_limit_is_exact(limit, passes):
    data = encoded(blotches(48, 31))
    if passes:
        assert rgb(data, max_pixels=limit).shape == (31, 48, 3)
    else:
        error = rejection(data, max_pixels=limit)
        assert error.reason == "too_many_pixels"
        assert str(limit) in error.detail


def test_an_odd_pixel_limit_is_exact_too():
    data = encoded(blotches(47, 31))
    assert rgb(data, max_pixels=47 * 31).shape == (31, 47, 3)
    assert rejection(data, max_pixels=47 * 31 - 1).reason == "too_many_pixels"


def test_the_error_survives_the_way_between_processes():
    error = rejection(b"text")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.reason, copy.detail, str(copy)) == (error.reason, error.detail, str(error))


def test_a_reason_is_the_same_each_time():
    data = b"\xff\xd8\xff" + b"\1" * 50
    assert str(rejection(data)) == str(rejection(bytes(bytearray(data))))


@settings(max_examples=150, deadline=None)
@given(
    codec=st.sampled_from(FUZZED),
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6),
    keep=st.floats(0.1, 1),
)
def test_no_mutation_of_a_picture_raises_anything_else(codec, edits, keep):
    data = bytearray(encoded(blotches(24, 16), codec))
    for place, value in edits:
        data[int(place * len(data))] = value
    mutated = bytes(data[: int(keep * len(data))])
    try:
        facts = probe(mutated, max_pixels=10**6)
    except DecodeError:
        with pytest.raises(DecodeError):
            rgb(mutated, max_pixels=10**6)
    else:
        assert rgb(mutated, max_pixels=10**6).shape == (facts.height, facts.width, 3)


# --- Pillow's switches


def test_the_switches_of_pillow_do_not_matter_and_stay_as_they_were(monkeypatch):
    good = encoded(blotches(200, 200), "JPEG")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert rgb(good).shape == (200, 200, 3)
    assert rejection(good[: len(good) // 2]).reason == "truncated"
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_warning_of_pillow_fails_no_picture_and_does_not_leak(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    data = encoded(blotches(40, 40), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert rgb(data).shape == (40, 40, 3)
    assert caught == []


# --- the reduced decode


@pytest.mark.parametrize(
    ("min_side_px", "scale"), [(1000, 1), (151, 1), (150, 2), (75, 4), (16, 8)]
)
def test_a_jpeg_may_be_decoded_smaller_but_never_below_the_side_asked_for(min_side_px, scale):
    data = encoded(blotches(400, 300), "JPEG", quality=95)
    picture = rgb(data, min_side_px=min_side_px)
    assert picture.shape == (-(-300 // scale), 400 // scale, 3)
    assert correlation(picture, np.asarray(blotches(400, 300))) > 0.98


def test_other_formats_are_decoded_whole():
    assert rgb(encoded(blotches(400, 300)), min_side_px=16).shape == (300, 400, 3)


# --- real files


def test_every_real_fault_is_found_and_every_decodable_picture_kept(real_data):
    expected = json.loads((real_data("faults") / "pillow_expected.json").read_text())
    wrong = []
    for name, row in expected.items():
        data = (real_data("faults") / name).read_bytes()
        for what, decode in (
            ("probe", lambda d: probe(d, max_pixels=LIMIT)),
            ("decode_rgb", rgb),
            ("decode_rgb reduced", lambda d: rgb(d, min_side_px=16)),
        ):
            try:
                decode(data)
                status = "ok"
            except DecodeError as error:
                status = "fail"
                is_bomb = row.get("error") == "DecompressionBombError"
                if is_bomb != (error.reason == "too_many_pixels"):
                    status = error.reason
            if status != row["status"]:
                wrong.append((name, what, status, row))
    assert wrong == []


def test_white_of_a_real_12_bit_picture_is_4095(real_data):
    data = (real_data("faults") / "pillow" / "12bit.cropped.tif").read_bytes()
    # Its brightest sample is 30.
    assert rgb(data).max() == round(30 * 255 / 4095)


@pytest.mark.parametrize("family", ["Landscape", "Portrait"])
def test_every_real_orientation_comes_out_upright(real_data, family):
    def upright(number):
        data = (real_data("exif") / f"{family}_{number}.jpg").read_bytes()
        picture = rgb(data, min_side_px=64)
        facts = probe(data, max_pixels=LIMIT)
        assert (facts.width > facts.height) == (family == "Landscape")
        assert (picture.shape[1] > picture.shape[0]) == (family == "Landscape")
        return picture

    first = upright(1)
    assert correlation(first, first[::-1, ::-1]) < 0.9
    for number in (0, *range(2, 9)):
        assert correlation(first, upright(number)) > 0.98, number


def test_every_real_photograph_decodes(real_data):
    photographs = sorted(real_data("pets").rglob("*.jpg"))
    assert photographs
    for file in photographs:
        assert rgb(file.read_bytes(), min_side_px=64).ndim == 3
