import json
from collections import Counter
from pathlib import PurePosixPath

import pytest
from label_kit import (
    ALL,
    BOXES,
    HEIGHT,
    WIDTH,
    WRITERS,
    coco,
    coco_value,
    via_csv,
    via_regions,
    voc,
    vott_asset,
    vott_csv,
    written,
    yolo,
)

from wunderkammer.labels.formats.files import parse_xml
from wunderkammer.labels.read import detect_format, read_labels
from wunderkammer.labels.table import LabelsError

CASES = [(name, writer) for name, writers in WRITERS.items() for writer in writers]


def boxes_by_name(found, *, stems=False):
    """The boxes in px by picture, sorted; YOLO's have only a stem for a name, and shares."""
    scale = (WIDTH, HEIGHT) if found.is_relative else (1, 1)
    return {
        image.name if not stems else PurePosixPath(image.name).stem: sorted(
            (*(round(e * scale[n % 2], 6) for n, e in enumerate(edges(box))), box.name)
            for box in image.boxes
        )
        for image in found.images
        if image.boxes
    }


def edges(box):
    return box.x0, box.y0, box.x1, box.y1


def reasons(found):
    return Counter(item.reason for item in found.refused)


@pytest.mark.parametrize(("name", "writer"), CASES)
def test_every_program_gives_the_same_boxes_and_is_recognised(name, writer, tmp_path):
    path = writer(tmp_path / "labels")
    assert detect_format(path) == name
    assert detect_format(tmp_path / "labels") == name
    expected = {PurePosixPath(key).stem if name == "yolo" else key: v for key, v in ALL.items()}
    for asked in ("auto", name):
        found = read_labels(path, format=asked)
        assert boxes_by_name(found) == expected
        assert found.refused == []


def test_labels_of_two_programs_in_one_folder_have_to_be_told_apart(tmp_path):
    voc(tmp_path)
    vott_csv(tmp_path)
    with pytest.raises(LabelsError, match=r"labels of voc, vott; set labels.format to one of"):
        read_labels(tmp_path, format="auto")
    assert boxes_by_name(read_labels(tmp_path, format="vott")) == ALL


def test_a_folder_without_labels_and_one_that_is_not_there_are_refused(tmp_path):
    written(tmp_path / "notes.txt", "buy milk")
    with pytest.raises(LabelsError, match="holds no labels that are known"):
        read_labels(tmp_path, format="auto")
    with pytest.raises(LabelsError, match="of the format 'voc'"):
        read_labels(tmp_path, format="voc")
    with pytest.raises(FileNotFoundError, match=r"labels.path: there is no"):
        read_labels(tmp_path / "none", format="auto")


def test_the_size_of_a_picture_is_taken_from_where_it_is_told(tmp_path):
    for writer in (voc, coco):
        images = read_labels(writer(tmp_path / writer.__name__), format="auto").images
        assert {image.size for image in images} == {(WIDTH, HEIGHT)}
    assert {i.size for i in read_labels(vott_csv(tmp_path), format="vott").images} == {None}


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY l2 "&lol;&lol;">]>
<annotation><filename>&l2;</filename></annotation>"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "declares a document type"),
        ("<annotation>" * 40, "deeper than 32"),
        ("<annotation><object>", "not well-formed"),
        ("plain text", "not well-formed"),
        ("", "not well-formed"),
    ],
)
def test_hostile_and_broken_xml_costs_its_file_only(text, words, tmp_path):
    voc(tmp_path)
    written(tmp_path / "bad.xml", text)
    with pytest.raises(ValueError, match=words):
        parse_xml(text.encode())
    found = read_labels(tmp_path, format="voc")
    assert boxes_by_name(found) == ALL
    assert reasons(found) == {"bad_record": 1}
    assert words in found.refused[0].detail


def test_a_huge_xml_file_is_not_parsed():
    with pytest.raises(ValueError, match="5000000 bytes of XML; the limit is"):
        parse_xml(b" " * 5_000_000)


def test_odd_objects_of_voc_are_counted_by_reason(tmp_path):
    box = "<bndbox><xmin>{}</xmin><ymin>3</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    objects = [box.format(n) for n in ("x", "nan", "12", "1e9", "4.5")] + ["<pose>left</pose>"]
    text = "".join(f"<object><name>cat</name>{part}</object>" for part in objects)
    written(tmp_path / "p.xml", f"<annotation><filename>p.jpg</filename>{text}</annotation>")
    found = read_labels(tmp_path, format="auto")
    # Text, no finite number, far away, no box at all; then one that ends before it begins.
    assert reasons(found) == {"bad_record": 4, "empty_box": 1}
    assert boxes_by_name(found) == {"p.jpg": [(3.5, 2, 9, 9, "cat")]}
    assert found.refused[0].where == "p.xml, object 1"


def test_a_picture_that_is_listed_without_boxes_is_kept_for_a_background(tmp_path):
    voc(tmp_path)
    written(tmp_path / "empty.xml", "<annotation><filename>empty.jpg</filename></annotation>")
    images = {image.name: image.boxes for image in read_labels(tmp_path, format="voc").images}
    assert images["empty.jpg"] == ()


def test_lines_of_yolo_may_be_polygons_but_never_predictions(tmp_path):
    yolo(tmp_path)
    lines = [
        "1 0.1 0.1 0.5 0.2 0.3 0.9",  # a triangle
        "1 0.5 0.5 0.2 0.2 0.93",  # a model's confidence stands behind it
        "9 0.5 0.5 0.2 0.2",  # no such class
        "1 0.5 0.5 0.2",
        "one 0.5 0.5 0.2 0.2",
        "1 0.5 0.5 0 0.2",
        "",
    ]
    written(tmp_path / "more.txt", "\n".join(lines))
    found = read_labels(tmp_path, format="auto")
    assert reasons(found) == {"bad_record": 3, "predicted": 1, "empty_box": 1}
    assert boxes_by_name(found)["more"] == [(8, 6, 40, 54, "cat")]


def test_names_of_yolo_come_from_a_data_file_or_are_numbers(tmp_path):
    text = "1 0.5 0.5 0.5 0.5"
    written(tmp_path / "labels" / "train" / "p.txt", text)
    folder = tmp_path / "labels"
    assert boxes_by_name(read_labels(folder, format="auto"))["train/p"][0][-1] == "1"
    for names in ("[dog, cat]", "{0: dog, 1: cat}"):
        written(tmp_path / "data.yaml", f"train: images\nnames: {names}\n")
        assert boxes_by_name(read_labels(folder, format="auto"))["train/p"][0][-1] == "cat"
    written(tmp_path / "data.yaml", "names: cat")
    with pytest.raises(LabelsError, match=r"data\.yaml has no `names`"):
        read_labels(folder, format="yolo")
    written(tmp_path / "data.yaml", "names: !!python/object/apply:os.getcwd []")
    with pytest.raises(LabelsError, match="is not YAML"):
        read_labels(folder, format="yolo")


def test_odd_annotations_of_coco_are_counted_by_reason(tmp_path):
    value = coco_value()
    good = value["annotations"][0]
    value["annotations"] += [
        {**good, "image_id": 99},
        {**good, "category_id": None},
        {**good, "bbox": [1, 2, 3]},
        {**good, "bbox": [1, 2, -3, 4]},
        {**good, "bbox": "everywhere"},
        {**good, "iscrowd": 1},
        "nothing",
    ]
    value["images"].append({"file_name": 5, "id": 5})
    found = read_labels(written(tmp_path / "c.json", json.dumps(value)), format="auto")
    assert boxes_by_name(found) == ALL
    assert reasons(found) == {"bad_record": 5, "empty_box": 1, "crowd": 1}


def test_of_two_coco_files_one_has_to_be_named(tmp_path):
    coco(tmp_path)
    written(tmp_path / "other.json", json.dumps(coco_value()))
    with pytest.raises(LabelsError, match="name the one file"):
        read_labels(tmp_path, format="coco")
    assert boxes_by_name(read_labels(tmp_path / "other.json", format="auto")) == ALL


def test_assets_of_vott_that_nobody_has_opened_are_no_backgrounds(tmp_path):
    assets = {
        "1": vott_asset("opened.png", [], state=1),
        "2": vott_asset("unopened.png", [], state=0),
        "3": {"asset": {"path": "https://somewhere/by%20url.png"}, "regions": "none"},
        "4": vott_asset("two tags.png", BOXES["c.png"]),
    }
    assets["3"]["asset"]["state"] = 2
    assets["4"]["regions"][0]["tags"] = ["cat", "dog"]
    points = [{"x": 3, "y": 8}, {"x": 9, "y": 2}]
    assets["4"]["regions"].append({"type": "POLYGON", "tags": ["cat"], "points": points})
    path = written(tmp_path / "e.json", json.dumps({"assets": assets}))
    found = read_labels(path, format="auto")
    named = {"opened.png", "/by url.png", "two tags.png"}
    assert {image.name for image in found.images} == named
    assert boxes_by_name(found) == {"two tags.png": [(3, 2, 9, 8, "cat")]}
    assert reasons(found) == {"no_class": 1}


def test_odd_lines_of_a_vott_csv_are_named_by_their_numbers(tmp_path):
    path = vott_csv(tmp_path)
    path.write_text(path.read_text() + '"c.png",1,2,wide,4,"cat"\n"",1,2,3,4,"cat"\n"c.png",9\n')
    found = read_labels(path, format="auto")
    assert boxes_by_name(found) == ALL
    assert reasons(found) == {"bad_record": 3}
    assert found.refused[0].where == "export.csv:5"


SHAPES = [
    ({"name": "circle", "cx": 10, "cy": 20, "r": 4}, (6, 16, 14, 24)),
    ({"name": "ellipse", "cx": 10, "cy": 20, "rx": 4, "ry": 2, "theta": 0}, (6, 18, 14, 22)),
    ({"name": "polygon", "all_points_x": [3, 9, 5], "all_points_y": [7, 1, 2]}, (3, 1, 9, 7)),
    ({"name": "point", "cx": 1, "cy": 2}, None),
    ({"name": "ellipse", "cx": 10, "cy": 20, "rx": 4, "ry": 2, "theta": 0.5}, None),
    ({"name": "polygon", "all_points_x": [], "all_points_y": []}, None),
    ("rect", None),
]


@pytest.mark.parametrize(("shape", "expected"), SHAPES)
def test_of_other_shapes_of_via_the_box_about_them_is_taken(shape, expected, tmp_path):
    region = {"shape_attributes": shape, "region_attributes": {"class": "cat"}}
    value = {"p": {"filename": "p.png", "regions": [region]}}
    found = read_labels(written(tmp_path / "v.json", json.dumps(value)), format="auto")
    if expected is None:
        assert reasons(found) == {"bad_record": 1}
    else:
        assert boxes_by_name(found) == {"p.png": [(*expected, "cat")]}


ATTRIBUTES = [
    ({"animal": "cat"}, "cat"),
    ({"class": "cat", "age": "old"}, "cat"),
    ({"kind": {"cat": True, "dog": False}}, "cat"),
    ({}, ""),
    (None, ""),
    ({"animal": "cat", "mood": "bad"}, None),
    ({"kind": {"cat": True, "dog": True}}, None),
    ({"animal": 5}, None),
]


@pytest.mark.parametrize(("attributes", "expected"), ATTRIBUTES)
def test_the_class_of_a_via_region_is_its_only_attribute_or_the_one_called_so(
    attributes, expected, tmp_path
):
    region = {**via_regions(BOXES["c.png"])[0], "region_attributes": attributes}
    value = {"p": {"filename": "p.png", "regions": [region]}}
    found = read_labels(written(tmp_path / "v.json", json.dumps(value)), format="auto")
    if expected is None:
        assert reasons(found) == {"no_class": 1}
    else:
        assert boxes_by_name(found)["p.png"][0][-1] == expected


def test_attributes_of_a_via_csv_that_are_no_json_cost_their_line(tmp_path):
    path = via_csv(tmp_path)
    path.write_text(path.read_text() + "c.png,1,{},1,0,{oops,{}\n")
    found = read_labels(path, format="auto")
    assert boxes_by_name(found) == ALL
    assert reasons(found) == {"bad_record": 1}


@pytest.mark.parametrize("name", ["v.json", "v.csv", "classes.txt"])
def test_bytes_that_are_no_text_are_no_labels(name, tmp_path):
    (tmp_path / name).write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(LabelsError):
        read_labels(tmp_path, format="auto")


def test_a_json_file_nested_without_end_is_no_labels(tmp_path):
    written(tmp_path / "v.json", "[" * 100_000)
    with pytest.raises(LabelsError, match="no labels that are known"):
        read_labels(tmp_path, format="auto")


def test_the_cats_of_vott_have_all_their_boxes(real_data):
    found = read_labels(real_data("pets") / "cats_boxes", format="auto")
    assert len(found.images) == 100
    assert sum(len(image.boxes) for image in found.images) == 124
    assert {box.name for image in found.images for box in image.boxes} == {"Cat_Face"}
    assert found.refused == []
