import contextlib
import hashlib
import io
import logging
import signal
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pyarrow as pa
import pytest
from PIL import Image
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.run import parse_args

from wunderkammer.gan import launch as module
from wunderkammer.gan import train
from wunderkammer.gan.checkpoints.archive import Archive
from wunderkammer.gan.job import TrainingJob
from wunderkammer.gan.launch import main, torchrun_arguments
from wunderkammer.process_tree import ProcessTree
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import to_parquet


@pytest.fixture
def run(monkeypatch):
    """Launch with a torchrun that does as it is told; returns what it was asked for."""

    def go(outcome=None):
        asked = []

        def stand_in(arguments):
            asked.append(arguments)
            if outcome is not None:
                raise outcome

        monkeypatch.setattr(module, "run", stand_in)
        monkeypatch.setattr(module, "die_with_parent", lambda: None)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "0")
        status = main(["job.json", "--num-processes", "2", "--stop-timeout-s", "7"])
        return status, asked[0]

    return go


def test_the_processes_of_one_machine_meet_without_a_network(run):
    status, asked = run()
    assert status == 0
    assert (asked.standalone, asked.local_addr) == (True, "127.0.0.1")
    assert (asked.nproc_per_node, asked.max_restarts, asked.shutdown_timeout) == ("2", 3, 7)
    assert (asked.module, asked.training_script) == (True, "wunderkammer.gan.train")
    assert asked.training_script_args == ["job.json"]


def test_those_of_several_machines_meet_where_they_are_told():
    arguments = torchrun_arguments(
        "job.json", num_processes=8, num_nodes=2, rendezvous="node1:29400", stop_timeout_s=7
    )
    asked = parse_args(arguments)
    assert (asked.nnodes, asked.rdzv_backend) == ("2", "c10d")
    assert asked.rdzv_endpoint == "node1:29400"
    assert not asked.standalone


def failed(code):
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=code, error_file="<N/A>")
    return ChildFailedError("train", {0: failure})


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (None, 0),
        (SignalException("stopped", signal.SIGTERM), 75),
        (failed(75), 75),
        (failed(1), 1),
        (failed(-9), 1),
    ],
)
def test_the_exit_status_is_that_of_the_training(run, outcome, status):
    assert run(outcome)[0] == status


def test_a_single_process_trains_right_here(monkeypatch):
    trained = []
    monkeypatch.setattr(train, "main", lambda arguments: trained.append(arguments) or 75)
    monkeypatch.setattr(module.torch.cuda, "device_count", lambda: 0)
    assert main(["job.json"]) == 75
    assert trained == [["job.json"]]


def test_several_nodes_without_a_place_to_meet_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["job.json", "--num-nodes", "2"])
    assert "--rendezvous host:port" in capsys.readouterr().err


@pytest.mark.parametrize(("done", "is_kept"), [("0", True), ("3", False)])
def test_a_process_that_is_started_again_does_not_take_leave(monkeypatch, done, is_kept):
    left = []

    @contextlib.contextmanager
    def pipes():
        try:
            yield SimpleNamespace(log=logging.getLogger("test"))
        finally:
            left.append("taken")

    monkeypatch.setattr("dagster_pipes.open_dagster_pipes", pipes)
    monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", "anything")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", done)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    kept = contextlib.ExitStack.pop_all
    stacks = []
    monkeypatch.setattr(contextlib.ExitStack, "pop_all", lambda stack: stacks.append(kept(stack)))
    with (
        contextlib.suppress(RuntimeError),
        train.watcher(SimpleNamespace(is_first=True)),
    ):
        raise RuntimeError("the other process has died")
    assert bool(left) != is_kept
    for stack in stacks:
        stack.close()


@pytest.fixture
def endless(tmp_path, pictures, recipe):
    """A job that goes on until it is stopped, as a file."""
    contents = []
    for picture in pictures:
        sink = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(sink, "PNG")
        contents.append(sink.getvalue())
    table = pa.table(
        {
            "image": [{"bytes": content, "path": None} for content in contents],
            "sha256": [hashlib.sha256(content).hexdigest() for content in contents],
        }
    )
    store = Store(str(tmp_path / "data"))
    store.write("shard.parquet", to_parquet(table))
    job = TrainingJob(
        location=store.location,
        subject="halves",
        trajectory="t",
        run_prefix="run",
        shard_keys=("shard.parquet",),
        resolution_px=8,
        channels=3,
        train=recipe(total_kimg=4000.0, batch_size=8, snapshot_ticks=2, keep_best=0),
        device="cpu",
        tensorboard_dir=None,
    )
    path = tmp_path / "job.json"
    path.write_text(job.model_dump_json())
    return path, Archive(store, "run")


@pytest.mark.slow
def test_two_processes_go_on_after_one_was_killed_and_stop_with_a_checkpoint(endless):
    path, archive = endless
    command = [sys.executable, "-m", "wunderkammer.gan.launch", str(path), "--num-processes", "2"]
    launched = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_ticks(launched.stderr, 3)
        workers = psutil.Process(launched.pid).children(recursive=True)
        assert len(workers) == 2
        workers[-1].kill()
        wait_for_ticks(launched.stderr, 2)
        again = psutil.Process(launched.pid).children(recursive=True)
        launched.terminate()
        rest = launched.stderr.read()
        assert launched.wait() == 75
    finally:
        ProcessTree(launched.pid).kill()
        launched.stderr.close()
        launched.wait()
    assert rest.count("checkpoint written; run it again to go on") == 1
    psutil.wait_procs(again, timeout=30)
    assert not any(child.is_running() for child in again)
    assert archive.newest(at_most=10**9).facts.num_images > 32


def wait_for_ticks(lines, number):
    for line in lines:
        number -= "images/s" in line
        if not number:
            return
    raise AssertionError("it ended before")
