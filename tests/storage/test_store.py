import pickle
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.storage.store import MissingObjectError, Store, open_store

WRITER = """
import itertools, sys
from wunderkammer.storage.store import Store
store = Store(sys.argv[1])
for n in itertools.count():
    store.write("current", bytes([n % 251]) * int(sys.argv[2]))
    if n == 0:
        print("ready", flush=True)
"""
NUM_BYTES = 3_000_000


@pytest.fixture(params=["disk", "memory"])
def store(request, tmp_path):
    return Store(str(tmp_path / "data") if request.param == "disk" else "memory:///")


def test_what_was_written_is_read(store):
    store.write("a/b/c", b"first")
    store.write("a/b/c", b"second")
    assert store.read("a/b/c") == b"second"
    assert store.find("a/b/c") == b"second"
    assert store.exists("a/b/c")


def test_a_missing_object_is_named(store):
    with pytest.raises(MissingObjectError, match="a/missing"):
        store.read("a/missing")
    assert store.find("a/missing") is None
    assert not store.exists("a/missing")


def test_a_deleted_object_is_gone_and_deleting_it_again_is_harmless(store):
    store.write("a/b", b"x")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/was")
    assert not store.exists("a/b")


def test_a_file_is_published_with_its_content(store, tmp_path):
    file = tmp_path / "film.mp4"
    file.write_bytes(b"frames" * 2_000_000)
    store.write("films/one", file)
    assert store.read("films/one") == file.read_bytes()


def test_keys_are_those_below_the_prefix(store):
    for key in ("a/1", "a/b/2", "ab/3", "c"):
        store.write(key, b"")
    assert sorted(store.keys("a")) == ["a/1", "a/b/2"]
    assert list(store.keys("none")) == []


def test_what_is_listed_has_its_size_and_the_time_of_its_writing(store):
    start = datetime.now(UTC) - timedelta(seconds=2)
    store.write("a/b/2", b"four")
    store.write("c", b"")
    ((key, (size, written)),) = store.listed("a").items()
    assert (key, size) == ("a/b/2", 4)
    assert start <= written <= datetime.now(UTC) + timedelta(seconds=2)
    assert store.listed("none") == {}


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9_.-]{1,8}(/[a-z0-9_-]{1,8}){0,3}", fullmatch=True).filter(
            lambda key: not key.startswith(".") and ".." not in key
        ),
        st.binary(max_size=64),
        max_size=6,
    )
)
def test_any_objects_in_memory_come_back_under_their_keys(objects):
    store = Store("memory:///")
    for key, content in objects.items():
        store.write("root/" + key, content)
    assert {key.removeprefix("root/"): store.read(key) for key in store.keys("root")} == objects


def test_half_written_objects_are_not_listed(tmp_path):
    store = Store(str(tmp_path))
    store.write("a/whole", b"x")
    (tmp_path / "a" / "half#7").write_bytes(b"torn")
    assert list(store.keys("a")) == ["a/whole"]


def test_a_write_that_fails_leaves_the_object_as_it_was_and_nothing_beside_it(
    tmp_path, monkeypatch
):
    store = Store(str(tmp_path))
    store.write("a/b", b"first")
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.write("a/b", b"second")
    assert store.read("a/b") == b"first"
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b"]


def test_only_a_store_on_a_disk_has_paths(tmp_path):
    store = Store(str(tmp_path))
    store.write("a/b", b"x")
    assert store.path("a/b").read_bytes() == b"x"
    assert store.address("a/b") == str(tmp_path / "a" / "b")
    remote = Store("s3://bucket/prefix/")
    assert remote.path("a/b") is None
    assert remote.address("a/b") == "s3://bucket/prefix/a/b"


def test_a_url_is_handed_to_obstore(monkeypatch):
    asked = []
    monkeypatch.setattr("wunderkammer.storage.store.from_url", lambda url: asked.append(url))
    assert Store("gs://bucket/prefix")._objects is None
    assert asked == ["gs://bucket/prefix"]


def test_a_store_pickles_without_its_connection(tmp_path):
    store = Store(str(tmp_path))
    store.write("a", b"x")
    again = pickle.loads(pickle.dumps(store))
    assert again.location == store.location
    assert again.read("a") == b"x"


def test_a_relative_folder_stays_where_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store("data")
    monkeypatch.chdir("/")
    store.write("a", b"x")
    assert (tmp_path / "data" / "a").exists()


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store({"WUNDERKAMMER_DATA": "~/data"}).root == tmp_path / "data"
    assert open_store({"WUNDERKAMMER_DATA": "s3://bucket"}).location == "s3://bucket"
    assert open_store({}).root == Path(__file__).parents[2] / "data"
    assert open_store({"WUNDERKAMMER_DATA": ""}).root == Path(__file__).parents[2] / "data"


def test_a_reader_beside_two_writers_never_sees_a_part_of_an_object(tmp_path):
    arguments = [sys.executable, "-c", WRITER, str(tmp_path), str(NUM_BYTES)]
    writers = [subprocess.Popen(arguments, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        store = Store(str(tmp_path))
        seen = set()
        for _ in range(150):
            content = store.read("current")
            assert len(content) == NUM_BYTES
            assert content.count(content[:1]) == NUM_BYTES
            assert list(store.keys("")) == ["current"]
            seen.add(content[0])
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
    assert len(seen) > 1
    # What the killed writers left behind is no object.
    assert list(store.keys("")) == ["current"]
    assert len(store.read("current")) == NUM_BYTES
