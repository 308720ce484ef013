import bz2
import gzip
import io
import lzma
import pickle
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from wunderkammer.sources.archive import Archive
from wunderkammer.sources.item import RefusedItem, SourceError, UnreadableItemError
from wunderkammer.sources.params import ArchiveParams
from wunderkammer.storage.store import Store

FILES = {"b.jpg": b"bee", "a/c.jpg": b"sea", "a.jpg": b"hay"}
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def listing(path: Path, **settings: object) -> list:
    params = ArchiveParams.model_validate({"kind": "archive", "path": str(path), **settings})
    store = Store(str(path.parent / "data"))
    return Archive(params, path=path, store=store, ledger="ledger").items()


def zipped(path: Path, members: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: list[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(PACKERS[path.suffix if path.suffix in PACKERS else ""](sink.getvalue()))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def contents(items: list) -> dict[str, bytes]:
    return {item.id: item.read() for item in items if not isinstance(item, RefusedItem)}


def refused(items: list) -> dict[str, str]:
    return {item.id: item.reason for item in items if isinstance(item, RefusedItem)}


def test_the_members_of_a_zip_are_read_in_another_process(tmp_path):
    items = listing(zipped(tmp_path / "a.zip", FILES))
    assert [item.id for item in items] == list(FILES)
    assert contents(pickle.loads(pickle.dumps(items))) == FILES


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_each_method_of_packing_is_read_or_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.jpg", b"hay" * 100)
    items = listing(tmp_path / "a.zip")
    if method == zipfile.ZIP_LZMA:
        assert refused(items) == {"a.jpg": "unsupported_compression"}
    else:
        assert contents(items) == {"a.jpg": b"hay" * 100}


def test_a_zip_behind_other_bytes_is_read(tmp_path):
    path = zipped(tmp_path / "a.zip", FILES)
    path.write_bytes(b"#!/bin/sh self-extracting\n" + path.read_bytes())
    assert contents(listing(path)) == FILES


@pytest.mark.parametrize("suffix", PACKERS)
def test_the_members_of_a_tar_are_read_whatever_its_name(tmp_path, suffix):
    path = tarred(tmp_path / f"a.tar{suffix}", list(FILES.items()))
    path = path.rename(tmp_path / "download")
    items = listing(path)
    assert [item.id for item in items] == list(FILES)
    assert contents(pickle.loads(pickle.dumps(items))) == FILES


def test_an_unchanged_tar_is_not_unpacked_again(tmp_path, monkeypatch):
    path = tarred(tmp_path / "a.tar.gz", list(FILES.items()))
    before = listing(path)
    monkeypatch.setattr(tarfile, "open", lambda *_, **__: pytest.fail("the tar was opened"))
    assert contents(listing(path)) == contents(before) == FILES


def test_a_member_that_a_new_tar_still_has_keeps_its_key(tmp_path):
    before = listing(tarred(tmp_path / "a.tar.gz", list(FILES.items())))
    after = listing(tarred(tmp_path / "a.tar.gz", [*FILES.items(), ("new.jpg", b"new")]))
    assert [item.key for item in after[:3]] == [item.key for item in before]
    assert len(after) == 4


HOSTILE_NAMES = {
    "../up.jpg": "traversal",
    "a/../../up.jpg": "traversal",
    "a\\..\\..\\up.jpg": "traversal",
    "/etc/passwd": "absolute_path",
    "\\\\server\\share.jpg": "absolute_path",
    "C:/windows.jpg": "absolute_path",
    ".hidden.jpg": "hidden",
    "__MACOSX/._a.jpg": "hidden",
}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_hostile_names_are_refused_by_reason(tmp_path, kind):
    members = {**dict.fromkeys(HOSTILE_NAMES, b"evil"), "good.jpg": b"good"}
    pack = zipped if kind == "zip" else lambda path, found: tarred(path, list(found.items()))
    items = listing(pack(tmp_path / "a", members))
    assert list(refused(items).values()) == list(HOSTILE_NAMES.values())
    assert contents(items) == {"good.jpg": b"good"}
    assert {path.name for path in tmp_path.iterdir()} <= {"a", "data"}


def test_the_first_of_two_members_of_one_name_counts(tmp_path):
    members = {zipfile.ZipInfo("a.jpg"): content for content in (b"first", b"second", b"third")}
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(tmp_path / "a.zip", members)
    path = tarred(tmp_path / "a.tar", [("./a.jpg", b"first"), ("a.jpg", b"second")])
    zip_items, tar_items = listing(tmp_path / "a.zip"), listing(path)
    assert contents(zip_items) == contents(tar_items) == {"a.jpg": b"first"}
    assert set(refused(zip_items)) == {"a.jpg\\#2", "a.jpg\\#3"}
    assert refused(tar_items) == {"a.jpg\\#2": "duplicate_name"}


def test_links_and_devices_of_a_zip_are_refused(tmp_path):
    members: dict[str | zipfile.ZipInfo, bytes] = {}
    for name, mode in (("link.jpg", stat.S_IFLNK), ("pipe.jpg", stat.S_IFIFO)):
        info = zipfile.ZipInfo(name)
        info.external_attr = (mode | 0o644) << 16
        members[info] = b"/etc/passwd"
    items = listing(zipped(tmp_path / "a.zip", members))
    assert refused(items) == {"link.jpg": "link", "pipe.jpg": "not_a_regular_file"}


def test_links_and_devices_of_a_tar_are_refused(tmp_path):
    odd = [
        special("soft.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.jpg", tarfile.LNKTYPE, "good.jpg"),
        special("null.jpg", tarfile.CHRTYPE),
        special("pipe.jpg", tarfile.FIFOTYPE),
        special("folder", tarfile.DIRTYPE),
    ]
    items = listing(tarred(tmp_path / "a.tar", [("good.jpg", b"good"), *((o, b"") for o in odd)]))
    assert contents(items) == {"good.jpg": b"good"}
    assert refused(items) == {
        "soft.jpg": "link",
        "hard.jpg": "link",
        "null.jpg": "not_a_regular_file",
        "pipe.jpg": "not_a_regular_file",
    }


def test_encrypted_members_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.jpg": b"hay"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert refused(listing(path)) == {"a.jpg": "encrypted"}


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_bomb_is_refused_by_its_ratio_and_the_rest_is_read(tmp_path, suffix):
    members = {"before.jpg": b"hay", "bomb.jpg": bytes(20_000_000), "after.jpg": b"sea"}
    pack = zipped if suffix == ".zip" else lambda path, found: tarred(path, list(found.items()))
    items = listing(pack(tmp_path / f"a{suffix}", members), max_ratio=50.0)
    assert refused(items) == {"bomb.jpg": "bomb"}
    assert contents(items) == {"before.jpg": b"hay", "after.jpg": b"sea"}


def test_a_member_too_large_is_skipped_and_the_rest_is_read(tmp_path):
    members = {"large.jpg": bytes(3_000_000), "after.jpg": b"sea"}
    paths = zipped(tmp_path / "a.zip", members), tarred(tmp_path / "a.tar", list(members.items()))
    for path in paths:
        items = listing(path, max_file_mb=1.0, max_ratio=10_000.0)
        assert refused(items) == {"large.jpg": "too_large"}
        assert contents(items) == {"after.jpg": b"sea"}


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_nothing_is_unpacked_beyond_the_total(tmp_path, suffix):
    members = {f"{number}.jpg": bytes([number]) * 400_000 for number in range(5)}
    pack = zipped if suffix == ".zip" else lambda path, found: tarred(path, list(found.items()))
    path = pack(tmp_path / f"a{suffix}", members)
    items = listing(path, max_total_gb=0.001, max_ratio=10_000.0)
    assert list(contents(items)) == ["0.jpg", "1.jpg"]
    assert set(refused(items).values()) == {"beyond_total"}


def test_a_zip_header_that_announces_too_little_is_found_out_while_reading(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.jpg": bytes(100_000)})
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 1000)
    path.write_bytes(content)
    (item,) = listing(path)
    with pytest.raises(UnreadableItemError) as error:
        item.read()
    assert error.value.reason == "bomb"


def test_members_that_share_their_data_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.jpg": b"hay" * 50, "b.jpg": b"sea" * 50})
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    # The first member's data now reaches into the second member.
    struct.pack_into("<I", content, first + 20, 500)
    path.write_bytes(content)
    assert second > first
    assert refused(listing(path)) == {"a.jpg": "bomb"}


@pytest.mark.parametrize("claim", [5_000, 0xFFFF_FFFE])
def test_a_last_member_that_claims_more_than_the_file_holds_is_not_read(tmp_path, claim):
    path = zipped(tmp_path / "a.zip", {"a.jpg": b"hay" * 50, "b.jpg": b"sea" * 2000})
    content = bytearray(path.read_bytes())
    last = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", content, last + 20, claim)
    path.write_bytes(content)
    items = listing(path)
    assert contents(items) == {"a.jpg": b"hay" * 50}
    assert list(refused(items)) == ["b.jpg"]


def test_a_small_member_of_which_a_lot_is_packed_is_not_read(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", bytes(1_000_000))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 1000)
    path.write_bytes(content)
    assert refused(listing(path)) == {"a.jpg": "bomb"}


def test_a_damaged_member_spares_the_others(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", b"hay" * 50)
        archive.writestr("b.jpg", b"sea" * 50)
    path = tmp_path / "a.zip"
    path.write_bytes(path.read_bytes().replace(b"hayhay", b"hoyhay", 1))
    damaged, good = listing(path)
    with pytest.raises(UnreadableItemError) as error:
        damaged.read()
    assert error.value.reason == "damaged_member"
    assert good.read() == b"sea" * 50


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_truncated_archive_is_an_error_that_names_it(tmp_path, suffix):
    members = {f"{number}.jpg": bytes(range(256)) * 20 for number in range(9)}
    pack = zipped if suffix == ".zip" else lambda path, found: tarred(path, list(found.items()))
    path = pack(tmp_path / f"cut{suffix}", members)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"cut.*(damaged|truncated).*fetch it again"):
        listing(path)


def test_a_header_without_end_does_not_fill_the_memory(tmp_path):
    info = special("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 30
    block = info.tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "a.tar.gz"
    good = tarred(tmp_path / "good.tar", [("good.jpg", b"good")]).read_bytes()[:1024]
    path.write_bytes(gzip.compress(good + block + bytes(20 << 20)))
    with pytest.raises(SourceError, match="header of more than"):
        listing(path)


def test_a_sparse_member_is_not_expanded(tmp_path):
    info = special("sparse.jpg", tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:398], block[398:410] = b"00000000000\0", b"00000000000\0"
    block[483:495] = b"77777777777\0"
    checksum = 256 + sum(block[:148]) + sum(block[156:])
    block[148:156] = b"%06o\0 " % checksum
    good = tarred(tmp_path / "good.tar", [("good.jpg", b"good")]).read_bytes()
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(block) + good)
    items = listing(path)
    assert refused(items) == {"sparse.jpg": "not_a_regular_file"}
    assert contents(items) == {"good.jpg": b"good"}


def test_what_is_no_archive_is_an_error_that_names_it(tmp_path):
    (tmp_path / "page.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(SourceError, match=r"page.zip.* is no zip and no tar"):
        listing(tmp_path / "page.zip")
    with pytest.raises(SourceError, match=r"nowhere.zip.* is not a file"):
        listing(tmp_path / "nowhere.zip")
    with pytest.raises(SourceError, match=r"empty.zip.* holds no file"):
        listing(zipped(tmp_path / "empty.zip", {}))


def test_the_first_folder_is_the_label_if_asked_for(tmp_path):
    for path in (zipped(tmp_path / "a.zip", FILES), tarred(tmp_path / "a.tar", [*FILES.items()])):
        labels = {item.id: item.label for item in listing(path, label_from_folder=True)}
        assert labels == {"b.jpg": None, "a/c.jpg": "a", "a.jpg": None}


def test_a_changed_member_gets_another_key_and_the_others_keep_theirs(tmp_path):
    info = [zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)) for name in ("a.jpg", "b.jpg")]
    before = listing(zipped(tmp_path / "a.zip", {info[0]: b"hay", info[1]: b"sea"}))
    after = listing(zipped(tmp_path / "a.zip", {info[0]: b"HAY", info[1]: b"sea"}))
    assert before[0].key != after[0].key
    assert before[1].key == after[1].key
