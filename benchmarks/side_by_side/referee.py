"""All contestants in turn, a round each, so that whatever disturbs the machine disturbs all."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.side_by_side.setting import Setting
from benchmarks.side_by_side.worker import CPU, OURS, WALL, Seconds, serve

# Sums in another order differ by rounding; on a GPU contestants also round to fewer bits.
TOLERANCE = {"cpu": 1e-3, "cuda": 5e-2}


@dataclass(frozen=True)
class Timing:
    """Of one contestant: the median over rounds of what each part takes, and the rest.

    `wall_s` and `cpu_s` are by part; CPU time is that of all threads.
    """

    name: str
    remark: str
    memory_mb: float
    wall_s: dict[str, float]
    cpu_s: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """All timings of one setting, and the FLOP/s of the device in the same run."""

    setting: Setting
    timings: tuple[Timing, ...]
    rates: dict[str, float]


class Seat:
    """A contestant's process, from this side of the pipe."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection

    def ask(self, question: str, argument: Any = None) -> Any:
        """Its answer, once it has it.

        Raises:
            RuntimeError: the process has ended; what it wrote says why.
        """
        self._connection.send((question, argument))
        try:
            return self._connection.recv()
        except EOFError as error:
            message = f"{self.name} stopped at {question!r}; its traceback is above"
            raise RuntimeError(message) from error

    def dismiss(self) -> None:
        """Let the process end."""
        try:
            self._connection.send(None)
        except BrokenPipeError:
            return  # it has ended already, and said why


@contextmanager
def seated(name: str, setting: Setting, checkout: Path | None) -> Iterator[Seat]:
    """A contestant in a fresh process."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=serve, args=(far, name, setting, checkout), daemon=True)
    process.start()
    far.close()
    seat = Seat(name, near)
    try:
        yield seat
    finally:
        seat.dismiss()
        process.join()


def compare(
    setting: Setting,
    names: Sequence[str],
    *,
    checkout: Path | None,
    num_rounds: int,
    num_steps: int,
    say: Callable[[str], None],
) -> Comparison:
    """Warm up, then `num_rounds` rounds of `num_steps` steps each, in turn.

    Raises:
        ValueError: the contestants don't compute the same.
        RuntimeError: one of them broke down.
    """
    with ExitStack() as stack:
        seats = [stack.enter_context(seated(name, setting, checkout)) for name in names]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = next(seat for seat in seats if seat.name == OURS)
        ours.ask("keep weights", folder)
        rounds: dict[str, list[Seconds]] = {name: [] for name in names}
        for number in range(num_rounds + 1):
            first = number % len(seats)
            for seat in seats[first:] + seats[:first]:
                rounds[seat.name].append(seat.ask("round", num_steps))
            say(f"{setting.name}: {_paces(setting, rounds, number, num_rounds)}")
        timings = tuple(_timing(seat, rounds[seat.name][1:]) for seat in seats)
        _check_alike(seats, folder, tolerance=TOLERANCE[setting.device.split(":")[0]])
        say(f"{setting.name}: same weights give the same losses and gradients in all")
        return Comparison(setting, timings, ours.ask("peak"))


def _paces(setting: Setting, rounds: dict[str, list[Seconds]], number: int, num_rounds: int) -> str:
    """A line for whoever waits."""
    paces = {name: setting.s_per_kimg(_means(done[-1], WALL)) for name, done in rounds.items()}
    what = f"round {number} of {num_rounds}" if number else "warming up"
    return f"{what}, s/kimg: {', '.join(f'{name} {s:.3g}' for name, s in paces.items())}"


def _means(done: Seconds, kind: int) -> dict[str, float]:
    return {part: fmean(s[kind] for s in times) for part, times in done.items()}


def _timing(seat: Seat, rounds: list[Seconds]) -> Timing:
    """The mean of a part within a round, the median of these over the rounds."""
    wall_s, cpu_s = (
        {part: median(means[part] for means in over_rounds) for part in over_rounds[0]}
        for over_rounds in ([_means(done, kind) for done in rounds] for kind in (WALL, CPU))
    )
    return Timing(seat.name, seat.ask("remark"), seat.ask("memory"), wall_s, cpu_s)


def _check_alike(seats: Sequence[Seat], folder: Path, *, tolerance: float) -> None:
    prints = {seat.name: seat.ask("fingerprint", folder) for seat in seats}
    expected = prints[OURS]
    for name, found in prints.items():
        for what, value in found.items():
            if abs(value - expected[what]) > tolerance * abs(expected[what]):
                raise ValueError(
                    f"{name} is no fair comparison: with the same weights its {what} is {value:g}, "
                    f"ours is {expected[what]:g} (limit: {tolerance:g} of it apart)"
                )
