import hashlib
from pathlib import Path

import pytest

from wunderkammer.labels.finder import NotFound, PictureFinder, default_folder


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def folder(tmp_path):
    for name in ("a b.jpg", "train/x.jpg", "val/x.jpg", "9k_%20(1).jpg", "train/y.PNG", "z.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"picture")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a b.jpg", "a b.jpg"),
        ("a%20b.jpg", "a b.jpg"),  # as in a URL
        ("9k_%20(1).jpg", "9k_%20(1).jpg"),  # as the file itself is called
        ("C:\\cats\\a b.jpg", "a b.jpg"),  # another machine's folder
        ("/home/someone/images/val/x.jpg", "val/x.jpg"),
        ("train/x", "train/x.jpg"),  # YOLO's text files know no ending
        ("y", "train/y.PNG"),
    ],
)
def test_a_picture_is_found_whatever_the_annotation_adds_to_its_name(folder, name, place):
    assert PictureFinder(folder, {}).find(name) == folder / place


def test_a_name_that_several_files_have_is_not_guessed(folder):
    finder = PictureFinder(folder, {})
    found = finder.find("x.jpg")
    assert isinstance(found, NotFound)
    assert found.reason == "ambiguous_image"
    assert "train/x.jpg, val/x.jpg" in found.detail
    assert finder.find("none.jpg").reason == "no_image"
    assert finder.find("z.txt").reason == "no_image"


def test_what_the_folder_lacks_is_looked_for_in_the_scrape_by_id_or_hash(folder):
    scraped = {"commons/File:Cat.jpg": sha("cat"), "a/1.jpg": sha("1"), "b/1.jpg": sha("2")}
    finder = PictureFinder(folder, scraped)
    assert finder.find("File:Cat.jpg") == sha("cat")
    assert finder.find(f"{sha('1')}.jpg") == sha("1")
    assert finder.find("a/1.jpg") == sha("1")
    assert finder.find("somewhere/1.jpg").reason == "ambiguous_image"


def test_pictures_that_no_label_asks_for_are_counted(folder):
    finder = PictureFinder(folder, {})
    assert finder.num_unnamed == 5
    finder.find("y")
    finder.find("y")
    assert finder.num_unnamed == 4


def test_without_pictures_beside_the_labels_the_folder_above_is_taken(folder):
    labels = folder / "labels"
    labels.mkdir()
    (labels / "x.txt").write_text("0 0.5 0.5 1 1")
    assert default_folder(labels) == folder
    assert default_folder(labels / "x.txt") == folder
    assert default_folder(folder) == folder
    assert default_folder(folder / "train" / "x.jpg") == Path(folder / "train")
