"""Ways to read batches of a shuffled set, each in a process of its own."""

import io
import resource
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from wunderkammer.gan.train import keep_freed_memory
from wunderkammer.gan.training.loader import ShuffledLoader, TrainingImages
from wunderkammer.shards.pictures import Pictures, PicturesInMemory, StreamedPictures, picture_file
from wunderkammer.shards.read import load_images
from wunderkammer.storage.store import Store

MEMORY, STREAM = "ours, in memory", "ours, streamed JPEG"
ZIP, COPY, DECODE = "zip of PNG, DataLoader", "limit: a copy", "limit: decoding alone"
STORE, SHARDS, ZIP_FILE = "store", "shards.txt", "images.zip"


@dataclass(frozen=True)
class Task:
    """Where the pictures are, and how to read them."""

    folder: Path
    num_images: int
    side_px: int
    batch_size: int
    num_threads: int

    @property
    def keys(self) -> list[str]:
        """The shards."""
        return (self.folder / SHARDS).read_text().split()


@dataclass(frozen=True)
class Pace:
    """Pictures a second, by the clock and by the CPU time of all processes."""

    wall: float
    cpu: float


def measure(name: str, task: Task, *, num_images: int) -> Pace:
    """Read `num_images` pictures after as many to warm up as a batch of each worker has."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, name, task, num_images).result()


def _measure(name: str, task: Task, num_images: int) -> Pace:
    torch.set_num_threads(task.num_threads)
    keep_freed_memory()
    num_batches = num_images // task.batch_size
    # Who reads ahead has done so before the clock starts; so it is let run for a while first.
    num_warm = 8
    batches = CONTESTANTS[name](task, num_warm + num_batches)
    for _ in range(num_warm):
        next(batches)
    wall_s, cpu_s = time.perf_counter(), _cpu_s()
    for _ in range(num_batches):
        next(batches)
    wall_s = time.perf_counter() - wall_s
    for _ in batches:  # let worker processes end, so that their time counts
        pass
    cpu_s = _cpu_s() - cpu_s
    num = num_batches * task.batch_size
    return Pace(num / wall_s, num / cpu_s)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


Batches = Iterator[object]


def _ours(pictures: Pictures, task: Task, num_batches: int) -> Batches:
    """Batches as the training has them, before they are made floats on its device."""
    data = TrainingImages(pictures, np.arange(task.num_images))
    loader = ShuffledLoader(data, seed=0, mirror=False, device=torch.device("cpu"))
    for _ in range(num_batches):
        yield loader.bytes(loader.take(task.batch_size), range(task.batch_size))


def _in_memory(task: Task, num_batches: int) -> Batches:
    return _ours(PicturesInMemory(_loaded(task)), task, num_batches)


def _streamed(task: Task, num_batches: int) -> Batches:
    file = picture_file(Store(str(task.folder / STORE)), task.keys, folder=task.folder / "scratch")
    pictures = StreamedPictures(file, side_px=task.side_px, channels=3)
    return _ours(pictures, task, num_batches)


def _copied(task: Task, num_batches: int) -> Batches:
    """What no gather in one thread is faster than: the same bytes from one place to another."""
    images = _loaded(task)
    out = np.empty_like(images[: task.batch_size])
    for number in range(num_batches):
        first = number * task.batch_size % (task.num_images - task.batch_size)
        np.copyto(out, images[first : first + task.batch_size])
        yield out


def _decoded(task: Task, num_batches: int) -> Batches:
    """JPEG to pixels, the same few files from the cache, in one thread."""
    file = picture_file(Store(str(task.folder / STORE)), task.keys, folder=task.folder / "scratch")
    content = file.path.read_bytes()[: file.offsets[task.batch_size]]
    edges = file.offsets[: task.batch_size + 1].tolist()
    files = [content[first:last] for first, last in pairwise(edges)]
    for _ in range(num_batches):
        for one in files:
            simplejpeg.decode_jpeg(one)
        yield None


def _loaded(task: Task) -> np.ndarray:
    store = Store(str(task.folder / STORE))
    return load_images(store, task.keys, resolution_px=task.side_px, channels=3)


class _Zip(Dataset[torch.Tensor]):
    """PNG files of a zip, opened once a process, through Pillow."""

    def __init__(self, path: Path, num_images: int) -> None:
        self._path, self._num = path, num_images
        self._zip: zipfile.ZipFile | None = None

    def __len__(self) -> int:
        return self._num

    def __getitem__(self, index: int) -> torch.Tensor:
        if self._zip is None:
            self._zip = zipfile.ZipFile(self._path)
        with Image.open(io.BytesIO(self._zip.read(f"{index:08d}.png"))) as image:
            return torch.from_numpy(np.array(image).transpose(2, 0, 1))


class _Endless(Sampler[int]):
    def __init__(self, num_images: int, num_drawn: int) -> None:
        self._num, self._drawn = num_images, num_drawn

    def __len__(self) -> int:
        return self._drawn

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng(0)
        for first in range(0, self._drawn, self._num):
            yield from rng.permutation(self._num)[: self._drawn - first].tolist()


def _zipped(task: Task, num_batches: int) -> Batches:
    sampler = _Endless(task.num_images, num_batches * task.batch_size)
    return iter(
        DataLoader(
            _Zip(task.folder / ZIP_FILE, task.num_images),
            sampler=sampler,
            batch_size=task.batch_size,
            num_workers=task.num_threads,
        )
    )


CONTESTANTS: dict[str, Callable[[Task, int], Batches]] = {
    ZIP: _zipped,
    MEMORY: _in_memory,
    COPY: _copied,
    STREAM: _streamed,
    DECODE: _decoded,
}
