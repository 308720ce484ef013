"""The Dagster UI and daemon, and TensorBoard, as one foreground command."""

import os
import signal
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


def serve(*, port: int, tensorboard_port: int, tensorboard_logs: Path) -> int:
    """Run until one of the two ends or a signal comes; stop both. Returns an exit code."""
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


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask each to stop, and end with its whole session what does not."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
    for child in children:
        try:
            child.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


class _Flag:
    """Set by a signal handler."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, _signal: int, _frame: FrameType | None) -> None:
        """Note that the signal came."""
        self.is_set = True
