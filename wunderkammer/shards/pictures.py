"""The pictures of shards where a training can have them in any order, at once.

A set that fits stays in memory as pixels. A larger one is streamed: its compressed files lie one
behind the other in a file of this machine, and are decoded by a few threads before they are needed.
Both give the same pixels, so where pictures are has no influence on a training.
"""

import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wunderkammer.shards.read import decode_into, stream_contents
from wunderkammer.storage.store import Store
from wunderkammer.workers import num_cpus

PICTURES_FILE, OFFSETS_FILE = "pictures.bin", "offsets.npy"
PART = ".part-"

Images = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

# Batches that are decoded ahead of their use; one that was not used after all goes.
MAX_AHEAD = 4
# Streamed files are decoded in so many parts a thread, so that a slow one does not hold up all.
PARTS_A_THREAD = 2


class Pictures(Protocol):
    """Pictures uint8 [N, C, H, W]; what is read lies in memory as [N, H, W, C]."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, C, H, W."""

    def read(self, indices_N: Indices) -> Images:
        """Those pictures, in that order."""

    def expect(self, indices_N: Indices) -> None:
        """Be told what will be read soon."""


class PicturesInMemory:
    """See `Pictures`; pixels in memory."""

    def __init__(self, images_NCHW: Images) -> None:
        if images_NCHW.ndim != 4 or images_NCHW.dtype != np.uint8 or not len(images_NCHW):
            raise ValueError(
                f"pictures of shape {images_NCHW.shape} and type {images_NCHW.dtype}; "
                f"needed: at least one picture, uint8 [N, C, H, W]"
            )
        self._images_NHWC = np.ascontiguousarray(images_NCHW.transpose(0, 2, 3, 1))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """See `Pictures`."""
        num, height, width, channels = self._images_NHWC.shape
        return num, channels, height, width

    def read(self, indices_N: Indices) -> Images:
        """See `Pictures`."""
        return self._images_NHWC[indices_N].transpose(0, 3, 1, 2)

    def expect(self, indices_N: Indices) -> None:
        """There is nothing to prepare."""


@dataclass(frozen=True)
class PictureFile:
    """Picture files one behind the other: number i is bytes `offsets[i]` to `offsets[i + 1]`."""

    path: Path
    offsets: Indices

    def __len__(self) -> int:
        return len(self.offsets) - 1


def picture_file(store: Store, keys: Sequence[str], *, folder: Path) -> PictureFile:
    """The picture files of shards as one file below `folder`, in their order; made if missing.

    It appears whole or not at all, whoever else makes it at the same time, and takes the place of
    those of other shards. Whoever still reads such a one is not disturbed (Linux keeps it).

    Raises:
        ShardError: a shard or a picture is missing or damaged.
        OSError: there is no room; the message says how much is needed.
    """
    home = folder / sha256("\n".join([store.location, *keys]).encode()).hexdigest()[:32]
    if not home.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(store, keys, folder)
        _make(store, keys, home)
    for other in folder.iterdir():
        if other != home and not other.name.startswith(PART):
            shutil.rmtree(other, ignore_errors=True)
    return PictureFile(home / PICTURES_FILE, np.load(home / OFFSETS_FILE, allow_pickle=False))


def _make(store: Store, keys: Sequence[str], home: Path) -> None:
    part = Path(tempfile.mkdtemp(dir=home.parent, prefix=PART))
    try:
        offsets = [0]
        with (part / PICTURES_FILE).open("wb") as file:
            for content in stream_contents(store, keys):
                file.write(content)
                offsets.append(offsets[-1] + len(content))
        np.save(part / OFFSETS_FILE, np.array(offsets, np.int64), allow_pickle=False)
        with suppress(OSError):  # another process was faster
            part.rename(home)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_room(store: Store, keys: Sequence[str], folder: Path) -> None:
    needed, free = sum(store.size(key) or 0 for key in keys), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{needed / 1e9:.1f} GB of pictures are to be streamed from {folder}, which has "
            f"{free / 1e9:.1f} GB left; make room, or name another place in WUNDERKAMMER_SCRATCH"
        )


class StreamedPictures:
    """See `Pictures`; each is decoded when it is wanted, at best before."""

    def __init__(self, file: PictureFile, *, side_px: int, channels: int) -> None:
        self._file = file
        self._bytes = np.memmap(file.path, np.uint8, "r")
        self._shape = (len(file), channels, side_px, side_px)
        self._num_threads = num_cpus()
        self._pool = ThreadPoolExecutor(self._num_threads, "decode")
        self._ahead: OrderedDict[bytes, _Batch] = OrderedDict()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """See `Pictures`."""
        return self._shape

    def read(self, indices_N: Indices) -> Images:
        """See `Pictures`.

        Raises:
            ShardError: a picture can't be decoded, or has another size.
        """
        batch = self._ahead.pop(indices_N.tobytes(), None) or self._begin(indices_N)
        return batch.wait().transpose(0, 3, 1, 2)

    def expect(self, indices_N: Indices) -> None:
        """Decode these already."""
        key = indices_N.tobytes()
        if key in self._ahead:
            return
        self._ahead[key] = self._begin(indices_N)
        while len(self._ahead) > MAX_AHEAD:
            self._ahead.popitem(last=False)

    def _begin(self, indices_N: Indices) -> "_Batch":
        num, (_, channels, height, width) = len(indices_N), self._shape
        out_NHWC = np.empty((num, height, width, channels), np.uint8)
        num_parts = min(num, PARTS_A_THREAD * self._num_threads)
        edges = np.linspace(0, num, num_parts + 1).astype(int).tolist()
        parts = [
            self._pool.submit(self._decode, indices_N[first:last], out_NHWC[first:last])
            for first, last in pairwise(edges)
        ]
        return _Batch(out_NHWC, parts)

    def _decode(self, indices_N: Indices, out_NHWC: Images) -> None:
        for index, out_HWC in zip(indices_N.tolist(), out_NHWC, strict=True):
            first, last = self._file.offsets[index : index + 2]
            decode_into(
                out_HWC, self._bytes[first:last], what=f"{self._file.path}: picture {index}"
            )


@dataclass(frozen=True)
class _Batch:
    images_NHWC: Images
    parts: Sequence[Future[None]]

    def wait(self) -> Images:
        for part in self.parts:
            part.result()
        return self.images_NHWC
