"""The check of the crops in force, and the way back after it has failed."""

import pytest
from image_samples import blotches, encoded

from wunderkammer.crops.readable import check_crops_readable
from wunderkammer.manifests import kept
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.versions import Versions


@pytest.fixture
def cropped(scene):
    for seed in range(3):
        scene.add(f"{seed}.png", encoded(blotches(40, 40, seed=seed), "PNG"))
    scene.scrape()
    return scene, scene.crop()


def a_crop(scene, record):
    return Blobs.key(kept(scene.manifest(record))["crop_sha256"][0].as_py())


def test_crops_that_decode_pass(cropped):
    scene, _ = cropped
    assert check_crops_readable(scene.subject, scene.store) is None


@pytest.mark.parametrize("fault", ["missing", "truncated"])
def test_a_lost_crop_is_found_and_made_again(cropped, fault):
    scene, record = cropped
    key = a_crop(scene, record)
    if fault == "missing":
        scene.store.delete(key)
    else:
        scene.store.write(key, scene.store.read(key)[:50])
    found = check_crops_readable(scene.subject, scene.store)
    assert found is not None
    assert key.rpartition("/")[2] in found
    Versions(scene.store).disown(record, found)
    assert scene.crop().data_version == record.data_version
    assert check_crops_readable(scene.subject, scene.store) is None
