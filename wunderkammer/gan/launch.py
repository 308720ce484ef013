"""Several training processes as one: `python -m wunderkammer.gan.launch JOB.json`.

torchrun starts one process a GPU. If one dies, it starts all of them again (elastic restart) and
the training goes on from its newest checkpoint. A single process trains right here.

Exit status: that of `wunderkammer.gan.train`: 0 when the last image was reached, 75 when a signal
stopped the training, 1 when it failed more than `MAX_RESTARTS` times.
"""

import argparse
import os
import sys
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from wunderkammer.gan import train
from wunderkammer.process_tree import die_with_parent
from wunderkammer.workers import num_cpus

MAX_RESTARTS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the job file in as many processes as asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m wunderkammer.gan.launch", description=__doc__)
    parser.add_argument("job", type=Path, help="a TrainingJob as JSON")
    parser.add_argument("--num-processes", type=int, default=0, help="0: one a GPU")
    parser.add_argument("--num-nodes", type=int, default=1, help="start this on each of them")
    parser.add_argument("--rendezvous", help="host:port of one of several nodes")
    parser.add_argument("--stop-timeout-s", type=int, default=110, help="for a checkpoint")
    options = parser.parse_args(arguments)
    if options.num_nodes > 1 and not options.rendezvous:
        parser.error("--num-nodes above 1 needs --rendezvous host:port")
    num_processes = options.num_processes or max(torch.cuda.device_count(), 1)
    if num_processes * options.num_nodes == 1:
        return train.main([str(options.job)])
    die_with_parent()
    # Else each process would take every core, or torchrun would leave each a single one.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(num_cpus() // num_processes, 1)))
    # Else processes that are started again find each other's addresses of before they died.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    return launch(
        torchrun_arguments(
            options.job,
            num_processes=num_processes,
            num_nodes=options.num_nodes,
            rendezvous=options.rendezvous,
            stop_timeout_s=options.stop_timeout_s,
        )
    )


def torchrun_arguments(
    job: Path,
    *,
    num_processes: int,
    num_nodes: int,
    rendezvous: str | None,
    stop_timeout_s: int,
) -> list[str]:
    """The command line of torchrun: processes of one machine find each other by themselves."""
    meeting = ["--standalone", "--local-addr", "127.0.0.1"]
    if num_nodes > 1:
        assert rendezvous is not None
        meeting = ["--nnodes", str(num_nodes), "--rdzv-backend", "c10d"]
        meeting += ["--rdzv-endpoint", rendezvous, "--rdzv-id", "wunderkammer"]
    return [
        *meeting,
        "--nproc-per-node",
        str(num_processes),
        "--max-restarts",
        str(MAX_RESTARTS),
        "--shutdown-timeout",
        str(stop_timeout_s),
        "-m",
        train.__name__,
        str(job),
    ]


def launch(arguments: list[str]) -> int:
    """Run torchrun in this process; returns the exit status of the training."""
    try:
        run(parse_args(arguments))  # type: ignore[no-untyped-call]
    except SignalException:
        return train.EXIT_STOPPED
    except ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        if codes == {train.EXIT_STOPPED}:
            return train.EXIT_STOPPED
        print(error, file=sys.stderr)
        return 1
    return train.EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
