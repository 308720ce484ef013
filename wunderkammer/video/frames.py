"""Latents through a generator to frames. Imports torch: load it only where films are made.

Shapes: F frames, N samples of a batch, Z numbers of a latent, C channels, H rows, W columns.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wunderkammer.video.encode import Frame

# Every batch is full (the last one is filled up), for a convolution may round otherwise in a
# batch of another size.
BATCH_SIZE = 16


class NotFiniteError(RuntimeError):
    """The generator drew pixels that are not numbers."""


class Painter(Protocol):
    """What a film needs of a generator."""

    @property
    def z_dim(self) -> int:
        """Numbers of a z."""
        ...

    @property
    def resolution_px(self) -> int:
        """Side of its images."""
        ...

    @property
    def mapping(self) -> Callable[..., Tensor]:
        """`(z_NZ, labels_NL, truncation_psi=...)` to w; no labels for a model without."""
        ...

    @property
    def synthesis(self) -> Callable[..., Tensor]:
        """`(w, noise_mode=...)` to images [N, C, H, W], about [-1, 1]."""
        ...


def best_device() -> torch.device:
    """A GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def drawn_frames(
    painter: Painter,
    latents_FZ: npt.NDArray[np.float32],
    *,
    labels_FL: npt.NDArray[np.float32] | None = None,
    truncation_psi: float,
    device: torch.device,
) -> Iterator[Frame]:
    """One uint8 RGB frame `[H, W, 3]` a latent, in order, at the generator's resolution.

    Fixed noise, full float32, deterministic kernels: on one kind of device the frames depend on
    the weights and the latents only. A grey generator gives grey frames.

    Raises:
        NotFiniteError: a frame holds NaN or infinity.
    """
    for start in range(0, len(latents_FZ), BATCH_SIZE):
        num = min(BATCH_SIZE, len(latents_FZ) - start)
        inputs = [
            torch.from_numpy(_full_batch(rows, start)).to(device)
            for rows in (latents_FZ, labels_FL)
            if rows is not None
        ]
        frames_NHWC = _drawn(painter, inputs, truncation_psi=truncation_psi)
        if frames_NHWC is None:
            raise NotFiniteError(
                f"the generator draws pixels that are not finite (frames {start} to "
                f"{start + num - 1}); its training has diverged, lower "
                f"train.learning_rate or raise train.r1_gamma and train again"
            )
        yield from frames_NHWC[:num]


def _full_batch(rows_FD: npt.NDArray[np.float32], start: int) -> npt.NDArray[np.float32]:
    """A batch of rows; the last one again where there are no more, so that all are as large."""
    numbers = np.minimum(np.arange(start, start + BATCH_SIZE), len(rows_FD) - 1)
    return rows_FD[numbers]


@torch.inference_mode()
def _drawn(
    painter: Painter, inputs: list[Tensor], *, truncation_psi: float
) -> npt.NDArray[np.uint8] | None:
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        w = painter.mapping(*inputs, truncation_psi=truncation_psi)
        image_NCHW = painter.synthesis(w, noise_mode="const")
    if not bool(image_NCHW.isfinite().all()):
        return None
    levels_NCHW = ((image_NCHW + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    num_samples, _, height, width = levels_NCHW.shape
    rgb_NCHW = levels_NCHW[:, :3].expand(num_samples, 3, height, width)
    frames_NHWC: npt.NDArray[np.uint8] = rgb_NCHW.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return frames_NHWC
