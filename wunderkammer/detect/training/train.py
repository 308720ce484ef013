"""The training process of a detector: `python -m wunderkammer.detect.training.train JOB.json`.

Exit status: 0 when the training came to its end; 75 (EX_TEMPFAIL) when SIGTERM or Ctrl-C stopped
it, so that the same command goes on from its last whole epoch.
"""

import argparse
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pyarrow as pa
import pyarrow.compute as pc
import torch

from wunderkammer.detect.detector_file import Detector, parse_detector, write_detector
from wunderkammer.detect.training.dataset import load_examples
from wunderkammer.detect.training.evaluate import Evaluation, evaluate
from wunderkammer.detect.training.job import DetectorJob
from wunderkammer.detect.training.plots import (
    held_out_sheet,
    precision_recall_plot,
    training_plot,
)
from wunderkammer.detect.training.result import (
    PICTURE_FILES,
    RESULT_FILE,
    ClassResult,
    TrainingResult,
)
from wunderkammer.detect.training.state import Epoch
from wunderkammer.detect.training.yolo import StoppedError, Trained, Work, train
from wunderkammer.detect.weights import TRAINED_FILE
from wunderkammer.gan.device import choose_device
from wunderkammer.process_tree import die_with_parent
from wunderkammer.storage.blobs import Blobs
from wunderkammer.storage.store import Store
from wunderkammer.workers import num_cpus

log = logging.getLogger("wunderkammer.detect.training")

EXIT_DONE = 0
EXIT_STOPPED = os.EX_TEMPFAIL
MAX_WORKERS = 8
PICTURES_FOLDER = "pictures"
# Of a network's tensors, those that are learnt and not counted along.
LEARNT = (".weight", ".bias")

Say = Callable[[str], None]
OnEpoch = Callable[[Epoch], None]


def run(
    job: DetectorJob, *, say: Say, on_epoch: OnEpoch, should_stop: Callable[[], bool]
) -> TrainingResult:
    """Train the detector of a job, or go on with it, examine it, and leave all files of its result.

    Raises:
        StoppedError: `should_stop` said so.
        FloatingPointError: the loss is no finite number.
    """
    start = perf_counter()
    store, device = Store(job.location), choose_device(job.device)
    dataset = job.dataset
    trained_on = dataset.filter(pc.invert(dataset["is_held_out"]))
    held_out = dataset.filter(dataset["is_held_out"])
    say(
        f"{trained_on.num_rows} pictures to learn from, {held_out.num_rows} held out, "
        f"{len(job.class_names)} classes, on {device}"
    )
    work = _work(job, trained_on, held_out, store=store, device=device)
    trained = train(replace(work, on_epoch=on_epoch, should_stop=should_stop))
    detector = _published(trained.detector, job)
    examined = evaluate(
        detector,
        held_out,
        store=store,
        image_size_px=job.training.image_size_px,
        batch_size=job.training.batch_size,
        device=device,
    )
    result = _result(trained, detector, examined, sides=(trained_on, held_out), device=device)
    result = result.model_copy(update={"seconds": perf_counter() - start})
    _leave_files(job, result, examined, held_out, blobs=Blobs(store))
    return result


def _work(
    job: DetectorJob,
    trained_on: pa.Table,
    held_out: pa.Table,
    *,
    store: Store,
    device: torch.device,
) -> Work:
    """What to train, which nobody watches yet."""
    pictures = job.path / PICTURES_FOLDER
    return Work(
        folder=job.path,
        architecture=job.architecture,
        class_names=job.class_names,
        start=None if job.start is None else job.start.read(store),
        examples=load_examples(trained_on, store, pictures),
        held_out=load_examples(held_out, store, pictures),
        params=job.training,
        device="cpu" if device.type == "cpu" else str(device.index or 0),
        num_workers=min(num_cpus(), MAX_WORKERS),
        on_epoch=lambda _: None,
        should_stop=lambda: False,
    )


def _published(best: Detector, job: DetectorJob) -> Detector:
    """The best weights with their provenance, written to the file that is published."""
    provenance = {
        "trained_on": job.labels_digest,
        "image_size_px": str(job.training.image_size_px),
    }
    content = write_detector(replace(best, provenance=provenance))
    _replace(job.path / TRAINED_FILE, content)
    return parse_detector(content)


def _result(
    trained: Trained,
    detector: Detector,
    evaluation: Evaluation,
    *,
    sides: tuple[pa.Table, pa.Table],
    device: torch.device,
) -> TrainingResult:
    trained_on, held_out = sides
    counts = [Counter(pc.list_flatten(side["classes"]).to_pylist()) for side in sides]
    classes = {}
    for number, name in enumerate(detector.names):
        found = evaluation.classes.get(name)
        classes[name] = ClassResult(
            boxes_trained=counts[0][number],
            boxes_held_out=counts[1][number],
            map50=None if found is None else found.ap50,
            map50_95=None if found is None else found.ap50_95,
            best_confidence=None if found is None else found.best_confidence,
        )
    return TrainingResult(
        detector_sha256=detector.sha256,
        map50=evaluation.map50,
        map50_95=evaluation.map50_95,
        classes=classes,
        epochs=tuple(trained.history),
        best_epoch=trained.best_epoch,
        num_trained=trained_on.num_rows,
        num_held_out=held_out.num_rows,
        num_parameters=sum(a.size for n, a in detector.tensors.items() if n.endswith(LEARNT)),
        device=str(device),
        seconds=0.0,
    )


def _leave_files(
    job: DetectorJob,
    result: TrainingResult,
    evaluation: Evaluation,
    held_out: pa.Table,
    *,
    blobs: Blobs,
) -> None:
    """Write pictures, then the result, by which the training counts as finished."""
    sheet = held_out_sheet(
        held_out,
        evaluation.examined,
        job.class_names,
        confidence=evaluation.best_confidence,
        blobs=blobs,
    )
    contents = (
        sheet,
        precision_recall_plot(evaluation.classes),
        training_plot(result.epochs, best_epoch=result.best_epoch),
    )
    for name, content in zip(PICTURE_FILES, contents, strict=True):
        _replace(job.path / name, content)
    _replace(job.path / RESULT_FILE, result.model_dump_json(indent=1).encode())


def _replace(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    part.replace(file)


def epoch_line(epoch: Epoch, num_epochs: int) -> str:
    """A finished epoch in words."""
    loss = sum(value for name, value in epoch.items() if name.startswith("train/"))
    return (
        f"epoch {epoch['epoch']:g} of {num_epochs}: loss {loss:.3f}, held out mAP50 "
        f"{epoch['mAP50']:.3f}, mAP50-95 {epoch['mAP50-95']:.3f}"
    )


@contextmanager
def listener(num_epochs: int) -> Iterator[tuple[Say, OnEpoch]]:
    """Whoever hears of the training: the orchestrator that launched it by Pipes, else the log."""
    from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

    if DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        yield log.info, lambda epoch: log.info(epoch_line(epoch, num_epochs))
        return
    with open_dagster_pipes() as pipes:

        def on_epoch(epoch: Epoch) -> None:
            pipes.log.info(epoch_line(epoch, num_epochs))
            pipes.report_custom_message({"kind": "epoch", "metrics": epoch})

        yield pipes.log.info, on_epoch


def main(arguments: list[str] | None = None) -> int:
    """Run the job file; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m wunderkammer.detect.training.train", description=__doc__
    )
    parser.add_argument("job", type=Path, help="a DetectorJob as JSON")
    path: Path = parser.parse_args(arguments).job
    is_stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal is_stopped
        is_stopped = True

    for number in (signal.SIGTERM, signal.SIGINT):  # Ctrl-C reaches children of a terminal too
        signal.signal(number, stop)
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    job = DetectorJob.model_validate_json(path.read_bytes())
    with listener(job.training.epochs) as (say, on_epoch):
        try:
            result = run(job, say=say, on_epoch=on_epoch, should_stop=lambda: is_stopped)
        except StoppedError as stopped:
            say(f"{stopped}; run it again to go on")
            return EXIT_STOPPED
        say(f"mAP50 {result.map50:.3f}, mAP50-95 {result.map50_95:.3f} on the pictures held out")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
