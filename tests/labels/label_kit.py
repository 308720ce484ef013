"""The same boxes as five programs would write them, and pictures to go with them."""

import io
import json

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 80, 60
# Pictures with their boxes in px: x0, y0, x1, y1, class.
BOXES = {
    "a b.png": [(10, 5, 30, 25, "cat"), (40, 20, 70, 50, "dog")],
    "c.png": [(2, 4, 60, 44, "cat")],
}
ALL = {name: sorted(boxes) for name, boxes in BOXES.items()}


def picture(seed, size=(WIDTH, HEIGHT)):
    """A PNG whose perceptual hash is far from those of other seeds."""
    seeds = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(seeds).resize(size, Image.Resampling.BICUBIC).save(sink, "PNG")
    return sink.getvalue()


def write_pictures(folder, names=tuple(BOXES)):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        (folder / name).write_bytes(picture(seed))


def voc(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, boxes in BOXES.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for x0, y0, x1, y1, label in boxes
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
        (folder / name).with_suffix(".xml").write_text(text)
    return folder


def yolo(folder):
    folder.mkdir(parents=True, exist_ok=True)
    names = ["dog", "cat"]
    (folder / "classes.txt").write_text("\n".join(names))
    for name, boxes in BOXES.items():
        lines = [
            f"{names.index(label)} {(x0 + x1) / 2 / WIDTH} {(y0 + y1) / 2 / HEIGHT} "
            f"{(x1 - x0) / WIDTH} {(y1 - y0) / HEIGHT}"
            for x0, y0, x1, y1, label in boxes
        ]
        (folder / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    return folder


def coco_value():
    categories = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]
    numbers = {item["name"]: item["id"] for item in categories}
    images, annotations = [], []
    for number, (name, boxes) in enumerate(BOXES.items()):
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for x0, y0, x1, y1, label in boxes:
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": numbers[label],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": 0,
                }
            )
    return {"images": images, "annotations": annotations, "categories": categories}


def coco(folder):
    return written(folder / "instances.json", json.dumps(coco_value()))


def vott_csv(folder):
    lines = ['"image","xmin","ymin","xmax","ymax","label"']
    for name, boxes in BOXES.items():
        lines += [f'"{name}",{x0}.0,{y0},{x1},{y1},"{label}"' for x0, y0, x1, y1, label in boxes]
    return written(folder / "export.csv", "\n".join(lines) + "\n")


def vott_asset(name, boxes, state=2):
    regions = [
        {
            "type": "RECTANGLE",
            "tags": [label],
            "boundingBox": {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0},
        }
        for x0, y0, x1, y1, label in boxes
    ]
    size = {"width": WIDTH, "height": HEIGHT}
    return {"asset": {"name": name, "size": size, "state": state}, "regions": regions}


def vott_json(folder):
    assets = {f"id{n}": vott_asset(name, boxes) for n, (name, boxes) in enumerate(BOXES.items())}
    return written(folder / "export.json", json.dumps({"name": "cats", "assets": assets}))


def vott_project(folder):
    for number, (name, boxes) in enumerate(BOXES.items()):
        written(folder / f"{number}-asset.json", json.dumps(vott_asset(name, boxes)))
    return folder


def via_regions(boxes):
    return [
        {
            "shape_attributes": {
                "name": "rect",
                "x": x0,
                "y": y0,
                "width": x1 - x0,
                "height": y1 - y0,
            },
            "region_attributes": {"animal": label},
        }
        for x0, y0, x1, y1, label in boxes
    ]


def via_json(folder):
    records = {
        f"{name}123": {"filename": name, "size": 123, "regions": via_regions(boxes)}
        for name, boxes in BOXES.items()
    }
    return written(folder / "via.json", json.dumps(records))


def via_project(folder):
    records = {
        # VIA 1 numbers the regions, and lists pictures that nobody has looked at.
        name: {"filename": name, "size": 1, "regions": dict(enumerate(via_regions(boxes)))}
        for name, boxes in {**BOXES, "unseen.png": []}.items()
    }
    value = {"_via_settings": {}, "_via_img_metadata": records}
    return written(folder / "project.json", json.dumps(value))


def via_csv(folder):
    lines = [
        "#filename,file_size,file_attributes,region_count,region_id,"
        "region_shape_attributes,region_attributes"
    ]
    for name, boxes in BOXES.items():
        for number, region in enumerate(via_regions(boxes)):
            cells = [json.dumps(region[f"{part}_attributes"]) for part in ("shape", "region")]
            quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
            lines.append(f'{name},123,"{{}}",{len(boxes)},{number},{quoted}')
    return written(folder / "via.csv", "\n".join(lines) + "\n")


WRITERS = {
    "voc": [voc],
    "yolo": [yolo],
    "coco": [coco],
    "vott": [vott_csv, vott_json, vott_project],
    "via": [via_json, via_project, via_csv],
}


def written(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file
