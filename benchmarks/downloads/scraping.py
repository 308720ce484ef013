"""Ours as it is used: `raw_scrape` of a list of URLs, from the list to a version in force.

In a folder where this was done before, it is a rescrape.
"""

import csv
import json

import yaml

from benchmarks.downloads.clock import Counts, Task, found_below, read_task, run
from benchmarks.downloads.conduct import conduct
from wunderkammer.build import Built, build_stage
from wunderkammer.sources.scrape import scrape_images
from wunderkammer.stages import RAW_SCRAPE
from wunderkammer.storage.store import Store
from wunderkammer.subject import load_subject

TOLD = ("landing_page", "author", "licence", "licence_url", "title", "label")
REST = """\
filter: {kind: whole, size_px: 16}
shard: {resolution_px: 16}
train: {kind: stylegan2, total_kimg: 0.064, tick_kimg: 0.032}
"""


def scrape(task: Task) -> Built:
    """Scrape the task's URLs, once more if it was done before."""
    subject = load_subject(task.folder / "pictures.yaml")
    store = Store(str(task.folder / "data"))
    return build_stage(RAW_SCRAPE, subject, store=store, builder=scrape_images, force=True)


def prepare(task: Task) -> None:
    """Write the list, with all that a list may tell, and the recipe."""
    with (task.folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["url", *TOLD])
        rows.writerows([url, *_told(number)] for number, url in enumerate(task.urls()))
    section = {"kind": "urls", "path": "list.csv", "conduct": json.loads(conduct(task.port))}
    recipe = yaml.safe_dump({"scrape": section}) + REST
    (task.folder / "pictures.yaml").write_text(recipe)


def _told(number: int) -> list[str]:
    return [
        f"https://pictures.invalid/collections/benchmark/{number}",
        f"Photographer {number % 999}",
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        f"Picture {number} of a collection that serves a benchmark",
        f"class {number % 10}",
    ]


def _blobs(task: Task) -> Counts:
    return found_below(task.folder / "data" / "blobs", "*")


def main() -> None:
    """Do the task of the command line."""
    task = read_task()
    if not (task.folder / "data").exists():
        prepare(task)
    run(lambda: scrape(task), lambda _: _blobs(task))
