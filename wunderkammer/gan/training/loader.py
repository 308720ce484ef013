"""Shuffled batches without end, exactly resumable from (seed, position)."""

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from wunderkammer.gan.curriculum import ALL_AT_ONCE, Growth, Seams
from wunderkammer.shards.pictures import Images, Indices, Pictures, PicturesInMemory


@dataclass(frozen=True)
class TrainingImages:
    """Pictures to train on: number i is row `rows_N[i]` of `pictures`.

    With labels, int64 [N] below `num_labels`. `resident_NCHW` are all of `pictures` on a GPU.
    `ranks_N` says which come first in a curriculum, the lowest first.
    """

    pictures: Pictures
    rows_N: Indices
    labels_N: npt.NDArray[np.int64] | None = None
    num_labels: int = 0
    resident_NCHW: Tensor | None = None
    ranks_N: Indices | None = None

    @classmethod
    def of(
        cls,
        images_NCHW: Images,
        labels_N: npt.NDArray[np.int64] | None = None,
        num_labels: int = 0,
    ) -> "TrainingImages":
        """All of these, in memory.

        Raises:
            ValueError: they are not uint8 [N, C, H, W], or none.
        """
        rows_N = np.arange(len(images_NCHW))
        return cls(PicturesInMemory(images_NCHW), rows_N, labels_N, num_labels)

    def __len__(self) -> int:
        return len(self.rows_N)

    @property
    def side_px(self) -> int:
        """Side of the pictures."""
        return self.pictures.shape[-1]

    @property
    def channels(self) -> int:
        """Channels of the pictures."""
        return self.pictures.shape[1]

    def chosen(self, indices_N: Indices) -> "TrainingImages":
        """Some of them."""
        labels_N = None if self.labels_N is None else self.labels_N[indices_N]
        ranks_N = None if self.ranks_N is None else self.ranks_N[indices_N]
        return replace(self, rows_N=self.rows_N[indices_N], labels_N=labels_N, ranks_N=ranks_N)

    def read(self, indices_N: Indices) -> Images:
        """The pixels of some of them, uint8 [N, C, H, W], stored as [N, H, W, C]."""
        return self.pictures.read(self.rows_N[indices_N])

    def expect(self, indices_N: Indices) -> None:
        """Say what will be read soon."""
        self.pictures.expect(self.rows_N[indices_N])


@dataclass(frozen=True)
class Picked:
    """Which pictures a batch shows, and which of them mirrored."""

    indices_N: Indices
    flips_N: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Kept:
    """The pixels of some rows of a batch, uint8 on the device."""

    picked: Picked
    rows: range
    pixels_NCHW: Tensor


class ShuffledLoader:
    """Batches of training images as floats in [-1, 1].

    A round shows each image once, in a permutation that follows from seed and round; batches run
    across the seams, and a place is told by one number, the images shown before. With `growth` a
    round shows only those of the lowest ranks, as many as it says at the place where the round
    begins. `mirror` flips half of the images left to right, decided by seed and position too. While
    a batch is computed with, the same rows of the next one are read.
    """

    def __init__(
        self,
        data: TrainingImages,
        *,
        seed: int,
        mirror: bool,
        device: torch.device,
        growth: Growth = ALL_AT_ONCE,
    ) -> None:
        self.data = data
        self.seed = seed
        self.mirror = mirror
        self.device = device
        self.position = 0
        self._seams = Seams(len(data), growth)
        self._ranked_N = None if data.ranks_N is None else np.argsort(data.ranks_N, kind="stable")
        self._rounds: OrderedDict[int, Picked] = OrderedDict()
        self._kept: _Kept | None = None

    def __len__(self) -> int:
        return len(self.data)

    def take(self, batch_size: int) -> Picked:
        """The next places; the position moves on."""
        picked = self._places(batch_size)
        self.position += batch_size
        return picked

    def pixels(self, picked: Picked, rows: range) -> Tensor:
        """Some rows of a batch, float [n, C, H, W] on the device, channels last in memory."""
        pixels = self.bytes(picked, rows).contiguous(memory_format=torch.channels_last).float()
        if self.mirror:
            flips_N = picked.flips_N[rows.start : rows.stop]
            flips = self._on_device(torch.from_numpy(flips_N))
            pixels = torch.where(flips[:, None, None, None], pixels.flip(3), pixels)
        return pixels.div_(127.5).sub_(1.0)

    def bytes(self, picked: Picked, rows: range) -> Tensor:
        """Some rows of a batch, uint8 [n, C, H, W] on the device, neither mirrored nor scaled.

        Each is read once, however many phases look at it, and in what parts.
        """
        before = self._kept
        if before is None or before.picked is not picked or not _within(rows, before.rows):
            wanted = rows
            if before is not None and len(before.picked.indices_N) == len(picked.indices_N):
                wanted = _hull(rows, before.rows)
            pixels = self._gather(picked.indices_N[wanted.start : wanted.stop])
            self._kept = before = _Kept(picked, wanted, pixels)
            if self.data.resident_NCHW is None:
                following = self._places(len(picked.indices_N)).indices_N
                self.data.expect(following[wanted.start : wanted.stop])
        first = before.rows.start
        return before.pixels_NCHW[rows.start - first : rows.stop - first]

    def labels(self, picked: Picked, rows: range) -> Tensor | None:
        """The labels of those rows, one-hot float [n, L]; None without labels."""
        if self.data.labels_N is None:
            return None
        labels_N = self.data.labels_N[picked.indices_N[rows.start : rows.stop]]
        one_hot = functional.one_hot(torch.from_numpy(labels_N), self.data.num_labels)
        return self._on_device(one_hot.float())

    def _gather(self, indices_N: Indices) -> Tensor:
        resident_NCHW = self.data.resident_NCHW
        if resident_NCHW is not None:
            rows_N = self._on_device(torch.from_numpy(self.data.rows_N[indices_N]))
            return resident_NCHW[rows_N]
        images_NHWC = torch.from_numpy(self.data.read(indices_N).transpose(0, 2, 3, 1))
        return self._on_device(images_NHWC).permute(0, 3, 1, 2)

    def _on_device(self, tensor: Tensor) -> Tensor:
        """Copied without making the device wait, which needs page-locked memory."""
        if self.device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def _places(self, batch_size: int) -> Picked:
        indices_N = np.empty(batch_size, np.int64)
        flips_N = np.empty(batch_size, np.bool_)
        done = 0
        while done < batch_size:
            number, start, size = self._seams.find(self.position + done)
            order = self._shuffled(number, size)
            count = min(batch_size - done, size - start)
            indices_N[done : done + count] = order.indices_N[start : start + count]
            flips_N[done : done + count] = order.flips_N[start : start + count]
            done += count
        return Picked(indices_N, flips_N)

    def _shuffled(self, number: int, size: int) -> Picked:
        """A round; the last two are kept, since who looks ahead goes to and fro over a seam."""
        if number not in self._rounds:
            random = np.random.default_rng([self.seed, number])
            indices_N, flips_N = random.permutation(size), random.random(size) < 0.5
            if self._ranked_N is not None:
                indices_N = self._ranked_N[indices_N]
            self._rounds[number] = Picked(indices_N, flips_N)
            while len(self._rounds) > 2:
                self._rounds.popitem(last=False)
        return self._rounds[number]


def _within(rows: range, others: range) -> bool:
    return others.start <= rows.start and rows.stop <= others.stop


def _hull(rows: range, others: range) -> range:
    return range(min(rows.start, others.start), max(rows.stop, others.stop))
