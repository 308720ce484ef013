"""A detector small enough to be trained by a test: squares and discs on a noisy ground."""

import io

import numpy as np
import torch
from PIL import Image

from wunderkammer.detect.detector_file import Detector
from wunderkammer.detect.network import build_network
from wunderkammer.detect.ultralytics_offline import ultralytics_module

NAMES = ("disc", "square")
SIDE_PX = 64

ARCHITECTURE = {
    "nc": len(NAMES),
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "C2f", [16, True]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]],
        [-1, 1, "C2f", [32]],
        [[9, 6], 1, "Detect", ["nc"]],
    ],
}


def scene(rng, *, width=SIDE_PX, height=SIDE_PX, num_objects=1, smallest=4):
    """A picture (HWC), and a row (class, x0, y0, x1, y1 in px) for each object in it."""
    picture = rng.integers(20, 70, (height, width, 3)).astype(np.uint8)
    y, x = np.mgrid[:height, :width] + 0.5
    objects = []
    while len(objects) < num_objects:
        side = int(rng.integers(min(width, height) // smallest, min(width, height) // 2))
        x0, y0 = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        box = (x0, y0, x0 + side, y0 + side)
        if any(_touch(box, other[1:]) for other in objects):
            continue
        kind = int(rng.integers(2))
        inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
        if NAMES[kind] == "disc":
            inside &= (x - x0 - side / 2) ** 2 + (y - y0 - side / 2) ** 2 < side**2 / 4
        picture[inside] = (230, 120, 40) if kind else (90, 200, 240)
        objects.append((kind, *box))
    return picture, objects


def _touch(one, two):
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def untrained(seed=0, architecture=ARCHITECTURE):
    """A detector with seeded random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ultralytics_module("nn.tasks").DetectionModel(dict(architecture), verbose=False)
    return detector_of(network)


def detector_of(network):
    tensors = {name: t.detach().numpy().copy() for name, t in network.state_dict().items()}
    return Detector(ARCHITECTURE | {"nc": network.yaml["nc"]}, NAMES, tensors)


def trained(num_steps=200):
    """A detector that finds the objects of `scene`."""
    utils = ultralytics_module("utils")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(untrained()).train().requires_grad_(True)
        network.args = utils.IterableSimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
        optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=num_steps)
        rng = np.random.default_rng(1)
        for _ in range(num_steps):
            loss, _ = network.loss(_batch(rng, 16))
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            schedule.step()
    return detector_of(network.eval())


def _batch(rng, num_pictures):
    pictures, rows = [], []
    for number in range(num_pictures):
        picture, objects = scene(rng, num_objects=int(rng.integers(1, 3)), smallest=7)
        pictures.append(picture)
        rows += [(number, *one) for one in objects]
    table = torch.tensor(rows, dtype=torch.float32)
    x0, y0, x1, y1 = (table[:, 2:] / SIDE_PX).T
    return {
        "img": torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255,
        "batch_idx": table[:, 0],
        "cls": table[:, 1:2],
        "bboxes": torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], dim=1),
    }


def encoded(picture_HWC, codec="PNG", **options):
    sink = io.BytesIO()
    Image.fromarray(picture_HWC).save(sink, codec, **options)
    return sink.getvalue()
