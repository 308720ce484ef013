"""A detector small enough to be trained in seconds, and pictures with squares to train it on."""

import io

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image

from wunderkammer.detect.architecture import checked_architecture
from wunderkammer.detect.training.dataset import DATASET, load_examples
from wunderkammer.detect.training.params import YoloTrainingParams
from wunderkammer.detect.training.yolo import Work
from wunderkammer.storage.blobs import Blobs

SIDE = 64
TINY = {
    "nc": 1,
    "backbone": [
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
        [-1, 1, "Conv", [48, 3, 2]],
        [-1, 1, "C2f", [48, True]],
        [-1, 1, "Conv", [48, 3, 2]],
    ],
    "head": [[[4, 5], 1, "Detect", ["nc"]]],
}
# As yolo26 has them: two heads whose losses shift from epoch to epoch, and no bins.
TWO_HEADS = {**TINY, "end2end": True, "reg_max": 1}


def square(seed):
    """A PNG with a bright square on a dim ground, and its box."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 110, (8, 8, 3), dtype=np.uint8)
    ground = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    picture = np.array(ground)
    side = int(rng.integers(18, 36))
    x, y = (int(v) for v in rng.integers(0, SIDE - side, 2))
    picture[y : y + side, x : x + side] = rng.integers(200, 256, 3)
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue(), (x, y, x + side, y + side)


def squares(store, seeds, *, is_held_out=False):
    """Rows of `DATASET`."""
    rows = []
    for seed in seeds:
        content, box = square(seed)
        sha256 = Blobs(store).put(content)
        rows.append(
            {
                "sha256": sha256,
                "picture_sha256": sha256,
                "name": f"{seed}.png",
                "group": sha256,
                "is_held_out": is_held_out,
                "width": SIDE,
                "height": SIDE,
                "boxes": [list(box)],
                "classes": [0],
                "reviewers": [None],
            }
        )
    return pa.Table.from_pylist(rows, DATASET)


def work(store, folder, *, architecture=TINY, num=16, should_stop=lambda: False, **settings):
    """A training on `num` squares; 8 others are held out."""
    defaults = {"epochs": 3, "batch_size": 8, "image_size_px": SIDE, "patience": 0}
    epochs = []
    return Work(
        folder=folder,
        architecture=checked_architecture(architecture),
        class_names=("square",),
        start=settings.pop("start", None),
        examples=load_examples(squares(store, range(num)), store, folder),
        held_out=load_examples(squares(store, range(1000, 1008)), store, folder),
        params=YoloTrainingParams(kind="yolo", **{**defaults, **settings}),
        device="cpu",
        num_workers=0,
        on_epoch=epochs.append,
        should_stop=should_stop,
    ), epochs


def stops_after(num_batches):
    """A `should_stop` that lets that many batches pass."""
    left = [num_batches]

    def should_stop():
        left[0] -= 1
        return left[0] < 0

    return should_stop


def write_recipe(folder, **detector):
    """A subject file with a folder of squares, labelled in VoTT's CSV."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    lines = ["image,xmin,ymin,xmax,ymax,label"]
    for seed in range(40):
        content, box = square(seed)
        (pictures / f"{seed}.png").write_bytes(content)
        lines.append(f"{seed}.png,{','.join(map(str, box))},Square")
    (pictures / "vott.csv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "subjects").mkdir(exist_ok=True)
    recipe = {
        "scrape": {"kind": "folder", "path": "../pictures"},
        "detector": {
            "kind": "yolo",
            "architecture": "../tiny.yaml",
            "labels": {"path": "../pictures", "class_map": {"Square": "square"}},
            "epochs": 10,
            "batch_size": 8,
            "image_size_px": SIDE,
            "group_distance": 2,
            **detector,
        },
        "detect": {
            "kind": "yolo",
            "weights": "trained",
            "image_size_px": SIDE,
            "backend": "torch",
        },
        "filter": {"kind": "detected", "size_px": 16, "min_confidence": 0.3},
        "shard": {"resolution_px": 16},
        "train": {"kind": "stylegan2", "network": "tiny", "total_kimg": 0.064, "batch_size": 8},
    }
    file = folder / "subjects" / "square.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file
