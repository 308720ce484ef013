"""Pictures with discs and squares at known places, and a detector that has learned them.

There are no weights to download here, and the boxes of an untrained network say nothing.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from wunderkammer.detect.detector_file import Detector
from wunderkammer.detect.network import build_network
from wunderkammer.detect.ultralytics_offline import ultralytics_module

NAMES = ("disc", "square")
COLOURS = ((90, 200, 240), (230, 120, 40))
LEARNING_RATE = 1e-2

Picture = npt.NDArray[np.uint8]
# Class, then x0, y0, x1, y1 in px.
Object = tuple[int, int, int, int, int]
Scene = tuple[Picture, list[Object]]


def noise(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A dark ground on which no pixel knows its neighbours."""
    return rng.integers(20, 70, (height, width, 3)).astype(np.uint8)


def clouds(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A ground whose contrast falls with its frequency, as a photograph's does."""
    total = np.zeros((height, width, 3), np.float32)
    cells, contrast = 2, 1.0
    while cells <= max(height, width):
        coarse = rng.standard_normal((cells, cells, 3)).astype(np.float32)
        total += contrast * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cells, contrast = 2 * cells, contrast / 1.45
    return np.clip(110 + 32 * total, 0, 255).astype(np.uint8)


def scene(
    rng: np.random.Generator,
    *,
    width: int,
    height: int,
    num_objects: int,
    sides_px: tuple[int, int],
    ground: Callable[[np.random.Generator, int, int], Picture] = noise,
) -> Scene:
    """A picture (HWC) and its objects, which do not touch each other."""
    picture = ground(rng, height, width)
    objects: list[Object] = []
    while len(objects) < num_objects:
        side = int(rng.integers(*sides_px))
        x0, y0 = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        found = (int(rng.integers(2)), x0, y0, x0 + side, y0 + side)
        if any(_touch(found, other) for other in objects):
            continue
        part = picture[y0 : y0 + side, x0 : x0 + side]
        y, x = np.mgrid[:side, :side] + 0.5 - side / 2
        inside = (x**2 + y**2 < side**2 / 4) | (NAMES[found[0]] == "square")
        part[inside] = COLOURS[found[0]]
        objects.append(found)
    return picture, objects


def _touch(one: Object, two: Object) -> bool:
    return one[1] < two[3] and two[1] < one[3] and one[2] < two[4] and two[2] < one[4]


def untrained(architecture: Mapping[str, Any], *, seed: int = 0) -> Detector:
    """A detector with seeded random weights; the architecture is of two classes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ultralytics_module("nn.tasks").DetectionModel(dict(architecture), verbose=False)
    return _detector(network, architecture)


def trained(
    architecture: Mapping[str, Any],
    draw: Callable[[np.random.Generator], Scene],
    *,
    num_steps: int,
    batch_size: int,
) -> Detector:
    """A detector that has looked at `num_steps` batches of scenes, with ultralytics' own loss."""
    utils = ultralytics_module("utils")
    rng = np.random.default_rng(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(untrained(architecture)).train().requires_grad_(True)
        network.args = utils.IterableSimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE / 2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=num_steps
        )
        for _ in range(num_steps):
            loss, _ = network.loss(_batch([draw(rng) for _ in range(batch_size)]))
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            schedule.step()
    return _detector(network.eval(), architecture)


def _detector(network: Any, architecture: Mapping[str, Any]) -> Detector:
    tensors = {name: t.detach().numpy().copy() for name, t in network.state_dict().items()}
    return Detector(dict(architecture), NAMES, tensors)


def _batch(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    """As the loss takes it: boxes by centre and size, as shares of the picture."""
    rows = [(number, *one) for number, (_, objects) in enumerate(scenes) for one in objects]
    table = torch.tensor(rows, dtype=torch.float32)
    x_NHWC = torch.tensor(np.stack([picture for picture, _ in scenes]))
    height, width = x_NHWC.shape[1:3]
    x0, y0, x1, y1 = (table[:, 2:] / torch.tensor([width, height] * 2)).T
    return {
        "img": x_NHWC.permute(0, 3, 1, 2).float() / 255,
        "batch_idx": table[:, 0],
        "cls": table[:, 1:2],
        "bboxes": torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], dim=1),
    }


def encoded(picture_HWC: Picture, codec: str = "PNG", **options: Any) -> bytes:
    """The picture as a file."""
    sink = io.BytesIO()
    Image.fromarray(picture_HWC).save(sink, codec, **options)
    return sink.getvalue()
