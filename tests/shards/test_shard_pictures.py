import hashlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shards_kit import SIDE, encoded, picture

from wunderkammer.shards import pictures as module
from wunderkammer.shards.pictures import PicturesInMemory, StreamedPictures, picture_file
from wunderkammer.shards.read import ShardError, load_images
from wunderkammer.shards.write import ShardImage, write_shards
from wunderkammer.storage.store import Store

NUM = 11


def sharded(store, folder, *, codec="jpeg", first=0):
    """A few shards of pictures, the last ones broken if so asked; their keys."""
    images = []
    for number in range(first, first + NUM):
        content = encoded(picture(number), codec)
        images.append(ShardImage(content, hashlib.sha256(content).hexdigest(), None, str(number)))
    folder.mkdir()
    shards = write_shards(images, folder=folder, names=None, max_shard_mb=0.003)
    keys = [f"shards/{first}-{number}.parquet" for number in range(len(shards))]
    for key, shard in zip(keys, shards, strict=True):
        store.write(key, shard.path)
    return keys


@pytest.fixture(scope="module", params=["jpeg", "png"])
def both(request, tmp_path_factory):
    """The same pictures in memory and streamed."""
    folder = tmp_path_factory.mktemp("both")
    store = Store(str(folder / "data"))
    keys = sharded(store, folder / "shards", codec=request.param)
    assert len(keys) > 1
    file = picture_file(store, keys, folder=folder / "scratch")
    return SimpleNamespace(
        memory=PicturesInMemory(load_images(store, keys, resolution_px=SIDE, channels=3)),
        streamed=StreamedPictures(file, side_px=SIDE, channels=3),
    )


@given(data=st.data())
def test_streamed_pictures_are_those_in_memory_in_any_order(both, data):
    indices = st.lists(st.integers(0, NUM - 1), min_size=1, max_size=20)
    for asked in data.draw(st.lists(indices, max_size=8)):
        indices_N = np.array(asked)
        if data.draw(st.booleans()):
            both.streamed.expect(indices_N)
            both.memory.expect(indices_N)
        if data.draw(st.booleans()):
            found = both.streamed.read(indices_N)
            assert np.array_equal(found, both.memory.read(indices_N))


def test_both_have_the_shape_of_the_set_and_lie_in_memory_by_pixels(both):
    for one in (both.memory, both.streamed):
        assert one.shape == (NUM, 3, SIDE, SIDE)
        assert one.read(np.arange(2)).transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_file_is_made_once_and_goes_when_other_shards_come(tmp_path, monkeypatch):
    store = Store(str(tmp_path / "data"))
    keys = sharded(store, tmp_path / "a")
    folder = tmp_path / "scratch"
    first = picture_file(store, keys, folder=folder)
    with monkeypatch.context() as patch:
        patch.setattr(module, "stream_contents", None)
        assert picture_file(store, keys, folder=folder).path == first.path
    reader = StreamedPictures(first, side_px=SIDE, channels=3)
    second = picture_file(store, sharded(store, tmp_path / "b", first=50), folder=folder)
    assert [path.name for path in folder.iterdir()] == [second.path.parent.name]
    assert reader.read(np.arange(NUM)).shape == (NUM, 3, SIDE, SIDE)


def test_a_damaged_shard_leaves_no_file(tmp_path):
    store = Store(str(tmp_path / "data"))
    keys = sharded(store, tmp_path / "a")
    content = bytearray(store.read(keys[1]))
    content[200] ^= 1
    store.write(keys[1], bytes(content))
    with pytest.raises(ShardError, match="damaged"):
        picture_file(store, keys, folder=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    store = Store(str(tmp_path / "data"))
    keys = sharded(store, tmp_path / "a")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(OSError, match="WUNDERKAMMER_SCRATCH"):
        picture_file(store, keys, folder=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_picture_of_another_size_is_named(both):
    wrong = StreamedPictures(both.streamed._file, side_px=SIDE // 2, channels=3)
    with pytest.raises(ShardError, match=r"picture 3 is .* px"):
        wrong.read(np.array([3]))
