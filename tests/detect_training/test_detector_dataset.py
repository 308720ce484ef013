import pyarrow as pa
import pytest
from training_kit import squares

from wunderkammer.detect.training.dataset import dataset_digest, dataset_table, load_examples
from wunderkammer.labels.consistency import find_faults
from wunderkammer.labels.label_set import BOXES, IMAGES, LabelSet
from wunderkammer.labels.params import ConsistencyParams
from wunderkammer.storage.blobs import Blobs

FAR = 0x9E3779B97F4A7C15


def labels(*boxes, num=6, order=None):
    """Rows of boxes: image, x0, y0, x1, y1, class; pictures may come in another order."""
    order = order or list(range(num))
    images = [
        {
            "sha256": f"{n:064x}",
            "name": f"{n}.jpg",
            "width": 100,
            "height": 80,
            "phash": n * FAR % 2**64,
            "picture_sha256": f"{n + 100:064x}",
            "group": None,
        }
        for n in order
    ]
    rows = [
        {
            "image": order.index(box[0]),
            **dict(zip(("x0", "y0", "x1", "y1", "class_name"), box[1:], strict=True)),
            "overshoot_px": 0.0,
            "reviewer": None,
        }
        for box in boxes
    ]
    return LabelSet(pa.Table.from_pylist(images, IMAGES), pa.Table.from_pylist(rows, BOXES), ())


ROWS = [(0, 1, 1, 30, 30, "dog"), (0, 40, 1, 60, 30, "cat"), (3, 5, 5, 50, 50, "cat")]


def table(label_set, **settings):
    faults = find_faults(label_set, ConsistencyParams(), image_size_px=100)
    defaults = {"held_out": 0.3, "group_distance": 4, "seed": 0}
    return dataset_table(label_set, faults, **{**defaults, **settings})


def test_classes_are_numbered_by_name_and_backgrounds_kept():
    label_set = labels(*ROWS)
    rows = table(label_set).to_pylist()
    assert label_set.class_names == ("cat", "dog")
    assert [row["classes"] for row in rows] == [[0, 1], [], [], [0], [], []]
    assert rows[0]["boxes"] == [[40, 1, 60, 30], [1, 1, 30, 30]]


def test_a_duplicate_box_is_learnt_once():
    assert table(labels(*ROWS, ROWS[2])).equals(table(labels(*ROWS)))


def test_neither_the_order_of_pictures_nor_of_boxes_matters():
    mixed = labels(*reversed(ROWS), order=[4, 2, 0, 5, 1, 3])
    assert table(mixed).equals(table(labels(*ROWS)))


def test_the_digest_follows_what_is_learnt_and_nothing_else():
    one = table(labels(*ROWS))
    name = dataset_digest(one, ["cat", "dog"])
    renamed = one.set_column(2, "name", pa.array(["other"] * 6))
    assert dataset_digest(renamed, ["cat", "dog"]) == name
    others = [
        (one, ["cat", "wolf"]),
        (table(labels(*ROWS[:2])), ["cat", "dog"]),
        (table(labels(*ROWS), seed=5), ["cat", "dog"]),
    ]
    assert len({name, *(dataset_digest(*other) for other in others)}) == 4


def test_pictures_of_a_store_on_a_disk_are_read_where_they_are(store, tmp_path):
    rows = squares(store, range(2))
    (one, _) = load_examples(rows, store, tmp_path / "copies")
    assert one.file == store.path(Blobs.key(one.sha256))
    assert not (tmp_path / "copies").exists()
    assert one.boxes_B4.shape == (1, 4)


def test_pictures_of_an_object_store_are_copied_once(store, tmp_path, monkeypatch):
    rows = squares(store, range(2))
    monkeypatch.setattr(type(store), "path", lambda *_: None)
    copies = tmp_path / "copies"
    for _ in range(2):
        examples = load_examples(rows, store, copies)
        assert sorted(copies.iterdir()) == sorted(example.file for example in examples)
        monkeypatch.setattr(Blobs, "get", lambda *_: pytest.fail("asked for again"))
