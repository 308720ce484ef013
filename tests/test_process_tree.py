import subprocess
import sys

import psutil
import pytest

from wunderkammer.process_tree import ProcessTree

SLEEPER = "import time; time.sleep(60)"
FAMILY = f"""
import subprocess, sys
command = [sys.executable, "-c", {SLEEPER!r}]
child = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
print(child.pid, flush=True)
sys.stdin.read()
"""
TIED = """
import os, subprocess, sys, time
from wunderkammer.process_tree import die_with_parent
die_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def start():
    running = []

    def go(code):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process, psutil.Process(int(process.stdout.readline()))

    yield go
    for process in running:
        process.kill()
        process.communicate()


def has_ended(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_tree_is_killed_whole_whatever_sessions_it_is_in(start):
    process, child = start(FAMILY)
    assert ProcessTree(process.pid).kill() == 2
    assert has_ended(child)
    assert process.wait() == -9


def test_what_was_seen_is_killed_after_its_parent_has_gone(start):
    process, child = start(FAMILY)
    tree = ProcessTree(process.pid)
    process.communicate("")
    assert child.is_running()
    assert tree.kill() == 1
    psutil.wait_procs([child], timeout=10)
    assert has_ended(child)


def test_a_tree_that_has_ended_has_nothing_to_kill(start):
    process, child = start(FAMILY)
    child.kill()
    process.communicate("")
    assert ProcessTree(process.pid).kill() == 0


def test_a_process_tied_to_its_parent_ends_with_it(start):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TIED!r}])"
    process, child = start(code)
    process.kill()
    process.wait()
    psutil.wait_procs([child], timeout=30)
    assert has_ended(child)
