"""Shuffled batches without end, exactly resumable from (seed, position)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

# Pictures stay on a GPU if they take no more than this share of its free memory.
RESIDENT_SHARE = 0.4


@dataclass(frozen=True)
class TrainingImages:
    """Pictures uint8 [N, C, H, W]; with labels, int64 [N] below `num_labels`."""

    images_NCHW: npt.NDArray[np.uint8]
    labels_N: npt.NDArray[np.int64] | None = None
    num_labels: int = 0

    def __post_init__(self) -> None:
        images = self.images_NCHW
        if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
            raise ValueError(
                f"training images of shape {images.shape} and type {images.dtype}; "
                f"needed: at least one image, uint8 [N, C, H, W]"
            )

    def __len__(self) -> int:
        return len(self.images_NCHW)

    @property
    def side_px(self) -> int:
        """Side of the pictures."""
        return int(self.images_NCHW.shape[-1])

    def chosen(self, indices_N: npt.NDArray[np.int64]) -> "TrainingImages":
        """Some of them."""
        labels_N = None if self.labels_N is None else self.labels_N[indices_N]
        return TrainingImages(self.images_NCHW[indices_N], labels_N, self.num_labels)


@dataclass(frozen=True)
class Picked:
    """Which pictures a batch shows, and which of them mirrored."""

    indices_N: npt.NDArray[np.int64]
    flips_N: npt.NDArray[np.bool_]


class ShuffledLoader:
    """Batches of training images as floats in [-1, 1].

    Position p shows image `permutation(seed, p // N)[p % N]`, so that every image comes once in
    each N, batches run across the seams, and a place is told by one number. `mirror` flips half of
    the images left to right, decided by seed and position too.
    """

    def __init__(
        self, data: TrainingImages, *, seed: int, mirror: bool, device: torch.device
    ) -> None:
        self.data = data
        self.seed = seed
        self.mirror = mirror
        self.device = device
        self.position = 0
        self._round = -1
        self._order_N = np.empty(0, np.int64)
        self._flips_N = np.empty(0, np.bool_)
        self._resident_NCHW = _resident(data.images_NCHW, device)

    def __len__(self) -> int:
        return len(self.data)

    def take(self, batch_size: int) -> Picked:
        """The next places; the position moves on."""
        indices_N = np.empty(batch_size, np.int64)
        flips_N = np.empty(batch_size, np.bool_)
        done = 0
        while done < batch_size:
            number, start = divmod(self.position + done, len(self))
            self._shuffle(number)
            count = min(batch_size - done, len(self) - start)
            indices_N[done : done + count] = self._order_N[start : start + count]
            flips_N[done : done + count] = self._flips_N[start : start + count]
            done += count
        self.position += batch_size
        return Picked(indices_N, flips_N)

    def pixels(self, picked: Picked, rows: range) -> Tensor:
        """Some rows of a batch, float [n, C, H, W] on the device, channels last in memory."""
        span = slice(rows.start, rows.stop)
        pixels = self._gather(picked.indices_N[span])
        pixels = pixels.contiguous(memory_format=torch.channels_last).float()
        if self.mirror:
            flips = self._on_device(torch.from_numpy(picked.flips_N[span]))
            pixels = torch.where(flips[:, None, None, None], pixels.flip(3), pixels)
        return pixels.div_(127.5).sub_(1.0)

    def labels(self, picked: Picked, rows: range) -> Tensor | None:
        """The labels of those rows, one-hot float [n, L]; None without labels."""
        if self.data.labels_N is None:
            return None
        labels_N = self.data.labels_N[picked.indices_N[rows.start : rows.stop]]
        one_hot = functional.one_hot(torch.from_numpy(labels_N), self.data.num_labels)
        return self._on_device(one_hot.float())

    def _gather(self, indices_N: npt.NDArray[np.int64]) -> Tensor:
        if self._resident_NCHW is None:
            return self._on_device(torch.from_numpy(self.data.images_NCHW[indices_N]))
        return self._resident_NCHW[self._on_device(torch.from_numpy(indices_N))]

    def _on_device(self, tensor: Tensor) -> Tensor:
        """Copied without making the device wait, which needs page-locked memory."""
        if self.device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def _shuffle(self, number: int) -> None:
        if number == self._round:
            return
        random = np.random.default_rng([self.seed, number])
        self._order_N = random.permutation(len(self))
        self._flips_N = random.random(len(self)) < 0.5
        self._round = number


def _resident(images_NCHW: npt.NDArray[np.uint8], device: torch.device) -> Tensor | None:
    """All pictures on the GPU, if they fit with room to spare; None if they do not."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if images_NCHW.nbytes > free * RESIDENT_SHARE:
        return None
    return torch.from_numpy(images_NCHW).to(device)
