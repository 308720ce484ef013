import errno
import os
import shutil
import socket
from types import SimpleNamespace

import pytest
from export_kit import NUM, contents

from wunderkammer.export import write
from wunderkammer.export.collection import ExportError, ahead
from wunderkammer.export.write import write_export
from wunderkammer.shards.read import ShardError, shard_keys


@pytest.fixture
def target(tmp_path):
    return tmp_path / "exports" / "moths"


def write_to(target, collection, *, kind="webdataset", replace=False):
    write_export(collection, kind=kind, target=target, replace=replace)


def neighbours(target):
    return [path.name for path in target.parent.iterdir()]


def test_what_is_there_is_refused_unless_it_is_an_earlier_export(chosen, target):
    collection = chosen()
    write_to(target, collection)
    before = contents(target)
    with pytest.raises(ExportError, match=r"moths is there already; name another place .* --force"):
        write_to(target, collection, kind="hdf5")
    assert contents(target) == before
    write_to(target, collection, kind="hdf5", replace=True)
    assert (target / "moth.h5").is_file()
    assert not list(target.glob("*.tar"))
    assert neighbours(target) == ["moths"]


def test_no_force_removes_what_is_no_export(chosen, target):
    target.mkdir(parents=True)
    (target / "thesis.tex").write_text("years")
    with pytest.raises(ExportError, match=r"is no earlier export \(it has no export.json\)"):
        write_to(target, chosen(), replace=True)
    assert (target / "thesis.tex").read_text() == "years"


def test_an_export_to_a_link_is_refused(chosen, target, tmp_path):
    write_to(tmp_path / "real", chosen())
    target.parent.mkdir()
    target.symlink_to(tmp_path / "real")
    with pytest.raises(ExportError, match="is no earlier export"):
        write_to(target, chosen(), replace=True)
    assert (tmp_path / "real" / "export.json").is_file()


def test_nothing_is_left_of_an_export_that_fails(chosen, museum, target):
    collection = chosen()
    path = museum.store.path(collection.shards.keys[-1])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ShardError, match="is damaged"):
        write_to(target, collection)
    assert neighbours(target) == []


def test_an_earlier_export_stays_while_its_successor_fails(chosen, museum, target):
    collection = chosen()
    write_to(target, collection)
    before = contents(target)
    museum.store.delete(collection.shards.keys[0])
    with pytest.raises(ShardError, match="is missing"):
        write_to(target, collection, replace=True)
    assert contents(target) == before
    assert neighbours(target) == ["moths"]


def test_what_a_killed_export_left_is_removed_and_what_a_running_one_writes_is_not(chosen, target):
    host = socket.gethostname()
    gone, reborn, alive, foreign = (
        target.parent / f".moths.{host}-{2**22 + 1}.old",
        target.parent / f".moths.{host}-{os.getpid()}.part",
        target.parent / f".moths.{host}-{os.getppid()}.part",
        target.parent / ".moths.elsewhere-1.part",
    )
    for left in (gone, reborn, alive, foreign):
        left.mkdir(parents=True)
        (left / "half.tar").write_bytes(b"ha")
    write_to(target, chosen())
    assert sorted(neighbours(target)) == sorted(["moths", alive.name, foreign.name])


def test_an_export_that_another_one_overtakes_replaces_nothing(chosen, target, monkeypatch):
    def overtaken(collection, pictures, *, folder):
        target.mkdir()
        (target / "theirs").write_text("whole")

    monkeypatch.setitem(write.WRITERS, "webdataset", overtaken)
    with pytest.raises(ExportError, match="moths can't be written: Directory not empty"):
        write_to(target, chosen())
    assert (target / "theirs").read_text() == "whole"
    assert neighbours(target) == ["moths"]


@pytest.mark.parametrize(
    ("kind", "needed"), [("nvlabs-zip", NUM * 768), ("hdf5", NUM * 1024), ("tfrecords", NUM * 1024)]
)
def test_a_disk_that_is_too_full_is_told_before_anything_is_written(
    chosen, target, monkeypatch, kind, needed
):
    free = SimpleNamespace(free=needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(ExportError, match=r"no room for .*moths \(.* GB needed.*--resolution"):
        write_to(target, chosen(), kind=kind)
    assert neighbours(target) == []
    free.free = needed
    write_to(target, chosen(), kind=kind)


@pytest.mark.parametrize("kind", ["webdataset", "imagefolder"])
def test_files_need_about_their_share_of_the_shards(chosen, museum, target, monkeypatch, kind):
    collection = chosen(side="train", held_out=0.4, resolution_px=8)
    num_bytes = sum(museum.store.size(key) for key in shard_keys(collection.record))
    needed = num_bytes / 4 * collection.num_images / NUM
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(ExportError, match="no room"):
        write_to(target, collection, kind=kind)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (errno.ENOSPC, r"no room for .*No space left on device.*another disk"),
        (errno.EACCES, r"moths can't be written: Permission denied; name a place"),
    ],
)
def test_errors_of_the_disk_come_with_a_remedy_and_leave_nothing(
    chosen, target, monkeypatch, code, complaint
):
    def failing(collection, pictures, *, folder):
        (folder / "half").write_bytes(b"ha")
        raise OSError(code, os.strerror(code))

    monkeypatch.setitem(write.WRITERS, "webdataset", failing)
    with pytest.raises(ExportError, match=complaint):
        write_to(target, chosen())
    assert neighbours(target) == []


def test_no_more_than_a_few_pictures_are_read_ahead(monkeypatch):
    monkeypatch.setattr("wunderkammer.export.collection.num_cpus", lambda: 64)
    num_read = 0

    def endless():
        nonlocal num_read
        while True:
            num_read += 1
            yield num_read

    made = ahead(lambda number: number * 10, endless())
    for k in range(1, 200):
        assert next(made) == (k, k * 10)
        assert num_read <= k + 17
    made.close()
