"""The training process: `python -m wunderkammer.gan.train JOB.json`.

Exit status: 0 when the last image was reached; 75 (EX_TEMPFAIL) when SIGTERM or
Ctrl-C stopped it and a checkpoint was written, so that the same command goes on from there.
"""

import argparse
import base64
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load

from wunderkammer.gan.checkpoints.published import network_params_of
from wunderkammer.gan.curriculum import picture_ranks
from wunderkammer.gan.device import choose_device, limit_threads
from wunderkammer.gan.evaluation.snapshot import SnapshotMeasure
from wunderkammer.gan.holdout import split
from wunderkammer.gan.interop.portable import Portable, read_portable
from wunderkammer.gan.job import StartFiles, TrainingJob
from wunderkammer.gan.networks.interface import GeneratorNetwork
from wunderkammer.gan.params import MeasureCurriculum
from wunderkammer.gan.plan import starting_lines
from wunderkammer.gan.training.grid import pictures_of
from wunderkammer.gan.training.loader import TrainingImages
from wunderkammer.gan.training.loop import Outcome, Score, Surroundings, run_training
from wunderkammer.gan.training.processes import Processes, joined
from wunderkammer.gan.training.report import OnTick, TickReport
from wunderkammer.gan.training.residence import on_gpu, open_images, place_of
from wunderkammer.process_tree import die_with_parent
from wunderkammer.scratch import scratch_folder
from wunderkammer.shards.read import load_families, load_labels
from wunderkammer.storage.store import Store
from wunderkammer.storage.tables import from_parquet

log = logging.getLogger("wunderkammer.gan.train")

NUM_SCORED = 512

STUCK_S = 300
EXIT_DONE = 0
EXIT_STOPPED = os.EX_TEMPFAIL


def train(
    job: TrainingJob,
    *,
    device: torch.device,
    processes: Processes,
    say: Callable[[str], None],
    on_tick: OnTick,
    should_stop: Callable[[], bool],
) -> Outcome:
    """Run a job in this process, or go on with it from its newest checkpoint.

    `say` hears what was chosen, before the first step.

    Raises:
        FloatingPointError: a loss is no finite number.
        ValueError: the weights to start from can't be read.
    """
    store = Store(job.location)
    families = load_families(store, job.shard_keys)
    everything = load_pictures(
        store,
        job,
        num_images=len(families),
        device=device,
        say=say if processes.is_first else log.debug,
    )
    train_N, held_out_N = split(families, share=job.train.held_out, seed=job.train.seed)
    if isinstance(job.train.curriculum, MeasureCurriculum):
        assert job.manifest_key is not None
        manifest = from_parquet(store.read(job.manifest_key))
        everything = replace(everything, ranks_N=picture_ranks(manifest, job.train.curriculum))
    data, held_out = everything, None
    if len(held_out_N):
        data, held_out = everything.chosen(train_N), everything.chosen(held_out_N)
    if processes.is_first:
        announce(job, data, num_held_out=len(held_out_N), device=device, say=say)
    score: Score | None = None
    if job.train.keep_best and processes.is_first:
        score = snapshot_score(data, seed=job.train.seed)
    around = Surroundings(
        archive=job.archive,
        device=device,
        processes=processes,
        on_tick=on_tick,
        should_stop=should_stop,
        tensorboard=None if job.tensorboard_dir is None else Path(job.tensorboard_dir),
        score=score,
    )
    start = None if job.start is None else load_start(store, job.start)
    return run_training(data, job.train, around=around, held_out=held_out, start=start)


def announce(
    job: TrainingJob,
    data: TrainingImages,
    *,
    num_held_out: int,
    device: torch.device,
    say: Callable[[str], None],
) -> None:
    """Say what was chosen, and why."""
    for line in starting_lines(
        job.train,
        num_images=len(data),
        num_held_out=num_held_out,
        resolution_px=job.resolution_px,
        channels=job.channels,
        num_labels=data.num_labels,
        device=device,
    ):
        say(line)


def load_pictures(
    store: Store,
    job: TrainingJob,
    *,
    num_images: int,
    device: torch.device,
    say: Callable[[str], None],
) -> TrainingImages:
    """All pictures of the shards, with their labels where the training wants them.

    Raises:
        ValueError: they are to be on a GPU, and the training runs on a CPU.
    """
    place = place_of(
        device, num_images=num_images, channels=job.channels, side_px=job.resolution_px
    )
    residence = place.choose() if job.train.residence == "auto" else job.train.residence
    if residence == "gpu" and device.type != "cuda":
        raise ValueError(
            f"train.residence: gpu, and the training runs on {device}; set it to auto, memory or "
            f"stream"
        )
    say(place.line(residence))
    scratch = scratch_folder(store) / "pictures" / job.subject
    images = open_images(store, job.shard_keys, place=place, residence=residence, scratch=scratch)
    if residence == "gpu":
        images = on_gpu(images, device)
    if not job.labels:
        return images
    numbers = {name: number for number, name in enumerate(job.labels)}
    found = load_labels(store, job.shard_keys)
    labels_N = np.array([numbers[str(name)] for name in found], np.int64)
    return replace(images, labels_N=labels_N, num_labels=len(job.labels))


def load_start(store: Store, start: StartFiles) -> Portable:
    """The weights that a training starts from.

    Raises:
        ValueError: the file is not one of ours.
    """
    if start.path is not None:
        return read_portable(Path(start.path), sha256=start.sha256)
    assert start.tensors_key is not None
    assert start.description_key is not None
    description = json.loads(store.read(start.description_key))
    return Portable(
        network_params_of(description["generator"]), load(store.read(start.tensors_key))
    )


def snapshot_score(data: TrainingImages, *, seed: int) -> Score:
    """The measure by which the best checkpoint is kept: lower is nearer to the pictures."""
    num = min(NUM_SCORED, len(data))
    chosen_N = np.sort(np.random.default_rng(seed).permutation(len(data))[:num])
    measure = SnapshotMeasure(data.read(chosen_N), num=num, seed=seed)

    def score(generator: GeneratorNetwork) -> float:
        random = torch.Generator().manual_seed(seed)
        latents_NZ = torch.randn(num, generator.z_dim, generator=random)
        return measure.of(pictures_of(generator, latents_NZ))

    return score


def set_up(device: torch.device, *, is_deterministic: bool) -> None:
    """Let the GPU use its fast kernels, or, if asked, only those that give equal bits."""
    if device.type != "cuda":
        return
    if is_deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.cuda.set_device(device)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = not is_deterministic


class Watcher(Protocol):
    """Whoever hears of the training while it runs."""

    def say(self, line: str) -> None:
        """A line for the log."""

    def tick(self, report: TickReport) -> None:
        """A finished tick."""


class LogWatcher:
    """Log lines only: the process was started by hand."""

    def say(self, line: str) -> None:
        """Log a line."""
        log.info(line)

    def tick(self, report: TickReport) -> None:
        """Log its line."""
        self.say(report.line)


class SilentWatcher:
    """Nobody: another process of the same training reports."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def tick(self, report: TickReport) -> None:
        """Say nothing."""


class PipesWatcher:
    """Log lines and a custom message a tick, to the orchestrator that launched the process."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def say(self, line: str) -> None:
        """Log a line there."""
        self._context.log.info(line)

    def tick(self, report: TickReport) -> None:
        """Log its line and send its numbers and picture."""
        self.say(report.line)
        self._context.report_custom_message(tick_message(report))


class PipesWarnings(logging.Handler):
    """Hands warnings on to the orchestrator, so that they are seen where the ticks are."""

    def __init__(self, context: Any) -> None:
        super().__init__(logging.WARNING)
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        """Log it there."""
        self._context.log.warning(record.getMessage())


@contextmanager
def heard_by(handler: logging.Handler) -> Iterator[None]:
    """Let `handler` have what this project logs."""
    logger = logging.getLogger("wunderkammer")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def tick_message(report: TickReport) -> dict[str, Any]:
    """A tick as the JSON payload of a custom message."""
    tick, grid = report.tick, report.grid_jpeg
    speed = {"images_per_s": tick.images_per_s, "memory_mb": tick.memory_mb}
    return {
        "kind": "tick",
        "kimg": tick.num_images / 1000,
        "metrics": {**tick.measures, **speed, **report.readings, "elapsed_s": tick.elapsed_s},
        "grid_jpeg_base64": None if grid is None else base64.b64encode(grid).decode(),
    }


@contextmanager
def watcher(processes: Processes) -> Iterator[Watcher]:
    """One that suits how this process was launched: the environment says whether by Pipes.

    Of several processes only the first reports there.
    """
    from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

    if not processes.is_first:
        yield SilentWatcher()
        return
    if DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        yield LogWatcher()
        return
    with ExitStack() as stack:
        context = stack.enter_context(open_dagster_pipes())
        is_over = False
        try:
            with heard_by(PipesWarnings(context)):
                yield PipesWatcher(context)
            is_over = True
        finally:
            if not is_over and is_started_again():
                stack.pop_all()  # whoever has taken leave is not listened to any more


def is_started_again() -> bool:
    """Whether torchrun starts this process again if it fails."""
    done = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    return done < int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))


def keep_freed_memory() -> None:
    """Let malloc keep large buffers instead of returning each to the kernel (glibc, mallopt(3)).

    A step frees and takes the same buffers again; mapping them anew costs a fifth of a CPU step.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(m_mmap_threshold, 1 << 30)
        mallopt(m_trim_threshold, (1 << 31) - 1)


def main(arguments: list[str] | None = None) -> int:
    """Run the job file; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m wunderkammer.gan.train", description=__doc__)
    parser.add_argument("job", type=Path, help="a TrainingJob as JSON")
    path: Path = parser.parse_args(arguments).job
    is_stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal is_stopped
        is_stopped = True
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            # Who waits for a process that has died waits long; the kernel ends it then.
            signal.alarm(STUCK_S)

    for number in (signal.SIGTERM, signal.SIGINT):  # Ctrl-C reaches children of a terminal too
        signal.signal(number, stop)
    die_with_parent()
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    job = TrainingJob.model_validate_json(path.read_bytes())
    limit_threads(job.train)
    device = choose_device(job.device)
    set_up(device, is_deterministic=job.train.deterministic)
    with joined(device) as processes, watcher(processes) as watch:
        outcome = train(
            job,
            device=device,
            processes=processes,
            say=watch.say,
            on_tick=watch.tick,
            should_stop=lambda: is_stopped,
        )
        kimg = outcome.facts.num_images / 1000
        if not outcome.is_complete:
            watch.say(f"stopped at {kimg:g} kimg, checkpoint written; run it again to go on")
            return EXIT_STOPPED
        watch.say(f"trained to {kimg:g} kimg, checkpoint {outcome.facts.digest[:16]}")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
