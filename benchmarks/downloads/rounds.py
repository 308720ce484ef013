"""All contestants in turn, a round each, so that whatever disturbs the machine disturbs all."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks.downloads.clock import Task
from benchmarks.downloads.site import PROJECT, Site, running_site

LIMIT, NETWORK, SCRAPE = "limit", "our network", "our raw_scrape"
REQUESTS, IMG2DATASET = "requests loop", "img2dataset"
PHOTOGRAPHS, TINY = "jpg", "png"


@dataclass(frozen=True)
class Contestant:
    """A module of this package that does a task, and the Python that runs it."""

    name: str
    module: str
    python: str = sys.executable
    processes: int = 1
    threads: int = 1

    def run(self, site: Site, *, num_files: int, form: str, folder: Path) -> "Round":
        """Do the task once, in a process of its own.

        Raises:
            RuntimeError: it broke down, or has not fetched every file.
        """
        task = Task(
            port=site.port,
            num_files=num_files,
            folder=folder,
            form=form,
            processes=self.processes,
            threads=self.threads,
        )
        site_cpu_s = site.cpu_s
        module = f"benchmarks.downloads.{self.module}"
        printed = _output([self.python, "-m", module, *task.arguments()])
        outcome = json.loads(printed.splitlines()[-1])
        if outcome.pop("num_files") != num_files:
            raise RuntimeError(f"{self.name} has not fetched all of {num_files} files: {printed}")
        return Round(**outcome, site_cpu_s=site.cpu_s - site_cpu_s)

    def run_once(self, site: Site, *, num_files: int) -> "Round":
        """A round of photographs, of which nothing stays."""
        with tempfile.TemporaryDirectory() as folder:
            return self.run(site, num_files=num_files, form=PHOTOGRAPHS, folder=Path(folder))


OURS = (
    Contestant(LIMIT, "bare"),
    Contestant(NETWORK, "network"),
    Contestant(SCRAPE, "scrape"),
)


@dataclass(frozen=True)
class Round:
    """One contestant's round; `cpu_s` is that of all its processes, the site's counts apart.

    `peak_mb` is the memory of its main process.
    """

    num_bytes: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    site_cpu_s: float


@dataclass
class Result:
    """All rounds of a contestant."""

    contestant: Contestant
    num_files: int
    rounds: list[Round] = field(default_factory=list)

    @property
    def files_per_s(self) -> float:
        """The median over rounds."""
        return self.num_files / median(done.wall_s for done in self.rounds)

    @property
    def extremes(self) -> tuple[float, float]:
        """The files a second of the slowest and of the fastest round."""
        walls_s = [done.wall_s for done in self.rounds]
        return self.num_files / max(walls_s), self.num_files / min(walls_s)

    def us_per_file(self, what: str) -> float:
        """Microseconds of `cpu_s` or `site_cpu_s` a file, the median over rounds."""
        return 1e6 * median(getattr(done, what) for done in self.rounds) / self.num_files


def compare(
    contestants: Sequence[Contestant],
    *,
    num_files: int,
    num_rounds: int,
    say: Callable[[str], None],
) -> list[Result]:
    """`num_rounds` rounds of 20 KB pictures; of img2dataset its best settings are sought first.

    Raises:
        RuntimeError: one of them broke down, or they did not fetch the same.
    """
    with running_site() as site:
        contestants = [
            _at_its_best(one, site, num_files, say) if one.name == IMG2DATASET else one
            for one in contestants
        ]
        results = [Result(one, num_files) for one in contestants]
        for number in range(num_rounds):
            first = number % len(results)
            for result in results[first:] + results[:first]:
                result.rounds.append(result.contestant.run_once(site, num_files=num_files))
            say(f"round {number + 1} of {num_rounds}, files/s: {_paces(results)}")
    sizes = {result.contestant.name: result.rounds[0].num_bytes for result in results}
    if len(set(sizes.values())) != 1:
        raise RuntimeError(f"they have not fetched the same bytes: {sizes}")
    return results


def settings_of_img2dataset() -> list[tuple[int, int]]:
    """Processes and threads to be tried."""
    cpus = os.cpu_count() or 1
    processes = sorted({1, cpus, 2 * cpus})
    return [(num, threads) for num in processes for threads in (8, 32, 128)]


def _at_its_best(
    peer: Contestant, site: Site, num_files: int, say: Callable[[str], None]
) -> Contestant:
    tried = {}
    for processes, threads in settings_of_img2dataset():
        one = replace(peer, processes=processes, threads=threads)
        wall_s = one.run_once(site, num_files=num_files).wall_s
        tried[wall_s] = one
        say(f"{peer.name}, processes {processes}, threads {threads}: {num_files / wall_s:.0f}")
    return tried[min(tried)]


def _paces(results: Sequence[Result]) -> str:
    last = ((r.contestant.name, r.num_files / r.rounds[-1].wall_s) for r in results)
    return ", ".join(f"{name} {pace:.0f}" for name, pace in last)


def _output(command: Sequence[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[2]} broke down:\n{done.stderr[-4000:]}")
    return done.stdout
