"""CUDA graphs: a phase's thousands of launches recorded once and replayed as one.

At 256 px and below a GPU waits for the host otherwise. A graph holds a whole phase: clearing
gradients, both passes, the penalties' second derivatives, and Adam. What it depends on and does
not compute must not change: shapes, learning rates, and where tensors lie. The `key` of a phase
says so; when it changes, the phase is recorded anew.
"""

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from wunderkammer.gan.training.phases import Batch

log = logging.getLogger(__name__)

# Kernels are chosen and compiled, and Adam's moments made, before anything is recorded.
NUM_WARM_UPS = 3

Sums = dict[str, Tensor]
Move = Callable[[Batch], Sums]


@dataclass
class _Recorded:
    key: Hashable
    graph: torch.cuda.CUDAGraph
    batch: Batch
    sums: Sums

    def replay(self, batch: Batch) -> Sums:
        """Run it on this batch. The sums are overwritten by the next replay."""
        for into, values in zip(_tensors(self.batch), _tensors(batch), strict=True):
            into.copy_(values)
        self.graph.replay()
        return self.sums


class PhaseGraphs:
    """The graphs of one training on one GPU; `random` is the stream that its phases draw from."""

    def __init__(self, random: torch.Generator) -> None:
        self._random = random
        self._stream = torch.cuda.Stream(random.device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._recorded: dict[str, _Recorded] = {}
        self._num_runs: dict[tuple[str, Hashable], int] = {}
        self._is_off = False

    def run(self, name: str, batch: Batch, move: Move, *, key: Hashable) -> Sums:
        """What `move(batch)` does and gives: by itself at first, then as a graph."""
        recorded = self._recorded.get(name)
        if recorded is not None and recorded.key == key:
            return recorded.replay(batch)
        num_runs = self._num_runs.get((name, key), 0)
        self._num_runs[name, key] = num_runs + 1
        if self._is_off or num_runs < NUM_WARM_UPS:
            return self._aside(batch, move)
        try:
            self._recorded[name] = recorded = self._record(batch, move, key)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # what CUDA, cuDNN and the allocator raise
            log.warning("no CUDA graphs, every phase is launched by the host: %s", error)
            self._is_off = True
            return self._aside(batch, move)
        return recorded.replay(batch)

    def forget(self) -> None:
        """Record everything anew: tensors have been replaced by those of a checkpoint."""
        self._recorded.clear()
        self._num_runs.clear()

    def _aside(self, batch: Batch, move: Move) -> Sums:
        """On the stream that is recorded from: autograd ties gradients to the stream they met."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            sums = move(batch)
        torch.cuda.current_stream().wait_stream(self._stream)
        return sums

    def _record(self, batch: Batch, move: Move, key: Hashable) -> _Recorded:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._random)
        kept = _copied(batch)
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            sums = move(kept)
        return _Recorded(key, graph, kept, sums)


def _tensors(batch: Batch) -> list[Tensor]:
    found = (getattr(batch, field.name) for field in fields(batch))
    return [value for value in found if isinstance(value, Tensor)]


def _copied(batch: Batch) -> Batch:
    """The same batch in memory of its own."""
    found = {field.name: getattr(batch, field.name) for field in fields(batch)}
    copies: dict[str, Any] = {n: v.clone() for n, v in found.items() if isinstance(v, Tensor)}
    return replace(batch, **copies)
