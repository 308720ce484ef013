"""The benchmark of downloads serves real pictures, counts all of them, and reports what it took."""

import io
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import download
from benchmarks.downloads import many, rounds
from benchmarks.downloads.clock import Task, found_below, read_task
from benchmarks.downloads.pictures import photographs
from benchmarks.downloads.rounds import (
    IMG2DATASET,
    LIMIT,
    NETWORK,
    OURS,
    REQUESTS,
    SCRAPE,
    Contestant,
    Result,
    Round,
    compare,
)
from benchmarks.downloads.site import running_site
from benchmarks.downloads.table import heading, summary
from wunderkammer.images.decode import probe

NUM_FILES = 40


@pytest.fixture(scope="module")
def site():
    with running_site() as site:
        yield site


def body(site, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/{path}") as answer:
        return answer.read()


def took(wall_s, *, num_bytes=200_000, cpu_s=1.0):
    return Round(num_bytes, wall_s, cpu_s, peak_mb=100.0, site_cpu_s=0.5)


def test_each_path_is_a_picture_of_its_own(site):
    bodies = [body(site, f"{number}.jpg") for number in (0, 1, 64)]
    assert len(set(bodies)) == 3
    assert all(18_000 < len(one) < 24_000 for one in bodies)
    for one in bodies:
        assert probe(one, max_pixels=256 * 256).format == "JPEG"
    # Only the comment tells these two apart.
    first, last = (Image.open(io.BytesIO(one)).tobytes() for one in (bodies[0], bodies[2]))
    assert first == last
    tiny = body(site, "7.png")
    assert probe(tiny, max_pixels=16).width == 4
    assert tiny != body(site, "8.png")


def test_the_photographs_are_the_same_in_every_run():
    assert photographs(2) == photographs(2)


def test_what_is_no_picture_is_not_found_and_counted(site):
    before = site.num_requests
    with pytest.raises(urllib.error.HTTPError, match="404"):
        body(site, "robots.txt")
    assert site.num_requests == before + 1


def test_a_task_comes_back_from_its_command_line():
    task = Task(port=1, num_files=2, folder=Path("here"), form="png", processes=3, threads=4)
    assert read_task(task.arguments()) == task
    assert task.urls() == ["http://127.0.0.1:1/0.png", "http://127.0.0.1:1/1.png"]


def test_files_are_counted_however_deep(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.jpg").write_bytes(b"four")
    (tmp_path / "c.txt").write_bytes(b"none")
    assert found_below(tmp_path, "*.jpg") == (1, 4)


@pytest.mark.parametrize(
    "contestant", [*OURS[:2], Contestant(REQUESTS, "requests_loop")], ids=lambda one: one.module
)
def test_every_contestant_fetches_every_picture(site, contestant):
    before = site.num_requests
    done = contestant.run_once(site, num_files=NUM_FILES)
    assert done.wall_s > 0
    assert done.cpu_s > 0
    assert done.num_bytes == sum(len(body(site, f"{n}.jpg")) for n in range(NUM_FILES))
    asked = site.num_requests - before - NUM_FILES
    # Ours asks for robots.txt first.
    assert asked == NUM_FILES + (contestant.name == NETWORK)


def test_a_contestant_that_breaks_down_ends_the_run(site):
    with pytest.raises(RuntimeError, match=r"nonesuch broke down:[^$]*No module named"):
        Contestant("broken", "nonesuch").run_once(site, num_files=1)


def test_many_pictures_are_scraped_once_and_then_known():
    said = []
    runs = many.scrape_many(NUM_FILES, say=said.append)
    assert [run.num_requests for run in runs] == [NUM_FILES + 1, 0]
    assert all(run.done.peak_mb > 50 for run in runs)
    lines = many.summary(runs, num_files=NUM_FILES).splitlines()
    assert lines[0].startswith(f"{NUM_FILES} pictures of ")
    assert lines[-1].startswith("| rescrape with nothing new |")
    assert len(said) == 2


@pytest.fixture
def pretended(monkeypatch):
    """Rounds take a second for each process and a tenth for each thread."""

    def run_once(contestant, _site, *, num_files):
        if contestant.name == "liar":
            return took(1.0, num_bytes=1)
        return took(contestant.processes + contestant.threads / 10)

    monkeypatch.setattr(Contestant, "run_once", run_once)
    monkeypatch.setattr(rounds, "settings_of_img2dataset", lambda: [(2, 8), (1, 32), (1, 8)])


def test_img2dataset_competes_at_its_best(pretended):
    said = []
    contestants = [Contestant(LIMIT, "bare"), Contestant(IMG2DATASET, "img2dataset_peer")]
    limit, peer = compare(contestants, num_files=90, num_rounds=3, say=said.append)
    assert (peer.contestant.processes, peer.contestant.threads) == (1, 8)
    assert len(limit.rounds) == len(peer.rounds) == 3
    assert said[0] == "img2dataset, processes 2, threads 8: 32"
    assert said[-1] == "round 3 of 3, files/s: limit 82, img2dataset 50"


def test_contestants_that_fetch_other_bytes_are_no_comparison(pretended):
    with pytest.raises(RuntimeError, match=r"not fetched the same bytes: .*'liar': 1"):
        compare(
            [Contestant(LIMIT, "bare"), Contestant("liar", "bare")],
            num_files=1,
            num_rounds=1,
            say=lambda _: None,
        )


def test_the_table_tells_medians_extremes_and_ratios():
    def result(name, *walls_s):
        return Result(Contestant(name, ""), 1000, [took(s, num_bytes=20_000_000) for s in walls_s])

    results = [result(LIMIT, 0.1, 0.1, 0.2), result(SCRAPE, 0.25, 1.0, 0.2)]
    text = summary([*results, result(REQUESTS, 1.25, 1.0, 2.0), result(IMG2DATASET, 0.5)])
    assert text.startswith("1000 files of 20.0 KB, 3 rounds. img2dataset: 1 processes of 1 threads")
    assert "| our raw_scrape | 4000 | 1000 | 5000 | 1000 | 500 | 40% | 5.00 | 2.00 |" in text
    assert "over" not in summary(results)


def test_a_peer_that_is_not_installed_is_left_out_and_named(tmp_path, capsys):
    peers, versions = download.find_peers(tmp_path / "python")
    assert (peers, versions) == ([], [])
    assert "img2dataset is left out: img2dataset is not installed" in capsys.readouterr().err


def test_requests_is_there_without_an_environment_of_peers(monkeypatch, tmp_path):
    monkeypatch.setattr(download, "OWN_PEERS", tmp_path / "python")
    peers, versions = download.find_peers(None)
    assert peers == [Contestant(REQUESTS, "requests_loop", sys.executable)]
    assert versions[0].startswith("requests 2.")


def test_the_section_names_no_folder_of_a_machine():
    arguments = ["--peers", "/home/me/python", "--files", "9"]
    assert download.command(arguments) == ("python benchmarks/download.py --peers PYTHON --files 9")
    text = heading("a machine", command="c", versions=["requests 2"])
    assert text.startswith("## Downloads on a machine\n\nPython 3.")
