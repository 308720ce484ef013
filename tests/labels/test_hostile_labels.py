"""Files of labels that are broken or meant to do harm: refused by name, whatever they hold."""

import json
from collections import Counter

import pytest
from label_kit import coco, coco_value, via_csv, via_regions, voc, vott_asset, vott_csv, written

from wunderkammer.labels.read import read_labels
from wunderkammer.labels.table import LabelsError

HUGE = 10**400
VIA_HEADER = "filename,region_shape_attributes,region_attributes\n"


def coco_with(**changes):
    value = coco_value()
    value["annotations"] = [{**value["annotations"][0], **changes}]
    return value


def via_with(regions):
    return {"p": {"filename": "p.png", "regions": regions}}


def vott_with(**changes):
    asset = vott_asset("p.png", [(HUGE, 1, 2, 3, "cat")])
    return {"assets": {"p": {**asset, **changes}}}


@pytest.mark.parametrize(
    "value",
    [
        coco_with(bbox=[HUGE, 1, 2, 2]),
        {**coco_with(), "categories": [{"id": [1], "name": "cat"}]},
        via_with(via_regions([(HUGE, 1, 2, 3, "cat")])),
        via_with(5),
        via_with("regions"),
        vott_with(),
        vott_with(asset={"path": "http://[bad", "state": 2}),
    ],
)
def test_a_record_that_no_program_writes_is_refused_alone(value, tmp_path):
    path = written(tmp_path / "labels.json", json.dumps(value))
    found = read_labels(path, format="auto")
    assert Counter(item.reason for item in found.refused) == {"bad_record": 1}
    assert [image for image in found.images if image.boxes] == []


def test_attributes_of_via_that_are_nested_too_deep_are_refused_alone(tmp_path):
    path = via_csv(tmp_path)
    path.write_text(VIA_HEADER + 'p.png,"' + "[" * 100_000 + '","{}"\n')
    (refused,) = read_labels(path, format="auto").refused
    assert "nested too deep" in refused.detail


@pytest.mark.parametrize("encoding", ["klingon", "rot13"])
def test_xml_of_no_known_encoding_costs_its_file_only(encoding, tmp_path):
    voc(tmp_path)
    text = f'<?xml version="1.0" encoding="{encoding}"?><annotation/>'
    written(tmp_path / "bad.xml", text)
    found = read_labels(tmp_path, format="voc")
    assert len(found.images) == 2
    assert [item.reason for item in found.refused] == ["bad_record"]


def test_a_field_longer_than_csv_allows_is_named(tmp_path):
    path = written(tmp_path / "via.csv", VIA_HEADER + f'p.png,"{"x" * 200_000}","{{}}"\n')
    with pytest.raises(LabelsError, match=r"via\.csv:\d+ is not CSV: field larger"):
        read_labels(path, format="via")


def test_other_things_beside_the_labels_do_not_matter(tmp_path):
    written(tmp_path / "notes.csv", f'"{"x" * 200_000}"\n')
    for name in ("folder.csv", "folder.json", "folder.xml", "folder.txt", "folder-asset.json"):
        (tmp_path / name).mkdir()
    coco(tmp_path)
    assert len(read_labels(tmp_path, format="auto").images) == 2
    (tmp_path / "instances.json").unlink()
    vott_csv(tmp_path)
    assert len(read_labels(tmp_path, format="auto").images) == 2


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB + "names: [*a8]", "it has an alias"),
        ("[" * 20_000, "is not YAML"),
        ("names: [cat]\nmade: 2001-13-45", "is not YAML"),
        ("names: [cat]\nmade: !!bool x", "is not YAML"),
        ("names: [cat]\nmade: !!timestamp x", "is not YAML"),
        ("names: [cat]\nmade: " + "9" * 5000, "is not YAML"),
        ("names: [[cat]]", "has no `names`"),
        ("names: {0: [cat]}", "has no `names`"),
    ],
)
def test_a_data_file_of_yolo_may_hold_anything(text, words, tmp_path):
    written(tmp_path / "p.txt", "0 0.5 0.5 0.2 0.2")
    written(tmp_path / "data.yaml", text)
    with pytest.raises(LabelsError, match=words):
        read_labels(tmp_path, format="yolo")
