"""The Dagster UI and daemon, and TensorBoard, as one foreground command."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from pipelines.instance import PROJECT, dagster_home
from resources.trainer import TENSORBOARD_URL

HOST = "127.0.0.1"
HTTP = f"http://{HOST}"
STOP_TIMEOUT_S = 30.0
STEPS_TIMEOUT_S = 150.0


def serve(*, port: int, tensorboard_port: int, tensorboard_logs: Path) -> int:
    """Run until one of the two ends or a signal comes; stop both. Returns an exit code."""
    for taken in (port, tensorboard_port):
        if _is_taken(taken):
            print(f"port {taken} is taken; is `make up` running already? Else choose other ports:")
            print("  wunderkammer up --port 3001 --tensorboard-port 6007")
            return 2
    home = dagster_home()
    tensorboard_logs.mkdir(parents=True, exist_ok=True)
    tensorboard_url = f"{HTTP}:{tensorboard_port}"
    environ = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        TENSORBOARD_URL: tensorboard_url,
    }
    binaries = Path(sys.executable).parent
    workspace = PROJECT / "workspace.yaml"
    dagster: list[str | Path] = [binaries / "dagster", "dev", "--workspace", workspace]
    tensorboard: list[str | Path] = [binaries / "tensorboard", "--logdir", tensorboard_logs]
    commands = [
        [*dagster, "--host", HOST, "--port", str(port)],
        [*tensorboard, "--host", HOST, "--port", str(tensorboard_port)],
    ]
    stopped = _Flag()
    signal.signal(signal.SIGINT, stopped.set)
    signal.signal(signal.SIGTERM, stopped.set)
    # In sessions of their own, or a Ctrl-C would reach them from the terminal and from here.
    children = [
        subprocess.Popen(command, cwd=PROJECT, env=environ, start_new_session=True)
        for command in commands
    ]
    print(f"Dagster UI: {HTTP}:{port}   TensorBoard: {tensorboard_url}", flush=True)
    while not stopped.is_set and all(child.poll() is None for child in children):
        time.sleep(0.2)
    failed = [child.returncode for child in children if child.returncode]
    _stop(children)
    return failed[0] if failed else 0


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask each to stop, then what it has started: a training needs time for its checkpoint."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
    for child in children:
        try:
            child.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    deadline = time.monotonic() + STEPS_TIMEOUT_S
    groups = [child.pid for child in children if _signal_group(child.pid, signal.SIGTERM)]
    while groups and time.monotonic() < deadline:
        time.sleep(0.2)
        groups = [group for group in groups if _signal_group(group, 0)]
    for group in groups:
        _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Whether the process group still had a process to signal."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


class _Flag:
    """Set by a signal handler."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, _signal: int, _frame: FrameType | None) -> None:
        """Note that the signal came."""
        self.is_set = True
