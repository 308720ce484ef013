import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wunderkammer.conduct import pace as module
from wunderkammer.conduct.pace import TOLERANCE_S, Pace, PaceFolderError, shared_file

HOST = "museum.example:443"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "pace"


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_800_000_000.0

    monkeypatch.setattr(module, "time", lambda: Clock.now)
    return Clock


def takes(pace: Pace, number: int, *, lane: str = "files", per_s: float = 10.0) -> list[float]:
    return [round(pace.take(HOST, lane=lane, per_s=per_s), 6) for _ in range(number)]


def test_tokens_come_at_the_rate(file, clock):
    pace = Pace(file)
    assert takes(pace, 4) == pytest.approx([0, *(n / 10 - TOLERANCE_S for n in (1, 2, 3))])
    clock.now += 100
    assert takes(pace, 2) == pytest.approx([0, 0.1 - TOLERANCE_S])


def test_lanes_and_hosts_have_buckets_of_their_own(file, clock):
    pace = Pace(file)
    assert takes(pace, 2)[1] > 0
    assert takes(pace, 2, lane="api", per_s=1.0) == pytest.approx([0, 1 - TOLERANCE_S])
    assert pace.take("other.example:443", lane="files", per_s=10.0) == 0


def test_a_host_that_asks_for_patience_is_left_alone_in_every_lane(file, clock):
    pace = Pace(file)
    pace.leave_alone(HOST, 7)
    pace.leave_alone(HOST, 3)
    assert pace.alone_s(HOST) == 7
    assert takes(pace, 1) == takes(pace, 1, lane="api") == [7]
    assert pace.alone_s("other.example:443") == 0
    clock.now += 8
    assert pace.alone_s(HOST) == 0


def test_a_slow_pace_is_kept_over_hours(file, clock):
    waits = [takes(Pace(file), 1, per_s=1 / 7200)[0] for _ in range(4)]
    assert waits == pytest.approx([0, *(n * 7200 - TOLERANCE_S for n in (1, 2, 3))])
    clock.now += 10_000
    assert takes(Pace(file), 1, per_s=1 / 7200) == pytest.approx([18_800 - TOLERANCE_S])


@pytest.mark.parametrize("set_back_s", [600, 3000, 10 * 24 * 3600])
def test_a_clock_that_was_set_back_stops_nobody(file, clock, set_back_s):
    pace = Pace(file)
    takes(pace, 3)
    pace.leave_alone(HOST, 60)
    clock.now -= set_back_s
    assert pace.alone_s(HOST) == 0
    assert takes(pace, 1) == [0]


def test_a_file_of_rubbish_stops_nobody(file, clock):
    file.write_bytes(os.urandom(64) * (module.NUM_SLOTS * module.SLOT.size // 64))
    pace = Pace(file)
    assert 0 <= pace.alone_s(HOST) <= module.MAX_AHEAD_S
    assert 0 <= pace.take(HOST, lane="files", per_s=10.0) <= module.MAX_AHEAD_S


def test_two_that_share_the_file_share_the_rate_and_the_patience(file, clock):
    one, other = Pace(file), Pace(file)
    waits = [takes(pace, 1)[0] for pace in (one, other, one, other)]
    assert waits == pytest.approx([0, *(n / 10 - TOLERANCE_S for n in (1, 2, 3))])
    one.leave_alone(HOST, 9)
    assert other.alone_s(HOST) == 9


TAKE = """
import sys, time
from pathlib import Path
from wunderkammer.conduct.pace import Pace
pace = Pace(Path(sys.argv[1]))
input()
for _ in range(4000):
    wait = pace.take("museum.example:443", lane="files", per_s=1000.0)
    print(repr(time.time() + wait))
"""


def test_two_processes_together_keep_the_rate(file):
    command = [sys.executable, "-c", TAKE, str(file)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env}
    both = [subprocess.Popen(command, **pipes) for _ in "ab"]
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    times = [[float(line) for line in one.communicate()[0].splitlines()] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    together = sorted(times[0] + times[1])
    assert len(together) == 8000
    # A thousand a second from the first to the last, less what may come early.
    assert together[-1] - together[0] >= 7.999 - 2 * TOLERANCE_S


def test_taking_a_token_costs_microseconds(file):
    pace = Pace(file)
    began = time.process_time()
    for _ in range(1000):
        pace.take(HOST, lane="files", per_s=1e6)
    # A hundred of them; a few on an idle machine.
    assert time.process_time() - began < 0.1


def test_the_shared_file_lies_where_only_this_user_can_write(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = shared_file()
    assert file.parent.parent == tmp_path
    assert file.parent.stat().st_mode & 0o777 == 0o700
    Pace(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert shared_file() == file


def test_a_folder_that_others_can_write_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shared_file().parent.chmod(0o770)
    with pytest.raises(PaceFolderError, match=r"0700.*remove it, or set TMPDIR"):
        shared_file()


def test_a_link_in_place_of_the_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "temporary" / f"wunderkammer-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PaceFolderError, match="only you can use"):
        shared_file()
