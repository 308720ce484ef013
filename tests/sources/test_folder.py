import errno
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.sources.folder import Folder
from wunderkammer.sources.item import RefusedItem, SourceError, UnreadableItemError, printable
from wunderkammer.sources.params import FolderParams


def listing(root: Path, **settings: object) -> list:
    params = FolderParams.model_validate({"kind": "folder", "path": str(root), **settings})
    return Folder(params, root=root).items()


def write(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())


def refused(items: list) -> dict[str, str]:
    return {item.id: item.reason for item in items if isinstance(item, RefusedItem)}


def taken(items: list) -> list[str]:
    return [item.id for item in items if not isinstance(item, RefusedItem)]


def test_files_are_listed_in_one_order_however_the_disk_gives_them(tmp_path):
    write(tmp_path, "b/2.jpg", "c.jpg", "a.jpg", "b/1.jpg", "b/deep/er/3.jpg", "a/9.jpg")
    expected = ["a.jpg", "c.jpg", "a/9.jpg", "b/1.jpg", "b/2.jpg", "b/deep/er/3.jpg"]
    assert [item.id for item in listing(tmp_path)] == expected


def test_an_item_survives_pickling_and_reads_its_file(tmp_path):
    write(tmp_path, "a.jpg")
    (item,) = pickle.loads(pickle.dumps(listing(tmp_path)))
    assert item.read() == b"a.jpg"


def test_links_are_refused_and_loops_end(tmp_path):
    write(tmp_path / "in", "a.jpg", "sub/b.jpg")
    write(tmp_path / "out", "secret.jpg")
    (tmp_path / "in/file.jpg").symlink_to(tmp_path / "out/secret.jpg")
    (tmp_path / "in/folder").symlink_to(tmp_path / "out")
    (tmp_path / "in/sub/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/broken.jpg").symlink_to(tmp_path / "nowhere")
    items = listing(tmp_path / "in")
    assert taken(items) == ["a.jpg", "sub/b.jpg"]
    assert refused(items) == dict.fromkeys(["file.jpg", "folder", "broken.jpg", "sub/loop"], "link")


def test_a_link_put_in_a_files_place_after_listing_is_not_followed(tmp_path):
    write(tmp_path, "a.jpg", "secret")
    (item, _) = listing(tmp_path)
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(UnreadableItemError) as error:
        item.read()
    assert error.value.reason == "link"


def test_a_fifo_is_refused_and_one_put_in_a_files_place_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    write(tmp_path, "a.jpg")
    items = listing(tmp_path)
    assert refused(items) == {"pipe.jpg": "not_a_regular_file"}
    (tmp_path / "a.jpg").unlink()
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(UnreadableItemError) as error:
        items[0].read()
    assert error.value.reason == "not_a_regular_file"


def test_hidden_empty_and_too_large_files_are_refused_by_reason(tmp_path):
    write(tmp_path, ".DS_Store", ".git/objects/1.jpg", "a.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "large.jpg").write_bytes(bytes(1001))
    items = listing(tmp_path, max_file_mb=0.001)
    assert taken(items) == ["a.jpg"]
    assert refused(items) == {
        ".DS_Store": "hidden",
        ".git": "hidden",
        "empty.jpg": "empty",
        "large.jpg": "too_large",
    }


def test_a_file_that_grows_after_listing_is_not_read_beyond_the_cap(tmp_path):
    write(tmp_path, "a.jpg")
    (item,) = listing(tmp_path, max_file_mb=0.001)
    (tmp_path / "a.jpg").write_bytes(bytes(5000))
    with pytest.raises(UnreadableItemError) as error:
        item.read()
    assert error.value.reason == "too_large"


def test_a_missing_file_is_unreadable(tmp_path):
    write(tmp_path, "a.jpg")
    (item,) = listing(tmp_path)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(UnreadableItemError) as error:
        item.read()
    assert error.value.reason == "unreadable"


@pytest.mark.parametrize("fault", [errno.EACCES, errno.ENAMETOOLONG])
def test_a_subfolder_that_may_not_be_listed_is_refused(tmp_path, monkeypatch, fault):
    write(tmp_path, "a.jpg", "locked/b.jpg")
    refuse_scandir(monkeypatch, fault)
    items = listing(tmp_path)
    assert refused(items) == {"locked": "unreadable"}
    assert taken(items) == ["a.jpg"]


def test_a_failing_disk_ends_the_run_instead_of_hiding_files(tmp_path, monkeypatch):
    write(tmp_path, "a.jpg", "locked/b.jpg")
    refuse_scandir(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="locked"):
        listing(tmp_path)


def refuse_scandir(monkeypatch, fault: int) -> None:
    scandir = os.scandir

    def failing(path):
        if str(path).endswith("locked"):
            raise OSError(fault, os.strerror(fault), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)


def test_odd_names_become_ids_that_any_file_can_hold(tmp_path):
    names = ["new\nline.jpg", os.fsdecode(b"caf\xe9.jpg"), "back\\slash.jpg", "日本.jpg", "a b.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode(errors="surrogateescape"))
    items = {item.id: item.read() for item in listing(tmp_path)}
    assert items == {
        "new\\u000aline.jpg": b"new\nline.jpg",
        "caf\\xe9.jpg": b"caf\xe9.jpg",
        "back\\\\slash.jpg": b"back\\slash.jpg",
        "日本.jpg": "日本.jpg".encode(),
        "a b.jpg": b"a b.jpg",
    }


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_two_names_never_share_an_id(one, other):
    names = os.fsdecode(one), os.fsdecode(other)
    ids = printable(names[0]), printable(names[1])
    assert (ids[0] == ids[1]) == (names[0] == names[1])
    assert ids[0].isprintable()
    ids[0].encode()


def test_the_key_changes_with_the_content_even_if_size_and_date_are_put_back(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    os.utime(file, ns=(1, 1))
    (before,) = listing(tmp_path)
    assert listing(tmp_path)[0].key == before.key
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    (after,) = listing(tmp_path)
    assert after.key != before.key
    assert after.id == before.id


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (["**"], ["A.JPG", "a.jpg", "b.png", "x/c.jpg", "x/y/d.jpg"]),
        (["*.jpg"], ["a.jpg"]),
        (["**/*.jpg"], ["a.jpg", "x/c.jpg", "x/y/d.jpg"]),
        (["**/*.[jJ][pP][gG]"], ["A.JPG", "a.jpg", "x/c.jpg", "x/y/d.jpg"]),
        (["x/**"], ["x/c.jpg", "x/y/d.jpg"]),
        (["x/*"], ["x/c.jpg"]),
        (["x/**/?.jpg"], ["x/c.jpg", "x/y/d.jpg"]),
        (["[!a]*"], ["A.JPG", "b.png"]),
        (["*.png", "x/y/*"], ["b.png", "x/y/d.jpg"]),
    ],
)
def test_include_patterns_choose_files(tmp_path, include, expected):
    write(tmp_path, "a.jpg", "A.JPG", "b.png", "x/c.jpg", "x/y/d.jpg")
    assert taken(listing(tmp_path, include=tuple(include))) == expected


def test_the_first_folder_is_the_label_if_asked_for(tmp_path):
    write(tmp_path, "loose.jpg", "tabby/1.jpg", "tabby/kitten/2.jpg")
    labels = {item.id: item.label for item in listing(tmp_path, label_from_folder=True)}
    assert labels == {"loose.jpg": None, "tabby/1.jpg": "tabby", "tabby/kitten/2.jpg": "tabby"}
    assert {item.label for item in listing(tmp_path)} == {None}


def test_a_folder_that_is_missing_or_empty_is_an_error_that_names_it(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere.* does not exist.*mount"):
        listing(tmp_path / "nowhere")
    (tmp_path / "mountpoint/lost").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"mountpoint.* holds no file.*untouched"):
        listing(tmp_path / "mountpoint")
    write(tmp_path, "file")
    with pytest.raises(SourceError, match="is not a folder"):
        listing(tmp_path / "file")


def test_a_very_deep_path_is_listed(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("a.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    (item,) = listing(tmp_path)
    assert item.id == "d/" * 60 + "a.jpg"
