"""A contestant in a process of its own: its settings of torch, its memory, its pace."""

import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.side_by_side.check import fingerprint
from benchmarks.side_by_side.contestant import Contestant
from benchmarks.side_by_side.peak import peak_rates
from benchmarks.side_by_side.setting import Setting

OURS, STAND_IN, REFERENCE = "ours", "stand-in", "reference"
# By part, one a time that the part was done: seconds of wall time, and of CPU time of all threads.
WALL, CPU = 0, 1
Seconds = dict[str, list[tuple[float, float]]]


def serve(connection: Connection, name: str, setting: Setting, checkout: Path | None) -> None:
    """Answer (question, argument) until None comes."""
    if setting.threads:
        torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    contestant = _build(name, setting, checkout)
    answers: dict[str, Callable[[Any], Any]] = {
        "remark": lambda _: contestant.remark,
        "keep weights": lambda folder: _keep_weights(contestant, folder),
        "fingerprint": lambda folder: _fingerprint(contestant, setting, folder),
        "round": lambda num_steps: run_round(contestant, setting, num_steps),
        "memory": lambda _: peak_memory_mb(setting),
        "peak": lambda _: peak_rates(torch.device(setting.device)),
    }
    while (message := connection.recv()) is not None:
        question, argument = message
        connection.send(answers[question](argument))


def _build(name: str, setting: Setting, checkout: Path | None) -> Contestant:
    """Import no more than this contestant needs: its memory is measured."""
    if name == OURS:
        from benchmarks.side_by_side.ours import Ours

        return Ours(setting)
    if name == STAND_IN:
        from benchmarks.side_by_side.standin import StandIn

        return StandIn(setting)
    from benchmarks.side_by_side.reference import Reference

    assert checkout is not None
    return Reference(setting, checkout)


def run_round(contestant: Contestant, setting: Setting, num_steps: int) -> Seconds:
    """Steps 0, 1, … and how long each part took."""
    clock = _GpuClock() if torch.device(setting.device).type == "cuda" else _CpuClock()
    for index in range(num_steps):
        contestant.step(index, clock.mark)
    return clock.read()


class _CpuClock:
    def __init__(self) -> None:
        self._seconds: Seconds = {}
        self._last = (time.perf_counter(), time.process_time())

    def mark(self, part: str) -> None:
        now = (time.perf_counter(), time.process_time())
        took = (now[0] - self._last[0], now[1] - self._last[1])
        self._seconds.setdefault(part, []).append(took)
        self._last = now

    def read(self) -> Seconds:
        return self._seconds


class _GpuClock:
    """Events in the stream: nothing waits before the last step is done.

    A part lasts from the end of the one before to its own end, idle time of the GPU included.
    """

    def __init__(self) -> None:
        torch.cuda.synchronize()
        self._marks = [("", _event(), time.process_time())]

    def mark(self, part: str) -> None:
        self._marks.append((part, _event(), time.process_time()))

    def read(self) -> Seconds:
        torch.cuda.synchronize()
        seconds: Seconds = {}
        for before, after in zip(self._marks, self._marks[1:], strict=False):
            took = before[1].elapsed_time(after[1]) / 1000
            seconds.setdefault(after[0], []).append((took, after[2] - before[2]))
        return seconds


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _keep_weights(contestant: Contestant, folder: Path) -> None:
    for name in ("generator", "discriminator"):
        network: torch.nn.Module = getattr(contestant, name)
        weights = {k: v.detach().cpu() for k, v in network.named_parameters()}
        torch.save(weights, folder / name)


def _fingerprint(contestant: Contestant, setting: Setting, folder: Path) -> dict[str, float]:
    weights = [torch.load(folder / name) for name in ("generator", "discriminator")]
    contestant.load(*weights)
    return fingerprint(contestant, setting)


def peak_memory_mb(setting: Setting) -> float:
    """The most memory that the process has had: of the GPU's what torch reserved, else resident."""
    if torch.device(setting.device).type == "cuda":
        return torch.cuda.max_memory_reserved() / 2**20
    status = Path("/proc/self/status")
    if not status.is_file():
        return _resource_peak_mb()
    (line,) = (row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _resource_peak_mb() -> float:
    import resource

    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
