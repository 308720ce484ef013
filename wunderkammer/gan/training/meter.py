"""Means over a tick, summed on the device so that counting makes no step wait."""

from collections.abc import Mapping

import torch
from torch import Tensor

from wunderkammer.gan.checkpoints.archive import Partial


class Meter:
    """Sums of named values since the last `close`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._totals: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, total: Tensor, *, count: int) -> None:
        """Count in `count` values of one measure that sum up to `total` (no dimensions)."""
        if name not in self._totals:
            self._totals[name] = torch.zeros((), dtype=torch.float64, device=self._device)
            self._counts[name] = 0
        self._totals[name] += total.detach()
        self._counts[name] += count

    def means(self) -> dict[str, float]:
        """The means so far, by name, finite or not."""
        return {
            name: float(total) / self._counts[name] for name, total in sorted(self._totals.items())
        }

    def close(self) -> dict[str, float]:
        """The means, by name; the next tick starts at nothing."""
        means = self.means()
        self._totals.clear()
        self._counts.clear()
        return means

    def partials(self) -> dict[str, Partial]:
        """The sums so far, for a checkpoint; they must be finite."""
        return {
            name: Partial(total=float(total), count=self._counts[name])
            for name, total in sorted(self._totals.items())
        }

    def resume(self, partials: Mapping[str, Partial]) -> None:
        """Go on from sums that a checkpoint kept."""
        self._counts = {name: partial.count for name, partial in partials.items()}
        self._totals = {
            name: torch.tensor(partial.total, dtype=torch.float64, device=self._device)
            for name, partial in partials.items()
        }
