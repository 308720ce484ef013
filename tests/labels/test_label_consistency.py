import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_kit import picture
from PIL import Image

from wunderkammer.labels.consistency import InconsistentLabelsError, check_consistency, find_faults
from wunderkammer.labels.gather import Gathered
from wunderkammer.labels.label_set import BOXES, IMAGES, LabelSet
from wunderkammer.labels.params import ConsistencyParams
from wunderkammer.labels.report import consistency_report, report_json, report_markdown
from wunderkammer.labels.sheet import ODD, SOUND, DrawnBox, drawn, label_sheet
from wunderkammer.labels.table import LabelsError, Refused
from wunderkammer.storage.blobs import Blobs

SIDE = 100


def grey(number):
    sink = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (100 + number,) * 3).save(sink, "PNG")
    return sink.getvalue()


def label_set(*rows, num_images=None, refused=(), store=None):
    """Rows: image, x0, y0, x1, y1 and perhaps a class and how far it reached out."""
    boxes = []
    for row in rows:
        image, x0, y0, x1, y1, *rest = row
        name, overshoot = [*rest, *("spider", 0.0)[len(rest) :]]
        edges = {"x0": x0, "y0": y0, "x1": x1, "y1": y1}
        more = {"class_name": name, "overshoot_px": float(overshoot), "reviewer": None}
        boxes.append({"image": image, **edges, **more})
    num = num_images or max((row[0] for row in rows), default=-1) + 1
    images = []
    for number in range(num):
        sha256 = Blobs(store).put(grey(number)) if store else f"{number:064x}"
        facts = {"width": SIDE, "height": SIDE, "phash": number, "picture_sha256": sha256}
        images.append({"sha256": sha256, "name": f"{number}.jpg", "group": None, **facts})
    tables = pa.Table.from_pylist(images, IMAGES), pa.Table.from_pylist(boxes, BOXES)
    return LabelSet(*tables, tuple(refused))


def faults(labels, *, image_size_px=SIDE, **settings):
    found = find_faults(labels, ConsistencyParams(**settings), image_size_px=image_size_px)
    return {name: np.flatnonzero(rows).tolist() for name, rows in found.by_name.items()}


OUTER, INNER = (0, 10, 10, 90, 90), (0, 30, 30, 60, 60)
NONE = {name: [] for name in ("duplicate", "nested", "overlapping", "out_of_frame", "tiny")}


def test_an_inner_and_an_outer_spider_are_found_whichever_was_drawn_first():
    assert faults(label_set(OUTER, INNER)) == {**NONE, "nested": [1]}
    assert faults(label_set(INNER, OUTER)) == {**NONE, "nested": [0]}


def test_boxes_of_two_classes_or_of_two_pictures_do_not_contradict_each_other():
    assert faults(label_set((*OUTER, "web"), INNER)) == NONE
    assert faults(label_set(OUTER, (1, *INNER[1:]))) == NONE
    assert faults(label_set((*OUTER, "web"), OUTER)) == NONE


def test_of_equal_boxes_all_but_the_first_are_duplicates_and_not_nested():
    assert faults(label_set(OUTER, OUTER, OUTER)) == {**NONE, "duplicate": [1, 2]}


def test_two_boxes_that_cover_each_other_by_half_overlap_by_their_iou():
    pair = label_set((0, 0, 0, 60, 40), (0, 20, 0, 80, 40))  # 40 of 80 columns: an IoU of 0.5
    assert faults(pair, overlap_iou=0.5) == {**NONE, "overlapping": [0, 1]}
    assert faults(pair, overlap_iou=0.51) == NONE


def test_out_of_the_frame_by_a_rounding_is_no_fault():
    rows = [(0, 0, 0, 50, 50, "spider", 1.0), (1, 0, 0, 50, 50, "spider", 1.1)]
    assert faults(label_set(*rows))["out_of_frame"] == [1]


def test_tiny_is_measured_as_the_detector_sees_it():
    labels = label_set((0, 0, 0, 7, 50))
    assert faults(labels, min_side_px=4)["tiny"] == []
    assert faults(labels, min_side_px=4, image_size_px=50)["tiny"] == [0]
    assert faults(labels, min_side_px=8, image_size_px=200)["tiny"] == []


def test_no_boxes_have_no_faults():
    assert faults(label_set(num_images=3)) == NONE


sides = st.integers(5, 40)
places = st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 50), sides, sides)


@given(st.lists(places, max_size=12), st.randoms(use_true_random=False))
def test_the_faults_of_a_box_do_not_depend_on_the_order_but_for_who_is_the_duplicate(rows, random):
    rows = [(image, x, y, x + w, y + h) for image, x, y, w, h in rows]
    mixed = random.sample(range(len(rows)), len(rows))
    before = faults(label_set(*rows, num_images=4))
    after = faults(label_set(*(rows[i] for i in mixed), num_images=4))
    for name in ("overlapping", "tiny", "out_of_frame"):
        assert sorted(mixed[i] for i in after[name]) == before[name]
    assert len(after["duplicate"]) == len(before["duplicate"])


@given(st.lists(places, max_size=10))
def test_pairs_are_found_as_by_looking_at_each(rows):
    rows = [(image, x, y, x + w, y + h) for image, x, y, w, h in rows]
    expected = set()
    for i, a in enumerate(rows):
        for j, b in enumerate(rows[:i]):
            w = min(a[3], b[3]) - max(a[1], b[1])
            h = min(a[4], b[4]) - max(a[2], b[2])
            area = [(r[3] - r[1]) * (r[4] - r[2]) for r in (a, b)]
            if a[0] == b[0] and w > 0 and h > 0 and w * h >= 0.9 * min(area):
                if w * h / (sum(area) - w * h) >= 0.95:
                    continue
                expected.add(i if area[0] <= area[1] else j)
    assert set(faults(label_set(*rows, num_images=4))["nested"]) == expected


def check(labels, **settings):
    params = ConsistencyParams(**settings)
    found = find_faults(labels, params, image_size_px=SIDE)
    check_consistency(labels, found, params, subject="spider", report="report.md")


def test_too_many_inconsistent_boxes_are_refused_with_their_number_and_the_limit():
    labels = label_set(OUTER, INNER, *((n, 10, 10, 50, 50) for n in range(1, 9)))
    check(labels, max_inconsistent=0.1)
    words = r"1 of 10 boxes of 'spider' are inconsistent, 10.0%, beyond .*max_inconsistent 9.0%"
    with pytest.raises(InconsistentLabelsError, match=words + r" \(1 nested\).*report\.md"):
        check(labels, max_inconsistent=0.09)


def test_labels_without_a_box_are_refused():
    refused = [Refused("a.jpg", "no_image", "no picture")]
    with pytest.raises(LabelsError, match=r"'spider' has no usable box .*\(1 were refused"):
        check(label_set(num_images=2, refused=refused))


def report(labels):
    params = ConsistencyParams()
    found = find_faults(labels, params, image_size_px=SIDE)
    return consistency_report(Gathered(labels, 3), found, params, subject="spider")


def test_the_report_tells_what_there_is_what_is_odd_and_what_was_refused():
    refused = [Refused("x.xml, object 2", "empty_box", "edges"), Refused("y", "no_image", "no <y>")]
    labels = label_set(OUTER, INNER, (1, 10, 10, 50, 50, "web"), num_images=3, refused=refused)
    found = report(labels)
    assert found["pictures_without_boxes"] == 1
    assert found["pictures_without_labels"] == 3
    assert found["classes"]["spider"] == {"boxes": 2, "pictures": 1, "median_side_share": 0.55}
    assert found["faults"]["nested"] == {"boxes": 1, "pictures": ["0.jpg"]}
    assert found["refused"]["empty_box"]["count"] == 1
    assert json.loads(report_json(found)) == found
    text = report_markdown(found)
    assert "**refused**" in text
    assert "| nested | 1 |" in text
    # Names of files are no markup.
    assert "no &lt;y&gt;" in text


def test_a_report_about_nothing_can_be_written():
    text = report_markdown(report(label_set()))
    assert "0 boxes on 0 pictures" in text
    assert "**refused**" in text


def test_boxes_are_drawn_where_they_are_at_any_scale():
    content = drawn(
        picture(0, (SIDE, SIDE)), [DrawnBox((100, 200, 300, 400), ODD)], width=400, height=400
    )
    shown = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), int)
    red = (shown[:, :, 0] > 180) & (shown[:, :, 1] < 90) & (shown[:, :, 2] < 90)
    rows, columns = np.flatnonzero(red.sum(1) > 20), np.flatnonzero(red.sum(0) > 20)
    scale = shown.shape[0] / 400
    assert abs(rows.min() - 200 * scale) <= 2
    assert abs(columns.max() - 300 * scale) <= 2


def test_the_sheet_shows_odd_boxes_first_and_in_red(store):
    labels = label_set((0, 10, 10, 50, 50), (1, *OUTER[1:]), (1, *INNER[1:]), store=store)
    found = find_faults(labels, ConsistencyParams(), image_size_px=SIDE)
    sheet = label_sheet(labels, found, blobs=Blobs(store))
    shown = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"), int)
    half = shown.shape[1] // 4 + 8
    is_red = (np.abs(shown - ODD).sum(2) < 90) & (shown[:, :, 0] > 150)
    is_green = np.abs(shown - SOUND).sum(2) < 90
    assert is_red[:, :half].sum() > 20
    assert is_red[:, half:].sum() == 0
    assert is_green[:, half : 2 * half].sum() > 20
