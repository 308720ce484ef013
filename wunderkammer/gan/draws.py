"""Random numbers of a whole batch, whoever computes which part of it.

A batch may be split over processes (one a GPU) and, where memory is short, over micro-batches.
Every part draws the numbers of the whole batch from the same stream and keeps its own rows, so the
samples are the same however the batch is split.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """A stream, the number of samples of the whole batch, and the rows that are ours."""

    random: torch.Generator
    total: int
    rows: slice

    @classmethod
    def whole(cls, random: torch.Generator, num: int) -> "Draws":
        """Draws of a batch that is not split."""
        return cls(random, num, slice(0, num))

    @property
    def num(self) -> int:
        """How many rows are ours (N below)."""
        return len(range(self.total)[self.rows])

    @property
    def device(self) -> torch.device:
        """Where the numbers are made."""
        return self.random.device

    def normal(self, *shape: int) -> Tensor:
        """From N(0, 1), float32 [N, *shape]."""
        whole = torch.randn((self.total, *shape), generator=self.random, device=self.device)
        return whole[self.rows]

    def uniform(self, *shape: int) -> Tensor:
        """From [0, 1), float32 [N, *shape]."""
        whole = torch.rand((self.total, *shape), generator=self.random, device=self.device)
        return whole[self.rows]

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """From low, …, high - 1, int64 [N, *shape]."""
        size = (self.total, *shape)
        whole = torch.randint(low, high, size, generator=self.random, device=self.device)
        return whole[self.rows]
