import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import MissingObjectError, Store


@pytest.fixture
def blobs(tmp_path):
    return Blobs(Store(str(tmp_path)))


@given(st.binary(max_size=256))
def test_a_blob_is_named_by_the_hash_of_its_bytes(content):
    blobs = Blobs(Store("memory:///"))
    sha256 = blobs.put(content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert blobs.get(sha256) == content


def test_equal_bytes_are_kept_once(blobs):
    assert blobs.put(b"picture") == blobs.put(b"picture")
    assert len(list(blobs.store.keys("blobs"))) == 1


def test_putting_a_blob_again_does_not_write_it_again(blobs, monkeypatch):
    sha256 = blobs.put(b"picture")
    monkeypatch.setattr(Store, "write", None)
    assert blobs.put(b"picture") == sha256


@pytest.mark.parametrize("damaged", [b"", b"pictur", b"picture!", b"Picture"])
def test_damaged_bytes_are_refused_with_the_remedy(blobs, damaged):
    sha256 = blobs.put(b"picture")
    blobs.store.write(blobs.key(sha256), damaged)
    with pytest.raises(ValueError, match=rf"blob {sha256} is damaged .*delete it"):
        blobs.get(sha256)


@pytest.mark.parametrize("damaged", [b"", b"pictur", b"picture!"])
def test_putting_a_blob_again_repairs_one_of_another_length(blobs, damaged):
    sha256 = blobs.put(b"picture")
    blobs.store.write(blobs.key(sha256), damaged)
    assert blobs.put(b"picture") == sha256
    assert blobs.get(sha256) == b"picture"


def test_a_missing_blob_is_a_missing_object(blobs):
    with pytest.raises(MissingObjectError, match="blobs/00/00/0000"):
        blobs.get("0" * 64)
