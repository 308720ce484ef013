"""Shuffled batches without end, exactly resumable from (seed, position)."""

import numpy as np
import torch
from torch import Tensor


class ShuffledLoader:
    """Batches of a uint8 array [N, C, H, W] as floats in [-1, 1].

    Position p shows image `permutation(seed, p // N)[p % N]`, so that every image comes once in
    each N, batches run across the seams, and a place is told by one number. `mirror` flips half of
    the images left to right, decided by seed and position too.
    """

    def __init__(self, images_NCHW: np.ndarray, *, seed: int, mirror: bool) -> None:
        if images_NCHW.ndim != 4 or images_NCHW.dtype != np.uint8 or not len(images_NCHW):
            raise ValueError(
                f"training images of shape {images_NCHW.shape} and type {images_NCHW.dtype}; "
                f"needed: at least one image, uint8 [N, C, H, W]"
            )
        self.images_NCHW = images_NCHW
        self.seed = seed
        self.mirror = mirror
        self.position = 0
        self._round = -1
        self._order_N = np.empty(0, np.int64)
        self._flips_N = np.empty(0, np.bool_)

    def __len__(self) -> int:
        return len(self.images_NCHW)

    def next(self, batch_size: int, *, device: torch.device) -> Tensor:
        """The next batch [batch_size, C, H, W], channels last in memory."""
        indices, flips = self._places(batch_size)
        batch = self.images_NCHW[indices]
        if self.mirror:
            batch[flips] = batch[flips, :, :, ::-1]
        self.position += batch_size
        pixels = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
        return pixels.float().div_(127.5).sub_(1.0)

    def _places(self, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        indices = np.empty(batch_size, np.int64)
        flips = np.empty(batch_size, np.bool_)
        done = 0
        while done < batch_size:
            number, start = divmod(self.position + done, len(self))
            self._shuffle(number)
            count = min(batch_size - done, len(self) - start)
            indices[done : done + count] = self._order_N[start : start + count]
            flips[done : done + count] = self._flips_N[start : start + count]
            done += count
        return indices, flips

    def _shuffle(self, number: int) -> None:
        if number == self._round:
            return
        random = np.random.default_rng([self.seed, number])
        self._order_N = random.permutation(len(self))
        self._flips_N = random.random(len(self)) < 0.5
        self._round = number
