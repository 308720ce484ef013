from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from wunderkammer.dedupe.dhash import dhash, dhash_batch
from wunderkammer.dedupe.phash import as_grey, phash_batch

REAL = Path(__file__).parents[3] / "shared" / "data"


def expected(image_HWC: np.ndarray) -> int:
    picture = Image.fromarray(image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC)
    return int(str(imagehash.dhash(picture)), 16)


def test_hashes_equal_those_of_imagehash_on_noise_gradients_and_flat_pictures() -> None:
    rng = np.random.default_rng(0)
    images = [
        rng.integers(low, low + span, (height, width, channels), dtype=np.uint8)
        for low, span in ((0, 256), (90, 2), (7, 1))
        for channels in (1, 3)
        for height, width in rng.integers(1, 150, (40, 2))
    ]
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, None], (90, 1, 1))
    images += [ramp, ramp[:, ::-1]]
    assert dhash_batch(images).tolist() == [expected(image) for image in images]
    assert dhash_batch([]).shape == (0,)
    in_colour = [image for image in images if image.shape[2] == 3]
    greys = [as_grey(image) for image in in_colour]
    assert dhash_batch(greys).tolist() == dhash_batch(in_colour).tolist()
    assert phash_batch(greys).tolist() == phash_batch(in_colour).tolist()


@pytest.mark.parametrize("folder", ["neardup", "pets"])
def test_hashes_equal_those_of_imagehash_on_real_photographs(folder: str) -> None:
    root = REAL / folder
    if not root.is_dir():
        pytest.skip(f"the test pictures {folder!r} are not on this machine")
    files = [file for file in sorted(root.rglob("*.jpg")) if "corrupt" not in file.name]
    images = []
    for file in files[:30]:
        with Image.open(file) as picture:
            images.append(np.asarray(picture.convert("RGB")))
    assert len(images) > 20
    assert dhash_batch(images).tolist() == [expected(image) for image in images]


def test_what_is_no_picture_has_no_hash() -> None:
    with pytest.raises(ValueError, match="allowed: uint8 of shape"):
        dhash(np.zeros((8, 8, 4), np.uint8))
