import ctypes
import os
import signal
import subprocess
import sys
import time

import pytest

from wunderkammer.workers import Casualty, Workers, guarded_map

WORKERS = Workers(num_workers=2, batch_size=8, item_timeout_s=20.0)


def square_unless_poisonous(number: int) -> int:
    if number in (13, 21):
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def hang_on_five(number: int) -> int:
    if number == 5:
        time.sleep(600)
    return number


def hang_in_c_on_five(number: int) -> int:
    """As a decoder may: no line of Python runs any more, in no thread."""
    if number == 5:
        ctypes.PyDLL(None).sleep(600)
    return number


def dawdle(number: int) -> int:
    time.sleep(0.25)
    return number


def fail_on_three(number: int) -> int:
    if number == 3:
        raise RuntimeError("a bug in fn")
    return number


def run(fn, items, workers=WORKERS):
    return [pair for batch in guarded_map(fn, items, workers=workers) for pair in batch]


def test_every_item_gets_its_result_once():
    pairs = run(abs, list(range(-30, 0)))
    assert sorted(pairs) == [(n, -n) for n in range(-30, 0)]


def test_only_the_items_that_kill_their_worker_are_lost():
    results = dict(run(square_unless_poisonous, list(range(30))))
    lost = {number for number, result in results.items() if isinstance(result, Casualty)}
    assert lost == {13, 21}
    assert results[13] == Casualty("crashed_worker")
    assert all(results[n] == n * n for n in range(30) if n not in lost)


@pytest.mark.parametrize("fn", [hang_on_five, hang_in_c_on_five])
def test_an_item_that_hangs_is_given_up_and_the_rest_finishes(fn):
    workers = Workers(num_workers=2, batch_size=4, item_timeout_s=1.0)
    results = dict(run(fn, list(range(8)), workers))
    assert results.pop(5) == Casualty("timed_out")
    assert results == {n: n for n in range(8) if n != 5}


def test_time_counts_for_each_item_by_itself():
    workers = Workers(num_workers=1, batch_size=8, item_timeout_s=1.0)
    assert dict(run(dawdle, list(range(8)), workers)) == {n: n for n in range(8)}


def test_an_exception_in_the_function_ends_the_run():
    with pytest.raises(RuntimeError, match="a bug in fn"):
        run(fail_on_three, list(range(8)))


def test_no_items_start_no_process():
    assert run(abs, []) == []


def test_workers_that_cannot_start_end_the_run_and_blame_no_item(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from wunderkammer.workers import Workers, guarded_map\n"
        "print(list(guarded_map(abs, [1, 2, 3], workers=Workers(num_workers=1))))\n"
    )
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode != 0
    assert "WorkerStartError: worker processes die as they start" in ran.stderr
