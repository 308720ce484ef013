"""How near a crop comes to an exact anti-aliased resize of the whole decoded picture."""

import io

import numpy as np
import pytest
from image_samples import encoded
from PIL import Image, ImageOps

from wunderkammer.crops import render as module
from wunderkammer.crops.render import RenderSettings, Window, encode, measures, render

SETTINGS = RenderSettings(size_px=96, background=(255, 255, 255), codec="jpeg", quality=95)


def natural(width, height, seed=0):
    """Noise whose amplitude falls with its frequency as in photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = 1.0
    spectra = np.fft.rfft2(rng.normal(size=(3, height, width))) * frequency**-1.3
    planes = np.fft.irfft2(spectra, s=(height, width))
    planes /= planes.std(axis=(1, 2), keepdims=True)
    mixed = 128 + 42 * planes[0] + 10 * planes
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy())


def zone_plate(side):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    wave = 128 + 110 * np.cos(np.pi * (x**2 + y**2) / side)
    return Image.fromarray(np.repeat(np.rint(wave).astype(np.uint8)[..., None], 3, axis=-1))


def crop_and_exact(data, box, settings=SETTINGS):
    with Image.open(io.BytesIO(data)) as image:
        whole = image.convert("RGB")
    window = Window("", *whole.size, *box)
    size = (settings.size_px, settings.size_px)
    exact = whole.resize(size, Image.Resampling.LANCZOS, box=box)
    crop = render(data, window=window, settings=settings)
    return crop.astype(float), np.asarray(exact, float)


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a - b) ** 2), 1e-9))


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((432, 540), (0, 54, 432, 486)),
        ((640, 480), (80, 0, 560, 480)),
        ((801, 803), (0, 1, 801, 802)),
        ((700, 500), (333, 111, 555, 333)),
        ((100, 120), (0, 10, 100, 110)),
    ],
)
@pytest.mark.parametrize("quality", [90, 98])
def test_a_crop_is_as_an_exact_resize_of_the_window(size, box, quality):
    crop, exact = crop_and_exact(encoded(natural(*size), "JPEG", quality=quality), box)
    assert psnr(crop, exact) > 45


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_is_cut_where_it_is_seen(orientation):
    # Sides that no DCT scale divides: the padding of the last blocks must not come before the rest.
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(natural(801, 833), "JPEG", quality=85, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        whole = ImageOps.exif_transpose(image).convert("RGB")
    box = (200, 100, 800, 700)
    settings = RenderSettings(64, (255, 255, 255), "jpeg", 95)
    exact = whole.resize((64, 64), Image.Resampling.LANCZOS, box=box)
    crop = render(data, window=Window("", *whole.size, *box), settings=settings)
    assert psnr(crop.astype(float), np.asarray(exact, float)) > 45


def test_a_part_of_a_png_of_any_size_is_as_exact():
    crop, exact = crop_and_exact(encoded(natural(700, 560)), (70, 0, 630, 560))
    assert psnr(crop, exact) > 50


@pytest.mark.parametrize("codec", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [384, 500, 768])
def test_rings_finer_than_a_pixel_leave_no_ghosts(codec, side):
    options = {"quality": 85} if codec == "JPEG" else {}
    crop, exact = crop_and_exact(encoded(zone_plate(side), codec, **options), (0, 0, side, side))
    assert psnr(crop, exact) > 45
    # Far beyond what the crop can hold: grey, and the rings do not come back.
    y, x = np.mgrid[:96, :96] - 47.5
    frequency = np.hypot(x, y) / 96
    nothing = crop[(frequency > 2 * 96 / side / 2) & (frequency < 0.5)]
    assert nothing.std() < 2


def test_a_blob_stays_where_it_is():
    y, x = np.mgrid[:480, :480]
    blob = 255 * np.exp(-((x - 200.3) ** 2 + (y - 271.8) ** 2) / (2 * 30.0**2))
    picture = Image.fromarray(np.repeat(np.rint(blob).astype(np.uint8)[..., None], 3, axis=-1))
    crop, _ = crop_and_exact(encoded(picture, "JPEG", quality=95), (0, 0, 480, 480))
    weight = crop[..., 1] - crop[..., 1].min()
    across = (weight.sum(axis=0) * np.arange(96)).sum() / weight.sum()
    down = (weight.sum(axis=1) * np.arange(96)).sum() / weight.sum()
    # A pixel's middle is half a px from its edge.
    assert across == pytest.approx((200.3 + 0.5) / 5 - 0.5, abs=0.03)
    assert down == pytest.approx((271.8 + 0.5) / 5 - 0.5, abs=0.03)


def test_fine_detail_is_decoded_in_full_and_ordinary_pictures_are_not(monkeypatch):
    asked = []
    decode_rgb = module.decode_rgb

    def spy(data, **options):
        asked.append(options["min_side_px"])
        return decode_rgb(data, **options)

    monkeypatch.setattr(module, "decode_rgb", spy)
    for picture in (natural(480, 480), zone_plate(480)):
        crop_and_exact(encoded(picture, "JPEG", quality=85), (0, 0, 480, 480))
    assert asked == [192, None]


@pytest.mark.parametrize("quality", [1, 50, 95, 100])
def test_a_jpeg_is_the_file_that_pillow_would_write(quality):
    picture = natural(45, 61)
    settings = RenderSettings(45, (0, 0, 0), "jpeg", quality)
    for mode in ("RGB", "L"):
        crop = picture.convert(mode)
        assert encode(np.asarray(crop), settings=settings) == encoded(
            crop, "JPEG", quality=quality, subsampling=0
        )


def test_measures_are_those_of_whole_numbers():
    crop = np.asarray(natural(150, 150))
    white = np.repeat((np.indices((150, 150)).sum(axis=0) % 2 * 255)[..., None], 3, axis=-1)
    for picture in (crop, white.astype(np.uint8)):
        found = measures(picture)
        grey = module.cv2.cvtColor(picture, module.cv2.COLOR_RGB2GRAY).astype(int)
        rows = np.pad(grey, 1, mode="reflect")
        laplacian = rows[:-2, 1:-1] + rows[2:, 1:-1] + rows[1:-1, :-2] + rows[1:-1, 2:] - 4 * grey
        total, squares, num = laplacian.sum(), (laplacian**2).sum(), laplacian.size
        assert found["sharpness"] == (int(squares) * num - int(total) ** 2) / num**2
        assert found["brightness"] == int(grey.sum()) / num / 255


def test_photographs_come_out_as_exact(real_data):
    files = sorted(real_data("pets").rglob("*.jpg"))[::12]
    assert len(files) > 5
    for file in files:
        data = file.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            # What is neither turned nor has colours of its own, so that Pillow alone knows it.
            if image.mode != "RGB" or image.info.get("icc_profile") or image.getexif().get(0x0112):
                continue
            width, height = image.size
        side = min(width, height)
        box = ((width - side) // 2, (height - side) // 2)
        crop, exact = crop_and_exact(data, (*box, box[0] + side, box[1] + side))
        assert psnr(crop, exact) > 40, file.name
