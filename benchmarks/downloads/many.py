"""A long list of tiny pictures, scraped and scraped again: what that takes beside the bytes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.document import table
from benchmarks.downloads.rounds import SCRAPE, TINY, Contestant, Round
from benchmarks.downloads.site import running_site

RUNS = ("first scrape", "rescrape with nothing new")


@dataclass(frozen=True)
class Run:
    """One scrape, and how often it has asked the site."""

    name: str
    done: Round
    num_requests: int


def scrape_many(num_files: int, *, say: Callable[[str], None]) -> list[Run]:
    """A first scrape and a rescrape, each by a process of its own.

    Raises:
        RuntimeError: one of them broke down.
    """
    runs = []
    ours = Contestant(SCRAPE, "scrape")
    with running_site() as site, tempfile.TemporaryDirectory() as folder:
        for name in RUNS:
            before = site.num_requests
            done = ours.run(site, num_files=num_files, form=TINY, folder=Path(folder))
            runs.append(Run(name, done, site.num_requests - before))
            say(f"{name} of {num_files} pictures: {done.wall_s:.0f} s, {done.peak_mb:.0f} MB")
    return runs


def summary(runs: list[Run], *, num_files: int) -> str:
    """The runs as a table."""
    head = ["", "seconds", "CPU-s", "requests", "memory MB"]
    rows = []
    for run in runs:
        figures = (run.done.wall_s, run.done.cpu_s, run.num_requests, run.done.peak_mb)
        rows.append([run.name, *(f"{figure:.0f}" for figure in figures)])
    size = runs[0].done.num_bytes / num_files
    facts = f"{num_files} pictures of {size:.0f} bytes, with author, licence, title and label; "
    facts += "memory is the most that the main process held."
    return "\n\n".join([facts, table(head, rows)])
