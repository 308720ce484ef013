import numpy as np
import pytest
from image_samples import blotches, encoded
from PIL import Image

from wunderkammer.crops.params import SquareParams, WholeParams
from wunderkammer.crops.render import RenderSettings, Window, encode, measures, render
from wunderkammer.images.decode import DecodeError, decode_rgb

SETTINGS = RenderSettings(size_px=32, background=(255, 255, 255), codec="jpeg", quality=95)


def centre(width, height):
    side = min(width, height)
    x0, y0 = (width - side) // 2, (height - side) // 2
    return Window("", width, height, x0, y0, x0 + side, y0 + side)


def rendered(picture, codec="PNG", settings=SETTINGS, **options):
    data = encoded(picture, codec, **options)
    return render(data, window=centre(*picture.size), settings=settings)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (97, 64), (64, 64), (64, 101)])
def test_a_crop_shows_the_centre_square(size):
    picture = Image.new("RGB", size, (255, 0, 0))
    square = Image.new("RGB", (62, 62), (0, 0, 255))
    picture.paste(square, ((size[0] - 62) // 2, (size[1] - 62) // 2))
    crop = rendered(picture).astype(int)
    assert crop.shape == (32, 32, 3)
    assert np.abs(crop[3:-3, 3:-3] - (0, 0, 255)).max() < 20
    edge = np.concatenate([crop[0], crop[-1], crop[:, 0], crop[:, -1]])
    assert edge[:, 0].min() > 40


@pytest.mark.parametrize("size", [(640, 480), (481, 643), (1001, 777), (130, 260)])
def test_the_reduced_decode_is_the_full_one_but_for_noise(size):
    picture = blotches(*size)
    left, top = (size[0] - min(size)) // 2, (size[1] - min(size)) // 2
    box = (left, top, left + min(size), top + min(size))
    full = picture.resize((32, 32), Image.Resampling.LANCZOS, box=box)
    assert psnr(rendered(picture, "JPEG", quality=98, subsampling=0), np.asarray(full)) > 40


def test_a_turned_picture_gives_the_same_crop():
    picture = blotches(300, 200)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=98)
    crop = render(data, window=centre(300, 200), settings=SETTINGS)
    assert psnr(crop, rendered(picture, "JPEG", quality=98)) > 35


def test_stripes_finer_than_a_pixel_become_grey():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = rendered(Image.fromarray(stripes)).astype(int)
    assert np.abs(crop - 128).max() < 8


def test_a_picture_of_another_size_than_scraped_is_refused():
    with pytest.raises(DecodeError, match=r"size_changed: 64 x 48 px, 64 x 40"):
        render(encoded(blotches(64, 48)), window=centre(64, 40), settings=SETTINGS)


@pytest.mark.parametrize(("codec", "min_psnr"), [("jpeg", 35), ("webp", 30), ("png", np.inf)])
def test_a_crop_is_encoded_as_asked(codec, min_psnr):
    crop = np.asarray(blotches(32, 32))
    settings = RenderSettings(32, (255, 255, 255), codec, 95)
    data = encode(crop, settings=settings)
    decoded = decode_rgb(data, max_pixels=10**6, background=(0, 0, 0))
    if codec == "png":
        assert np.array_equal(decoded, crop)
    else:
        assert psnr(decoded, crop) > min_psnr


def test_a_jpeg_crop_keeps_the_full_resolution_of_its_colours():
    checks = np.zeros((32, 32, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = (255, 0, 0)
    checks[::2, 1::2] = checks[1::2, ::2] = (0, 76, 255)
    data = encode(checks, settings=RenderSettings(32, (255, 255, 255), "jpeg", 98))
    decoded = decode_rgb(data, max_pixels=10**6, background=(0, 0, 0)).astype(int)
    assert np.abs(decoded - checks).mean() < 8


def test_sharpness_is_the_variance_of_the_laplacian():
    crop = np.asarray(blotches(40, 40))
    grey = np.pad(np.asarray(Image.fromarray(crop).convert("L"), int), 1, mode="reflect")
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    assert measures(crop)["sharpness"] == pytest.approx(laplacian.var(), rel=0.02)


def test_a_blurred_picture_is_less_sharp_and_a_flat_one_not_at_all():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    blurred = Image.fromarray(noise).resize((8, 8)).resize((32, 32))
    assert measures(noise)["sharpness"] > 5 * measures(np.asarray(blurred))["sharpness"] > 0
    assert measures(np.full((32, 32, 3), 99, np.uint8))["sharpness"] == 0


def test_settings_are_named_by_what_reaches_the_pixels():
    base = WholeParams(kind="whole", size_px=64)
    same = [
        base.model_copy(update={"max_aspect": 9.0}),
        base.model_copy(update={"max_upsample": 2.0}),
        SquareParams(kind="square", size_px=64, min_side_px=5),
    ]
    other = [
        base.model_copy(update={"size_px": 65}),
        base.model_copy(update={"background": (0, 0, 0)}),
        base.model_copy(update={"codec": "png"}),
        base.model_copy(update={"quality": 94}),
    ]
    name = RenderSettings.of(base).digest
    assert {RenderSettings.of(params).digest for params in same} == {name}
    assert len({name, *(RenderSettings.of(params).digest for params in other)}) == 5
