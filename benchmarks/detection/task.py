"""The detector and the pictures that all contestants get."""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.detection.shapes import NAMES, Scene, clouds, encoded, scene, trained
from wunderkammer.detect.detector_file import Detector, read_detector, write_detector
from wunderkammer.detect.network import build_network
from wunderkammer.detect.ultralytics_offline import ultralytics_module
from wunderkammer.images.decode import probe
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store

# Width and height, in turn; a detector of 640 px sees the objects at 16 to 60 px.
SIZES_PX = ((1350, 1080), (1080, 1350), (1600, 1200))
OBJECTS_PX = (36, 130)
OBJECTS_A_PICTURE = 6
JPEG_QUALITY = 90
MAX_PIXELS = 10**9

TRAIN_SIDE_PX, TRAIN_STEPS, TRAIN_BATCH = 128, 300, 8

WEIGHTS, CHECKPOINT = "weights.safetensors", "weights.pt"
STORE, PICTURES = "store", "pictures"


@dataclass(frozen=True)
class Task:
    """Pictures below `folder`, by hash, with width and height, and the weights beside them."""

    folder: Path
    sizes: dict[str, tuple[int, int]]
    image_size_px: int
    num_threads: int

    def part(self, first: int, last: int) -> "Task":
        """Some of the pictures."""
        some = dict(list(self.sizes.items())[first:last])
        return Task(self.folder, some, self.image_size_px, self.num_threads)

    @property
    def files(self) -> list[Path]:
        """The pictures as files."""
        return [self.folder / PICTURES / f"{sha256}.jpg" for sha256 in self.sizes]


def lay_out(options: argparse.Namespace, folder: Path) -> Task:
    """What the command line asks for, as we take it and as ultralytics takes it.

    Raises:
        SystemExit: there are too few pictures.
    """
    num = options.few + options.many
    pictures = drawn(num) if options.pictures is None else found(options.pictures, num)
    detector = (
        read_detector(options.weights) if options.weights else practised(options.architecture)
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(write_detector(detector))
    (folder / CHECKPOINT).write_bytes(checkpoint(detector))
    return Task(folder, stored(folder, pictures), options.size, options.threads)


def stored(folder: Path, pictures: Sequence[bytes]) -> dict[str, tuple[int, int]]:
    """Width and height of each picture, by the hash by which it lies below the folder now."""
    (folder / PICTURES).mkdir(parents=True)
    sizes = {}
    for picture in pictures:
        sha256 = Blobs(Store(str(folder / STORE))).put(picture)
        (folder / PICTURES / f"{sha256}.jpg").write_bytes(picture)
        facts = probe(picture, max_pixels=MAX_PIXELS)
        sizes[sha256] = (facts.width, facts.height)
    return sizes


def checkpoint(detector: Detector) -> bytes:
    """The detector as ultralytics saves one."""
    network = build_network(detector)
    network.args, network.task = {}, "detect"
    sink = io.BytesIO()
    torch.save({"model": network, "train_args": {}}, sink)
    return sink.getvalue()


def found(folder: Path, num: int) -> list[bytes]:
    """The first JPEG files of a folder."""
    files = sorted(folder.rglob("*.jpg"))[:num]
    if len(files) < num:
        raise SystemExit(f"{folder} has {len(files)} .jpg; {num} are needed: fewer with --many")
    return [file.read_bytes() for file in files]


def drawn(num: int) -> list[bytes]:
    """JPEG files."""
    rng = np.random.default_rng(0)
    files = []
    for number in range(num):
        width, height = SIZES_PX[number % len(SIZES_PX)]
        picture, _ = scene(
            rng,
            width=width,
            height=height,
            num_objects=OBJECTS_A_PICTURE,
            sides_px=OBJECTS_PX,
            ground=clouds,
        )
        files.append(encoded(picture, "JPEG", quality=JPEG_QUALITY))
    return files


def practised(architecture: str) -> Detector:
    """A network of that architecture that knows discs from squares."""
    # Threads that wait for a busy CPU make the short steps of a training long.
    torch.set_num_threads(1)
    yaml = ultralytics_module("nn.tasks").yaml_model_load(f"{architecture}.yaml")

    def draw(rng: np.random.Generator) -> Scene:
        return scene(
            rng,
            width=TRAIN_SIDE_PX,
            height=TRAIN_SIDE_PX,
            num_objects=int(rng.integers(1, 4)),
            sides_px=(TRAIN_SIDE_PX // 10, TRAIN_SIDE_PX // 2),
            ground=clouds,
        )

    settings = {**yaml, "nc": len(NAMES)}
    return trained(settings, draw, num_steps=TRAIN_STEPS, batch_size=TRAIN_BATCH)
