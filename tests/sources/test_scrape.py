import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from scraping import Scraper, picture, stream_here

from wunderkammer.manifests import RAW
from wunderkammer.sources.item import SourceError, UnreadableItemError
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.workers import Casualty


@pytest.fixture
def spoons(tmp_path) -> Path:
    """Six pictures in two folders, and two files that are none."""
    folder = tmp_path / "spoons"
    for number in range(6):
        file = folder / ("tea" if number < 3 else "soup") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(number))
    (folder / "page.jpg").write_text("<html>not found</html>")
    (folder / "cut.png").write_bytes(picture(9, side=64, file_format="BMP")[:1000])
    return folder


def scrape(scraper: Scraper, **settings: object):
    return scraper(kind="folder", path="spoons", **settings)


def test_every_picture_is_kept_as_a_blob_and_every_other_file_rejected(scraper, spoons):
    built = scrape(scraper, label_from_folder=True)
    row = scraper.rows(built)["tea/2.png"]
    assert Blobs(scraper.store).get(row["sha256"]) == picture(2)
    assert (row["format"], row["width"], row["height"]) == ("PNG", 4, 4)
    assert (row["num_bytes"], row["label"]) == (len(picture(2)), "tea")
    assert row["fetched_at"] is not None
    assert scraper.reasons(built) == {"page.jpg": "not_an_image", "cut.png": "truncated"}
    assert len(scraper.kept(built)) == 6
    summary = built.record.summary
    assert (summary.num_in, summary.num_out) == (8, 6)
    assert summary.rejections == {"not_an_image": 1, "truncated": 1}
    assert summary.measures["formats"] == {"PNG": 6}
    assert summary.measures["labels"] == 2


def test_the_manifest_has_the_agreed_columns_and_the_order_of_the_listing(scraper, spoons):
    manifest = Versions(scraper.store).manifest(scrape(scraper).record)
    assert manifest.schema == RAW
    assert manifest["id"].to_pylist() == [
        "cut.png",
        "page.jpg",
        *(f"soup/{number}.png" for number in (3, 4, 5)),
        *(f"tea/{number}.png" for number in (0, 1, 2)),
    ]


def test_only_pictures_become_blobs(scraper, spoons):
    scrape(scraper)
    assert len(list(scraper.store.keys("blobs"))) == 6


def test_the_progress_tells_how_much_is_left(scraper, spoons, monkeypatch, caplog):
    monkeypatch.setattr("wunderkammer.progress.LOG_INTERVAL_S", 0.0)
    with caplog.at_level("INFO", logger="wunderkammer.sources.scrape"):
        scrape(scraper)
    told = [message for message in caplog.messages if message.startswith("pictures: ")]
    assert "8 of 8 (" in told[-1]
    assert told[-1].endswith(" s to go")


def test_nothing_new_reads_nothing_and_gives_the_same_version(scraper, spoons, reads):
    before = scrape(scraper)
    assert len(reads) == 8
    after = scrape(scraper)
    assert len(reads) == 8
    assert after.record.data_version == before.record.data_version
    assert scraper.rows(after) == scraper.rows(before)


def test_one_new_picture_is_the_only_one_read(scraper, spoons, reads):
    before = scrape(scraper)
    (spoons / "tea/new.png").write_bytes(picture(77))
    after = scrape(scraper)
    assert reads[8:] == ["tea/new.png"]
    assert scraper.kept(after) == scraper.kept(before) | {"tea/new.png"}
    assert after.record.data_version != before.record.data_version


def test_a_picture_that_is_gone_stays_as_a_rejected_row_and_a_blob(scraper, spoons, reads):
    before = scrape(scraper)
    (spoons / "tea/1.png").unlink()
    (spoons / "page.jpg").unlink()
    after = scrape(scraper)
    row, old = scraper.rows(after)["tea/1.png"], scraper.rows(before)["tea/1.png"]
    assert (row["decision"], row["reason"]) == ("rejected", "gone_from_source")
    assert {**row, "decision": "kept", "reason": None, "detail": None} == old
    assert Blobs(scraper.store).get(row["sha256"]) == picture(1)
    assert after.record.summary.rejections["gone_from_source"] == 2
    assert after.record.summary.num_in == 6
    assert after.record.data_version != before.record.data_version
    assert scraper.rows(scrape(scraper)) == scraper.rows(after)
    (spoons / "tea/1.png").write_bytes(picture(1))
    back = scrape(scraper)
    assert scraper.rows(back)["tea/1.png"] == old
    assert back.record.data_version == before.record.data_version


def test_the_loss_of_a_rejected_file_changes_no_data(scraper, spoons):
    before = scrape(scraper)
    (spoons / "page.jpg").unlink()
    assert scrape(scraper).record.data_version == before.record.data_version


def test_changed_content_under_the_same_name_is_taken_in(scraper, spoons, reads):
    before = scrape(scraper)
    file = spoons / "tea/1.png"
    status = file.stat()
    new = picture(201)
    assert len(new) == len(picture(1))
    file.write_bytes(new)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = scrape(scraper)
    assert reads[8:] == ["tea/1.png"]
    assert Blobs(scraper.store).get(scraper.rows(after)["tea/1.png"]["sha256"]) == new
    assert after.record.data_version != before.record.data_version


def test_a_touched_file_with_the_same_content_keeps_version_and_time(
    scraper, spoons, reads, monkeypatch
):
    before = scrape(scraper)
    monkeypatch.setattr("wunderkammer.sources.ingest.now", lambda: "2099-01-01T00:00:00+00:00")
    os.utime(spoons / "tea/1.png", ns=(5, 5))
    (spoons / "tea/new.png").write_bytes(picture(5))
    after = scrape(scraper)
    assert reads[8:] == ["tea/1.png", "tea/new.png"]
    rows = scraper.rows(after)
    assert rows["tea/1.png"] == scraper.rows(before)["tea/1.png"]
    assert rows["tea/new.png"]["fetched_at"] == "2099-01-01T00:00:00+00:00"


def test_copies_share_a_blob_and_both_stay(scraper, spoons):
    shutil.copy(spoons / "tea/1.png", spoons / "copy.png")
    rows = scraper.rows(scrape(scraper))
    assert rows["copy.png"]["sha256"] == rows["tea/1.png"]["sha256"]
    assert rows["copy.png"]["decision"] == "kept"


def test_another_scrape_section_forgets_what_the_old_one_listed(scraper, spoons):
    scrape(scraper)
    built = scrape(scraper, include=["tea/*"])
    assert set(scraper.rows(built)) == {"tea/0.png", "tea/1.png", "tea/2.png"}


def test_the_version_does_not_depend_on_times_or_on_rejected_rows(scraper, spoons, monkeypatch):
    before = scrape(scraper)
    monkeypatch.setattr("wunderkammer.sources.ingest.now", lambda: "2099-01-01T00:00:00+00:00")
    elsewhere = Scraper(spoons.parent)
    elsewhere.store = Store(str(spoons.parent / "other"))
    (spoons / "page.jpg").write_text("another page")
    after = scrape(elsewhere)
    assert after.record.data_version == before.record.data_version
    labelled = scrape(elsewhere, label_from_folder=True)
    assert labelled.record.data_version != before.record.data_version


def test_the_cap_counts_kept_pictures_in_the_order_of_the_listing(scraper, spoons, reads):
    built = scrape(scraper, max_images=2)
    assert scraper.kept(built) == {"soup/3.png", "soup/4.png"}
    assert scraper.reasons(built) == {
        "cut.png": "truncated",
        "page.jpg": "not_an_image",
        **dict.fromkeys(["soup/5.png", "tea/0.png", "tea/1.png", "tea/2.png"], "beyond_max_images"),
    }


def test_beyond_the_cap_nothing_is_read(scraper, spoons, reads):
    built = scrape(scraper, max_images=2)
    assert reads == ["cut.png", "page.jpg", "soup/3.png", "soup/4.png"]
    assert scraper.kept(built) == {"soup/3.png", "soup/4.png"}
    assert len(scraper.rows(built)) == 8


def test_limits_reject_by_reason(scraper, spoons):
    (spoons / "wide.png").write_bytes(picture(1, side=40))
    (spoons / "heavy.bmp").write_bytes(picture(1, side=19, file_format="BMP"))
    built = scrape(scraper, max_megapixels=0.001, max_file_mb=0.001)
    reasons = scraper.reasons(built)
    assert reasons["wide.png"] == "too_many_pixels"
    assert reasons["heavy.bmp"] == "too_large"


def test_sheets_show_kept_and_rejected_within_their_size(scraper, spoons):
    built = scrape(scraper)
    for name in ("kept.jpg", "rejected.jpg"):
        content = Versions(scraper.store).read(built.record, name)
        assert len(content) <= 200_000
        with Image.open(io.BytesIO(content)) as sheet:
            assert min(sheet.size) > 100


def test_a_source_with_nothing_to_keep_is_an_error_with_counts(scraper, spoons):
    with pytest.raises(SourceError, match=r"none of 2 items.*1 truncated.*correct scrape.path"):
        scrape(scraper, include=["*.*"])


def test_an_unmounted_disk_leaves_the_version_in_force(scraper, spoons):
    before = scrape(scraper)
    shutil.rmtree(spoons)
    spoons.mkdir()
    with pytest.raises(SourceError, match="mount the disk"):
        scrape(scraper)
    current = Versions(scraper.store).current("spoons", "raw_scrape")
    assert current == before.record


def test_a_file_that_could_not_be_read_is_tried_again(scraper, spoons, monkeypatch):
    read = FileFault.install(monkeypatch, "tea/1.png")
    assert scraper.reasons(scrape(scraper))["tea/1.png"] == "unreadable"
    read.heal()
    assert "tea/1.png" in scraper.kept(scrape(scraper))


class FileFault:
    """A disk on which one file can't be read until it heals."""

    def __init__(self, name: str) -> None:
        self.name: str | None = name

    @classmethod
    def install(cls, monkeypatch, name: str) -> "FileFault":
        from wunderkammer.sources.folder import FileItem

        fault, read = cls(name), FileItem.read

        def failing(item: FileItem) -> bytes:
            if item.id == fault.name:
                raise UnreadableItemError("unreadable", "Input/output error")
            return read(item)

        monkeypatch.setattr(FileItem, "read", failing)
        return fault

    def heal(self) -> None:
        self.name = None


def packed(spoons: Path, kind: str) -> Path:
    path = spoons.parent / f"spoons.{kind}"
    files = sorted(path for path in spoons.rglob("*") if path.is_file())
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(spoons))
    else:
        with tarfile.open(path, "w:gz") as archive:
            for file in files:
                archive.add(file, file.relative_to(spoons))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_gives_what_its_folder_gives(scraper, spoons, kind):
    wanted = scrape(scraper, label_from_folder=True)
    packed(spoons, kind)
    built = scraper(kind="archive", path=f"spoons.{kind}", label_from_folder=True)
    assert built.record.data_version == wanted.record.data_version
    assert scraper.reasons(built) == scraper.reasons(wanted)
    (spoons / "tea/new.png").write_bytes(picture(8))
    (spoons / "tea/0.png").unlink()
    packed(spoons, kind)
    again = scraper(kind="archive", path=f"spoons.{kind}", label_from_folder=True)
    assert scraper.reasons(again)["tea/0.png"] == "gone_from_source"
    assert scraper.kept(again) == scraper.kept(built) - {"tea/0.png"} | {"tea/new.png"}
    unchanged = scraper.rows(built)["tea/1.png"]
    assert scraper.rows(again)["tea/1.png"] == unchanged


def test_the_embedded_source_is_scraped(scraper):
    built = scraper(
        kind="patchwork",
        num_quilts=6,
        side_px=32,
        num_near_duplicates=1,
        num_off_subject=1,
        num_too_small=1,
        num_broken=2,
    )
    assert len(scraper.kept(built)) == 9
    assert sorted(scraper.reasons(built).values()) == ["not_an_image", "truncated"]


def test_an_item_that_kills_its_worker_is_a_rejection_and_is_tried_again(
    scraper, spoons, monkeypatch
):
    def stream_with_crash(fn, batches, *, workers):
        for keyed in (keyed for batch in batches for keyed in batch or ()):
            is_deadly = keyed[1][0].id == "tea/1.png"
            yield [(keyed, Casualty("crashed_worker") if is_deadly else fn(keyed))]

    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_with_crash)
    built = scrape(scraper)
    assert scraper.reasons(built)["tea/1.png"] == "crashed_worker"
    assert len(scraper.kept(built)) == 5
    monkeypatch.setattr("wunderkammer.ledger_map.guarded_stream", stream_here)
    assert len(scraper.kept(scrape(scraper))) == 6


def test_a_picture_that_was_deleted_from_the_store_is_taken_in_again(scraper, spoons):
    first = scrape(scraper)
    lost = scraper.rows(first)["tea/0.png"]["sha256"]
    scraper.store.delete(Blobs.key(lost))
    again = scrape(scraper)
    assert Blobs(scraper.store).get(lost) == picture(0)
    assert again.record.data_version == first.record.data_version


def test_a_picture_that_sorts_earlier_pushes_none_out_that_the_cap_let_in(scraper, spoons):
    before = set(scraper.kept(scrape(scraper, max_images=3)))
    (spoons / "a.png").write_bytes(picture(50))
    built = scrape(scraper, max_images=3)
    assert set(scraper.kept(built)) == before
    assert scraper.reasons(built)["a.png"] == "beyond_max_images"
