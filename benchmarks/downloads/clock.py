"""What every contestant has: its task from the command line, and a clock. Standard library only."""

import argparse
import json
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Counts = tuple[int, int]


@dataclass(frozen=True)
class Task:
    """Fetch the pictures 0, 1, … of a site; what is kept goes into a new folder."""

    port: int
    num_files: int
    folder: Path
    form: str = "jpg"
    processes: int = 1
    threads: int = 1

    def urls(self) -> list[str]:
        """All of them."""
        where = f"http://127.0.0.1:{self.port}"
        return [f"{where}/{number}.{self.form}" for number in range(self.num_files)]

    def arguments(self) -> list[str]:
        """The task as a command line."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in vars(self).items()]


def read_task(arguments: Sequence[str] | None = None) -> Task:
    """The task of a command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--num-files", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--form", default="jpg")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return Task(**vars(parser.parse_args(arguments)))


def run(work: Callable[[], T], count: Callable[[T], Counts]) -> None:
    """Do the work, and print what it took; `count` gives the number of its files and bytes."""
    start, cpu_start = time.perf_counter(), _cpu_s()
    done = work()
    wall_s, cpu_s = time.perf_counter() - start, _cpu_s() - cpu_start
    num_files, num_bytes = count(done)
    outcome = {
        "num_files": num_files,
        "num_bytes": num_bytes,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "peak_mb": _peak_mb(),
    }
    print(f"\n{json.dumps(outcome)}", flush=True)


def as_counted(counts: Counts) -> Counts:
    """For work that counts as it goes."""
    return counts


def found_below(folder: Path, pattern: str) -> Counts:
    """The number and the bytes of the files there."""
    sizes = [file.stat().st_size for file in folder.rglob(pattern) if file.is_file()]
    return len(sizes), sum(sizes)


def _cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    own, waited_for = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + waited_for.ru_utime + waited_for.ru_stime


def _peak_mb() -> float:
    """The most memory that this process alone has held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return math.nan
