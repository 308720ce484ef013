"""A scrape of a source on the network, killed at random instants."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from inaturalist_stand_in import INaturalistStandIn
from scraping import Scraper
from stand_in import Reply, running

from wunderkammer.storage.versions import Versions

NUM_PICTURES = 60
NUM_KILLS = 20
AT_ONCE = 4


class Zygote:
    """Starts scrapes within milliseconds."""

    def __init__(self) -> None:
        script = str(Path(__file__).with_name("scrape_zygote.py"))
        self.process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, folder: Path, section: dict[str, object]) -> int:
        order = json.dumps({"folder": str(folder), "section": section})
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def result(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def zygote():
    zygote = Zygote()
    yield zygote
    zygote.close()


def section(site: INaturalistStandIn) -> dict[str, object]:
    return {
        "kind": "inaturalist",
        "taxon_id": 47118,
        "base_url": f"{site.url}/v1",
        "requests_per_minute": 6000.0,
        "conduct": {
            "contact": "curator@museum.example",
            "allow_loopback_ports": [site.port],
            "files_per_s": None,
            "max_connections_per_host": AT_ONCE,
        },
    }


def content(root: Path) -> list[dict[str, object]]:
    store = Scraper(root).store
    record = Versions(store).current("spoons", "raw_scrape")
    assert record is not None
    rows = Versions(store).manifest(record).to_pylist()
    return [{k: v for k, v in row.items() if k != "fetched_at"} for row in rows]


@pytest.mark.slow
def test_killed_at_twenty_instants_nothing_is_lost_or_fetched_again(tmp_path, zygote):
    """Only what was on its way at a kill may be asked for a second time."""
    chance = random.Random(4)
    with running(INaturalistStandIn()) as site:
        answer = site.answer

        def slowly(asked) -> Reply:
            if asked.path.startswith("/photos/"):
                time.sleep(0.05)
            return answer(asked)

        site.answer = slowly
        for number in range(1, NUM_PICTURES + 1):
            site.observe(number, "cc-by")
        killed, whole = tmp_path / "killed", tmp_path / "whole"
        killed.mkdir()
        whole.mkdir()
        num_killed = 0
        for _ in range(NUM_KILLS):
            pid = zygote.start(killed, section(site))
            time.sleep(chance.uniform(0.05, 0.5))
            # It may have ended already.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            num_killed += zygote.result() == -signal.SIGKILL
        assert num_killed > NUM_KILLS // 2
        zygote.start(killed, section(site))
        assert zygote.result() == 0
        photos = [path for path in site.paths() if path.startswith("/photos/")]
        assert len(set(photos)) == NUM_PICTURES
        assert len(photos) <= NUM_PICTURES + AT_ONCE * num_killed
        zygote.start(whole, section(site))
        assert zygote.result() == 0
        assert content(killed) == content(whole)
        kept = {row["sha256"] for row in content(killed) if row["decision"] == "kept"}
        assert len(kept) == NUM_PICTURES


def test_what_a_fast_site_gave_before_a_kill_is_not_fetched_again(tmp_path, zygote):
    """Though it comes faster than it is decoded."""
    num_pictures = 200
    with running(INaturalistStandIn()) as site:
        for number in range(1, num_pictures + 1):
            site.observe(number, "cc-by")

        def photos() -> list[str]:
            return [path for path in site.paths() if path.startswith("/photos/")]

        pid = zygote.start(tmp_path, section(site))
        while len(photos()) < num_pictures // 2:
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        assert zygote.result() == -signal.SIGKILL
        zygote.start(tmp_path, section(site))
        assert zygote.result() == 0
        assert len(set(photos())) == num_pictures
        assert len(photos()) <= num_pictures + AT_ONCE
