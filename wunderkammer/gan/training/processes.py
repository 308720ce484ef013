"""Several processes, usually one a GPU, that train one model together.

Each computes its rows of every batch; gradients and sums are added up before they are used, so the
result is that of one process up to the order of additions. `torchrun` starts the processes and
tells each its place in the environment.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed

TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class Processes:
    """This process's place among those that train together; by default it is alone."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes checkpoints and reports."""
        return self.rank == 0

    def rows(self, total: int) -> range:
        """Our rows of a batch of `total`, next to each other.

        Raises:
            ValueError: the batch can't be shared out evenly.
        """
        if total % self.count:
            raise ValueError(
                f"a batch of {total} can't be shared by {self.count} processes; "
                f"set train.batch_size to a multiple, or use fewer GPUs"
            )
        share = total // self.count
        return range(self.rank * share, (self.rank + 1) * share)

    def check_share(self, total: int, *, smallest_part: int) -> None:
        """That our share of a batch of `total` is whole parts; 0 is a batch that is never split.

        Raises:
            ValueError: it is not, and several processes would not train as one does.
        """
        if self.count == 1:
            return
        share = len(self.rows(total))
        refusal = f"a batch of {total} can't be shared by {self.count} processes"
        if smallest_part == 0:
            raise ValueError(f"{refusal}: all its samples share statistics; use one GPU")
        if share % smallest_part:
            raise ValueError(
                f"{refusal}: {smallest_part} samples each share statistics; use fewer GPUs, or set "
                f"train.batch_size to a multiple of {self.count * smallest_part}"
            )

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, through one buffer."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, value: Any) -> Any:
        """What the first process says, everywhere (small picklable values of our own only)."""
        if self.count == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def any(self, flag: bool) -> bool:
        """Whether any process says so; over CPU memory, so that no GPU waits."""
        if self.count == 1:
            return flag
        count = torch.tensor(int(flag))
        distributed.all_reduce(count)
        return bool(count)


ALONE = Processes()


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The place that torchrun's environment gives this process; alone without one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield Processes(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
