import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from label_kit import (
    ALL,
    BOXES,
    HEIGHT,
    WIDTH,
    picture,
    voc,
    vott_csv,
    write_pictures,
    written,
    yolo,
)
from PIL import Image

from wunderkammer.labels.gather import Scraped, gather_labels
from wunderkammer.labels.params import LabelsParams
from wunderkammer.review.labels import LABELS
from wunderkammer.storage.blobs import Blobs

NOTHING = Scraped({}, {})


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def gather(store, tmp_path, decoded):
    def call(path="labels", *, reviewed=(), scraped=NOTHING, image_size_px=64, **settings):
        params = None if path is None else LabelsParams(path=str(path), **settings)
        return gather_labels(
            store,
            params=params,
            folder=tmp_path,
            reviewed=pa.Table.from_pylist(list(reviewed), LABELS),
            scraped=scraped,
            home="subjects/cat/trained_detector",
            subject="cat",
            image_size_px=image_size_px,
        )

    return call


def boxes(labels):
    names = labels.images["name"].to_pylist()
    found = {name: [] for name in names}
    for row in labels.boxes.to_pylist():
        edges = tuple(round(row[edge], 6) for edge in ("x0", "y0", "x1", "y1"))
        found[names[row["image"]]].append((*edges, row["class_name"]))
    return {name: sorted(own) for name, own in found.items()}


def reasons(labels):
    return sorted(item.reason for item in labels.refused)


def review(content, *rows):
    """A row of the review: boxes with their classes."""
    return {
        "sha256": sha(content),
        "width": WIDTH,
        "height": HEIGHT,
        "boxes": [list(row[:4]) for row in rows],
        "classes": [row[4] for row in rows],
        "reviewers": ["ann"] * len(rows),
    }


def test_labels_and_pictures_come_together_in_px_and_the_pictures_become_blobs(
    gather, store, tmp_path
):
    write_pictures(voc(tmp_path / "labels"))
    labels = gather().labels
    assert boxes(labels) == ALL
    assert labels.class_names == ("cat", "dog")
    for name, row in zip(BOXES, labels.images.sort_by("name").to_pylist(), strict=True):
        content = (tmp_path / "labels" / name).read_bytes()
        assert row["sha256"] == sha(content)
        assert (row["width"], row["height"]) == (WIDTH, HEIGHT)
        assert Blobs(store).get(row["sha256"]) == content


def test_shares_become_px_and_stems_find_their_pictures(gather, tmp_path):
    yolo(tmp_path / "set" / "labels")
    write_pictures(tmp_path / "set" / "images")
    found = gather("set/labels")
    assert boxes(found.labels) == {name[:-4]: rows for name, rows in ALL.items()}
    assert found.num_unlabelled == 0


def test_a_picture_at_another_size_of_the_same_shape_has_its_boxes_scaled(gather, tmp_path):
    voc(tmp_path / "labels")
    (tmp_path / "labels" / "c.png").write_bytes(picture(1, (2 * WIDTH, 2 * HEIGHT)))
    (tmp_path / "labels" / "a b.png").write_bytes(picture(0, (HEIGHT, WIDTH)))
    labels = gather().labels
    assert boxes(labels) == {"c.png": [(4, 8, 120, 88, "cat")]}
    assert reasons(labels) == ["other_size"]
    assert "turned, or another one" in labels.refused[0].detail


def test_an_upright_photograph_is_labelled_upright(gather, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    sink = io.BytesIO()
    Image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8)).save(sink, "JPEG", exif=exif)
    folder = vott_csv(tmp_path / "labels").parent
    (folder / "c.png").write_bytes(sink.getvalue())
    labels = gather().labels
    assert labels.images["width"].to_pylist() == [WIDTH]
    assert labels.images["height"].to_pylist() == [HEIGHT]


def test_boxes_are_cut_at_the_edge_and_refused_beyond_it(gather, tmp_path):
    rows = [f"c.png,{edges},cat" for edges in ("-4,2,20,30", "70,50,90,70", "90,2,120,30")]
    text = "\n".join(["image,xmin,ymin,xmax,ymax,label", *rows])
    written(tmp_path / "labels" / "v.csv", text)
    write_pictures(tmp_path / "labels")
    labels = gather().labels
    assert boxes(labels) == {"c.png": [(0, 2, 20, 30, "cat"), (70, 50, 80, 60, "cat")]}
    assert labels.boxes["overshoot_px"].to_pylist() == [4, 10]
    assert reasons(labels) == ["outside"]


def test_a_picture_whose_boxes_were_all_refused_is_no_background(gather, tmp_path):
    text = "image,xmin,ymin,xmax,ymax,label\nc.png,90,2,120,30,cat\na b.png,1,1,9,9,cat\n"
    written(tmp_path / "labels" / "v.csv", text)
    write_pictures(tmp_path / "labels")
    labels = gather().labels
    assert boxes(labels) == {"a b.png": [(1, 1, 9, 9, "cat")]}


def test_classes_are_renamed_left_out_and_given_by_the_class_map(gather, tmp_path):
    rows = ["c.png,1,1,9,9,cat", "c.png,20,1,29,9,dog", "c.png,40,1,49,9,"]
    text = "\n".join(["image,xmin,ymin,xmax,ymax,label", *rows])
    written(tmp_path / "labels" / "v.csv", text)
    write_pictures(tmp_path / "labels")
    labels = gather().labels
    assert labels.class_names == ("cat", "dog")
    assert reasons(labels) == ["no_class"]
    labels = gather(class_map={"cat": "corgi", "dog": None, "": "cat"}).labels
    assert [row[-1] for row in boxes(labels)["c.png"]] == ["corgi", "cat"]
    assert reasons(labels) == ["left_out"]


def test_pictures_without_boxes_are_backgrounds_unless_told_otherwise(gather, tmp_path):
    folder = voc(tmp_path / "labels")
    write_pictures(folder, (*BOXES, "bare.png"))
    written(folder / "bare.xml", "<annotation><filename>bare.png</filename></annotation>")
    assert boxes(gather().labels)["bare.png"] == []
    found = gather(backgrounds=False)
    assert boxes(found.labels) == ALL
    assert found.num_unlabelled == 1


def test_a_picture_with_an_unreadable_box_and_no_other_is_no_background(gather, tmp_path):
    bad = "1 0.5 0.5 0.2 0.2 0.9"  # a prediction
    for name, line in (("c", bad), ("a b", "")):
        written(tmp_path / "labels" / f"{name}.txt", line)
    written(tmp_path / "labels" / "classes.txt", "dog\ncat")
    write_pictures(tmp_path / "labels")
    labels = gather().labels
    assert boxes(labels) == {"a b": []}
    assert reasons(labels) == ["predicted"]


def test_pictures_that_are_missing_or_broken_are_refused_by_reason(gather, tmp_path):
    folder = voc(tmp_path / "labels")
    (folder / "c.png").write_bytes(picture(1)[:200])
    labels = gather().labels
    assert labels.images.num_rows == 0
    assert reasons(labels) == ["no_image", "truncated"]


def test_a_picture_of_the_scrape_is_found_by_its_id_with_its_group(gather, store, tmp_path):
    voc(tmp_path / "labels")
    content = picture(3)
    sha256 = Blobs(store).put(content)
    labels = gather(scraped=Scraped({"site/c.png": sha256}, {sha256: "album 1"})).labels
    assert labels.images["sha256"].to_pylist() == [sha256]
    assert labels.images["group"].to_pylist() == ["album 1"]


def test_what_a_picture_costs_is_remembered_by_its_hash_and_the_size_asked_for(
    gather, tmp_path, decoded
):
    write_pictures(voc(tmp_path / "labels"))
    gather()
    assert len(decoded) == 2
    gather()
    assert len(decoded) == 2
    labels = gather(image_size_px=32).labels
    assert len(decoded) == 4
    assert labels.images["width"].to_pylist() == [WIDTH, WIDTH]


def test_the_copy_for_the_training_is_upright_and_no_larger_than_asked(gather, store, tmp_path):
    write_pictures(voc(tmp_path / "labels"))
    labels = gather(image_size_px=40).labels
    for name in labels.images["picture_sha256"].to_pylist():
        assert Image.open(io.BytesIO(Blobs(store).get(name))).size == (40, 30)


def test_reviewed_boxes_join_and_replace_those_of_the_same_object(gather, store, tmp_path):
    write_pictures(voc(tmp_path / "labels"))
    content, new = picture(1), picture(9)
    Blobs(store).put(new)
    labels = gather(
        reviewed=[
            # The cat, drawn better, then a dog where no one had seen it.
            review(content, (4, 4, 60, 46, "cat"), (62, 40, 78, 58, "dog")),
            review(new, (1, 2, 30, 40, "cat")),
        ]
    ).labels
    found = boxes(labels)
    assert found["c.png"] == [(4, 4, 60, 46, "cat"), (62, 40, 78, 58, "dog")]
    assert found[sha(new)] == [(1, 2, 30, 40, "cat")]
    assert labels.boxes["reviewer"].null_count == 2


def test_a_reviewed_box_of_another_class_replaces_nothing(gather, tmp_path):
    write_pictures(voc(tmp_path / "labels"))
    labels = gather(reviewed=[review(picture(1), (2, 4, 60, 44, "dog"))]).labels
    assert boxes(labels)["c.png"] == [(2, 4, 60, 44, "cat"), (2, 4, 60, 44, "dog")]


def test_the_review_alone_is_enough(gather, store):
    content = picture(5)
    Blobs(store).put(content)
    labels = gather(None, reviewed=[review(content, (1, 2, 30, 40, "cat"))]).labels
    assert boxes(labels) == {sha(content): [(1, 2, 30, 40, "cat")]}


def test_one_picture_under_two_names_is_one_picture(gather, tmp_path):
    assets = [
        {"image_id": 0, "category_id": 1, "bbox": [1, 1, 5, 5]},
        {"image_id": 1, "category_id": 1, "bbox": [20, 1, 5, 5]},
    ]
    value = {
        "images": [{"id": 0, "file_name": "x.png"}, {"id": 1, "file_name": "y.png"}],
        "annotations": assets,
        "categories": [{"id": 1, "name": "cat"}],
    }
    written(tmp_path / "labels" / "c.json", json.dumps(value))
    for name in ("x.png", "y.png"):
        (tmp_path / "labels" / name).write_bytes(picture(1))
    labels = gather().labels
    assert labels.images.num_rows == 1
    assert labels.boxes["image"].to_pylist() == [0, 0]


def test_a_reviewed_picture_whose_blob_is_gone_costs_itself_for_this_run_only(gather, store):
    content = picture(5)
    row = review(content, (1, 2, 30, 40, "cat"))
    labels = gather(None, reviewed=[row]).labels
    assert labels.images.num_rows == 0
    assert reasons(labels) == ["unreadable"]
    Blobs(store).put(content)
    assert gather(None, reviewed=[row]).labels.images.num_rows == 1
