"""How a training process is stopped."""

import logging
import subprocess
import sys
from types import SimpleNamespace

from resources.trainer import Trainer

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_training_that_does_not_stop_is_killed_and_the_log_says_so(caplog):
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        context = SimpleNamespace(log=logging.getLogger("test"))
        Trainer(stop_timeout_s=0.2)._stop(context, process)
        assert process.poll() == -9
    assert "was killed" in caplog.text
