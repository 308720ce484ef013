"""One training step without numbers: what it would hold in memory, found out in seconds.

Tensors are on torch's device "meta", with shapes and types and no content, so the forecast follows
the very phases that a training runs. Kernels' own workspaces come on top; the trials by which
cuDNN chooses kernels in the first steps take several times as much, where there is room.

Shapes: N samples, L labels, C channels, H rows, W columns.
"""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.params import TrainParams
from wunderkammer.gan.settings import total_images
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.methods.build import build_method
from wunderkammer.gan.training.phases import Batch, Method, Phase

META = torch.device("meta")
BYTES_PER_NUMBER = 4
NUM_MOMENTS = 2  # of Adam, a parameter


@dataclass(frozen=True)
class Rehearsal:
    """What a step of `num_samples` at once holds, in bytes, and which phase holds most.

    A batch may be split into multiples of `smallest_part` samples, or not at all if that is 0.
    """

    num_samples: int
    num_generator_weights: int
    num_discriminator_weights: int
    state_bytes: int
    step_bytes: int
    fullest_phase: str
    smallest_part: int

    @property
    def peak_bytes(self) -> int:
        """Networks, average and moments, and on top of them the fullest moment of the step."""
        return self.state_bytes + self.step_bytes


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the storages that operations made and that are still alive, and the most so far."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, Tensor):
                self._note(value.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.live -= self._sizes.pop(key)


class _Shapes(Draws):
    """Draws without numbers."""

    @property
    def device(self) -> torch.device:
        """Nowhere."""
        return META

    def normal(self, *shape: int) -> Tensor:
        """[N, *shape]."""
        return torch.empty((self.total, *shape), device=META)[self.rows]

    def uniform(self, *shape: int) -> Tensor:
        """[N, *shape]."""
        return self.normal(*shape)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """[N, *shape]."""
        return self.normal(*shape).long()


def rehearse(
    train: TrainParams,
    *,
    resolution_px: int,
    channels: int,
    num_labels: int,
    num_samples: int | None = None,
) -> Rehearsal:
    """A step of the last stage with `num_samples` at once (a whole batch, if None).

    16 bits are used only where `train.precision` names them: "auto" is 32 bits here.
    """
    last = total_images(train, resolution_px=resolution_px) - 1
    images_NCHW = np.zeros((1, channels, resolution_px, resolution_px), np.uint8)
    data = TrainingImages.of(images_NCHW, np.zeros(1, np.int64), num_labels)
    method = build_method(train, data, device=META, start=None)
    total = method.batch_size(last)
    method.begin_step(last - last % total)
    with META:
        peaks = _run(method, data, num_labels=num_labels, total=total, share=num_samples or total)
    generator, discriminator = _count(method.generator), _count(method.discriminator)
    kept = generator * (2 + NUM_MOMENTS) + discriminator * (1 + NUM_MOMENTS)
    fullest = max(peaks, key=lambda name: peaks[name])
    return Rehearsal(
        num_samples=num_samples or total,
        num_generator_weights=generator,
        num_discriminator_weights=discriminator,
        state_bytes=kept * BYTES_PER_NUMBER,
        step_bytes=peaks[fullest],
        fullest_phase=fullest,
        smallest_part=method.smallest_part,
    )


def _run(
    method: Method, data: TrainingImages, *, num_labels: int, total: int, share: int
) -> dict[str, int]:
    """The most bytes held during each phase, gradients of phases before among them."""
    peaks: dict[str, int] = {}
    with LiveMemory() as memory:
        for phase in method.phases:
            memory.peak = memory.live
            batch = _batch(data, phase, num_labels=num_labels, total=total, share=share)
            adam = method.adams[phase.network]
            adam.zero_grad()
            for network in (method.generator, method.discriminator):
                network.requires_grad_(False)
            for group in adam.param_groups:
                for parameter in group["params"]:
                    parameter.requires_grad_(True)
            loss_N, _ = phase.loss(batch)
            loss_N.sum().backward()  # type: ignore[no-untyped-call]
            del loss_N, batch
            peaks[phase.name] = max(memory.peak, peaks.get(phase.name, 0))
    return peaks


def _batch(data: TrainingImages, phase: Phase, *, num_labels: int, total: int, share: int) -> Batch:
    total //= phase.shrink
    num = min(share, total)
    reals_NCHW = torch.zeros(num, data.channels, data.side_px, data.side_px)
    labels_NL = torch.zeros(num, num_labels) if num_labels else None
    draws = _Shapes(torch.Generator(), total, slice(0, num))
    if not phase.needs_held_out:
        return Batch(reals_NCHW, labels_NL, draws)
    return Batch(reals_NCHW, labels_NL, draws, reals_NCHW.clone(), labels_NL)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
