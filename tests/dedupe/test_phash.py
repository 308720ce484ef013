from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wunderkammer.dedupe.phash import phash, phash_batch

REAL = Path(__file__).parents[3] / "shared" / "data"


def expected(image_HWC: np.ndarray) -> int:
    picture = Image.fromarray(image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC)
    return int(str(imagehash.phash(picture)), 16)


def noise(rng: np.random.Generator, height: int, width: int, channels: int = 3) -> np.ndarray:
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(rng: np.random.Generator, height: int, width: int, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    fx, fy, phase = rng.uniform(0, 9, (3, channels))
    return np.uint8(127.5 + 127.5 * np.sin(fx * x + fy * y + phase))


def test_hashes_equal_those_of_imagehash_on_noise_and_on_smooth_pictures() -> None:
    rng = np.random.default_rng(0)
    images = [
        make(rng, *rng.integers(1, 200, 2), channels)
        for make in (noise, smooth)
        for channels in (1, 3)
        for _ in range(100)
    ]
    assert phash_batch(images).tolist() == [expected(image) for image in images]


@pytest.mark.parametrize("value", [0, 1, 7, 128, 254, 255])
@pytest.mark.parametrize("shape", [(1, 1, 1), (33, 65, 3), (256, 256, 3), (32, 32, 1)])
def test_hashes_equal_those_of_imagehash_on_constant_pictures(
    value: int, shape: tuple[int, int, int]
) -> None:
    image_HWC = np.full(shape, value, np.uint8)
    assert phash(image_HWC) == expected(image_HWC)


@given(seed=st.integers(0, 2**32), levels=st.integers(1, 4), step=st.integers(1, 16))
@settings(max_examples=60, deadline=None)
def test_hashes_equal_those_of_imagehash_where_many_coefficients_tie(
    seed: int, levels: int, step: int
) -> None:
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, levels, (4, 4, 1), dtype=np.uint8) * np.uint8(60)
    image_HWC = tiles.repeat(8 * step, 0).repeat(8 * step, 1)
    assert phash(image_HWC) == expected(image_HWC)


@pytest.mark.parametrize("folder", ["neardup", "pets"])
def test_hashes_equal_those_of_imagehash_on_real_pictures(folder: str) -> None:
    root = REAL / folder
    if not root.is_dir():
        pytest.skip(f"the test pictures {folder!r} are not on this machine")
    files = [f for f in sorted(root.rglob("*")) if f.suffix.lower() in (".jpg", ".jpeg", ".png")]
    images = []
    for file in files[:60]:
        if "corrupt" not in file.name:
            with Image.open(file) as picture:
                images.append(np.asarray(picture.convert("RGB")))
    assert len(images) > 40
    assert phash_batch(images).tolist() == [expected(image) for image in images]


def test_a_hash_does_not_depend_on_the_pictures_hashed_beside_it() -> None:
    rng = np.random.default_rng(1)
    images = [noise(rng, 40, 40) for _ in range(9)]
    assert phash_batch(images).tolist() == [phash(image) for image in images]


def test_no_pictures_have_no_hashes() -> None:
    hashes = phash_batch([])
    assert hashes.dtype == np.uint64
    assert hashes.shape == (0,)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="allowed: uint8 of shape"):
        phash(image)
