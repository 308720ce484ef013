"""Ultralytics' trainer of detectors (8.4), with our pictures, and a resume that changes nothing.

Its own resume goes on from rounded averages, forgets the rest, and needs a file that a kill may
leave half-written. Here every epoch begins from a seed of its own, and what it needs is kept whole
(`state.py`), so a training that was killed ends with the weights of one that was not.
"""

import math
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wunderkammer.detect.detector_file import Detector, read_detector, write_detector
from wunderkammer.detect.network import build_network, new_network
from wunderkammer.detect.training.dataset import Example
from wunderkammer.detect.training.params import YoloTrainingParams
from wunderkammer.detect.training.state import Epoch, TrainingState, read_state, write_state
from wunderkammer.detect.ultralytics_offline import ultralytics_module

BEST_FILE = "best.safetensors"

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
WARMUP_EPOCHS = 3.0
# Ultralytics' own momentum of running means, torch's, and the steps below which the former is slow.
NORM_MOMENTUM = 0.03
MAX_NORM_MOMENTUM = 0.1
SETTLING_STEPS = 60
# Pictures are shown in fours until the last tenth of the epochs, at most the last ten of them.
MAX_PLAIN_EPOCHS = 10
# Settings of ultralytics that load other packages or report to somebody.
REPORTING = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


class StoppedError(RuntimeError):
    """A training was asked to stop; what it had finished is kept."""


@dataclass(frozen=True)
class Work:
    """What to train, on what, and who watches.

    Attributes:
        folder: where the state and the best weights are kept.
        architecture: checked.
        start: weights to begin with, or None.
        device: "cpu", or the number of a GPU.
        num_workers: processes that prepare pictures for a GPU.
        on_epoch: hears of each finished epoch: its number, losses and measures.
        should_stop: asked after each batch.
    """

    folder: Path
    architecture: dict[str, Any]
    class_names: tuple[str, ...]
    start: Detector | None
    examples: Sequence[Example]
    held_out: Sequence[Example]
    params: YoloTrainingParams
    device: str
    num_workers: int
    on_epoch: Callable[[Epoch], None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True)
class Trained:
    """A training that has come to its end: the best weights, and its course."""

    detector: Detector
    history: list[Epoch]
    best_epoch: int


def train(work: Work) -> Trained:
    """Train, or go on with a training, to its end.

    Raises:
        StoppedError: `should_stop` said so.
        FloatingPointError: the loss is no finite number.
    """
    work.folder.mkdir(parents=True, exist_ok=True)
    utils = ultralytics_module("utils")
    utils.SETTINGS.update(dict.fromkeys(REPORTING, False))
    state = read_state(work.folder)
    if state is None or not is_over(state, work.params):
        training = training_class()(work, state)
        training.train()
        state = training.state
    return Trained(read_detector(work.folder / BEST_FILE), state.history, state.best_epoch)


def is_over(state: TrainingState, params: YoloTrainingParams) -> bool:
    """Whether the last epoch was done, or too many without a better one."""
    is_stuck = 0 < params.patience <= state.epoch - state.stopper[1]
    return state.epoch >= params.epochs or is_stuck


class ResumableTraining:
    """Overrides of ultralytics' `DetectionTrainer`, which is the next class in line."""

    # Of ultralytics' trainer.
    args: Any
    model: Any
    ema: Any
    optimizer: Any
    scaler: Any
    stopper: Any
    train_loader: Any
    loss: Any
    fitness: Any
    best_fitness: Any
    epoch: int
    epochs: int
    start_epoch: int
    batch_size: int

    def __init__(self, work: Work, state: TrainingState | None) -> None:
        self.work = work
        self.state = state
        self.history = [] if state is None else state.history
        self.best_epoch = 0 if state is None else state.best_epoch
        super().__init__(overrides=overrides(work))  # type: ignore[call-arg]
        add: Any = getattr(self, "add_callback")  # noqa: B009 - not known to the type checker
        add("on_train_epoch_start", lambda _: self._begin_epoch())
        add("on_train_batch_end", lambda _: self._look_for_stop())

    def get_dataset(self) -> dict[str, Any]:
        """The classes; the pictures come by `build_dataset`."""
        names = dict(enumerate(self.work.class_names))
        return {"train": "train", "val": "val", "nc": len(names), "names": names, "channels": 3}

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        """The pictures of one side; `img_path` is "train" or "val"."""
        is_training = mode == "train"
        return pictures_class()(
            self.work.examples if img_path == "train" else self.work.held_out,
            imgsz=self.args.imgsz,
            batch_size=batch,
            augment=is_training,
            hyp=self.args,
            rect=not is_training,
            stride=32,
            pad=0.0 if is_training else 0.5,
            data=self.get_dataset(),
        )

    def setup_model(self) -> TrainingState | None:
        """Build the network, with the weights that it starts from; returns the state to resume."""
        architecture = {**deepcopy(self.work.architecture), "nc": len(self.work.class_names)}
        model = new_network(architecture)
        model.names = self.get_dataset()["names"]
        if self.work.start is not None and self.state is None:
            model.load(build_network(self.work.start), verbose=False)
        self.model = model
        self._settle_norms()
        return self.state

    def resume_training(self, state: TrainingState | None) -> None:
        """Put everything back to where it was after the last whole epoch."""
        if state is None:
            return
        self.model.load_state_dict(state.model)
        self.ema.ema.load_state_dict(state.average)
        self.ema.updates = state.updates
        self.optimizer.load_state_dict(state.optimizer)
        self.scaler.load_state_dict(state.scaler)
        self.best_fitness = state.best_fitness
        self.stopper.best_fitness, self.stopper.best_epoch = state.stopper
        self.start_epoch = state.epoch
        if getattr(self.model.model[-1], "one2one_cv2", None) is not None:
            # The weights of a double head's losses shift with the epochs.
            self.model.criterion = self.model.init_criterion()
            self.model.criterion.updates = state.epoch - 1
            self.model.criterion.update()

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """Note the losses and measures of the epoch."""
        row: Epoch = {"epoch": self.epoch + 1}
        row |= {_plain_name(name): round(float(value), 6) for name, value in metrics.items()}
        self.history = [*self.history, row]

    def save_model(self) -> bool:
        """Keep the state, and before it the weights if they are the best so far."""
        if self.best_fitness == self.fitness:
            self.best_epoch = self.epoch + 1
            part = self.work.folder / f"{BEST_FILE}.part"
            part.write_bytes(write_detector(self._average()))
            part.replace(self.work.folder / BEST_FILE)
        self.state = TrainingState(
            epoch=self.epoch + 1,
            model=self.model.state_dict(),
            average=self.ema.ema.state_dict(),
            updates=int(self.ema.updates),
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            best_fitness=float(self.best_fitness),
            best_epoch=self.best_epoch,
            stopper=(float(self.stopper.best_fitness), int(self.stopper.best_epoch)),
            history=self.history,
        )
        write_state(self.work.folder, self.state)
        self.work.on_epoch(self.history[-1])
        return True

    def final_eval(self) -> None:
        """Nothing: the best weights are examined apart (`evaluate.py`)."""

    def _handle_nan_recovery(self, epoch: int) -> bool:
        values = {"loss": float(self.loss.detach()), "fitness": float(self.fitness)}
        broken = {name: value for name, value in values.items() if not math.isfinite(value)}
        if broken:
            raise FloatingPointError(
                f"epoch {epoch + 1}: {broken} is not finite; lower detector.learning_rate "
                f"(it is {self.args.lr0:g})"
            )
        return False

    def _settle_norms(self) -> None:
        """Let running means follow fast enough to mean something at the end of a short training."""
        num_batches = math.ceil(len(self.work.examples) / self.work.params.batch_size)
        num_steps = num_batches * self.work.params.epochs
        momentum = min(MAX_NORM_MOMENTUM, max(NORM_MOMENTUM, SETTLING_STEPS / num_steps))
        for module in self.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = momentum

    def _average(self) -> Detector:
        tensors = {
            name: tensor.detach().cpu().numpy()
            for name, tensor in self.ema.ema.state_dict().items()
        }
        architecture = {**self.work.architecture, "nc": len(self.work.class_names)}
        return Detector(architecture, self.work.class_names, tensors)

    def _begin_epoch(self) -> None:
        """Draw all chance of this epoch from its own seed, whatever was drawn before."""
        seed = (self.work.params.seed + 1) * 1_000_003 + self.epoch
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        self.train_loader.generator.manual_seed(seed)
        self.train_loader.reset()
        self.train_loader.dataset.forget()

    def _look_for_stop(self) -> None:
        if self.work.should_stop():
            raise StoppedError(f"stopped in epoch {self.epoch + 1}; the epochs before it are kept")


class LabelledPictures:
    """Overrides of ultralytics' `YOLODataset`: pictures and labels as they are given."""

    # Of ultralytics' dataset.
    ims: list[Any]
    im_hw0: list[Any]
    im_hw: list[Any]
    buffer: list[int]

    def __init__(self, examples: Sequence[Example], **settings: Any) -> None:
        self.examples = examples
        super().__init__(img_path="", task="detect", **settings)  # type: ignore[call-arg]

    def get_img_files(self, img_path: str) -> list[str]:
        """The files."""
        return [str(example.file) for example in self.examples]

    def get_labels(self) -> list[dict[str, Any]]:
        """A dict a picture, as ultralytics has them."""
        return [_label(example) for example in self.examples]

    def forget(self) -> None:
        """Let go of the pictures seen last, from which others are composed."""
        self.buffer = []
        for kept in (self.ims, self.im_hw0, self.im_hw):
            kept[:] = [None] * len(kept)


def overrides(work: Work) -> dict[str, Any]:
    """The settings of ultralytics that are not its own defaults."""
    params = work.params
    plain_epochs = min(MAX_PLAIN_EPOCHS, math.ceil(params.epochs / 10))
    return {
        "task": "detect",
        "model": "detector.yaml",
        "data": "detector",
        "epochs": params.epochs,
        "patience": params.patience,
        "batch": params.batch_size,
        # Each batch is a step of its own: no gradients are carried over the end of an epoch.
        "nbs": params.batch_size,
        "imgsz": params.image_size_px,
        "seed": params.seed,
        "device": work.device,
        "workers": work.num_workers,
        "save_dir": str(work.folder),
        "exist_ok": True,
        "pretrained": False,
        "optimizer": "AdamW",
        "lr0": params.learning_rate or default_learning_rate(len(work.class_names)),
        "momentum": MOMENTUM,
        "weight_decay": WEIGHT_DECAY,
        "warmup_epochs": WARMUP_EPOCHS,
        "warmup_bias_lr": 0.0,
        "close_mosaic": plain_epochs,
        "fliplr": 0.5 if params.mirror else 0.0,
        "amp": "bf16" if work.device != "cpu" and torch.cuda.is_bf16_supported() else False,
        "deterministic": work.device == "cpu",
        "plots": False,
        "verbose": False,
    }


def default_learning_rate(num_classes: int) -> float:
    """What ultralytics fits for AdamW: 0.002 for a class, less for more."""
    return round(0.002 * 5 / (4 + num_classes), 6)


@cache
def training_class() -> Any:
    """`ResumableTraining` before ultralytics' own class, which is imported only here."""
    base = ultralytics_module("models.yolo.detect").DetectionTrainer
    return type("YoloTraining", (ResumableTraining, base), {"__module__": __name__})


@cache
def pictures_class() -> Any:
    """`LabelledPictures` before ultralytics' own class."""
    base = ultralytics_module("data.dataset").YOLODataset
    return type("YoloPictures", (LabelledPictures, base), {"__module__": __name__})


def __getattr__(name: str) -> Any:
    """Where a worker process that unpickles its pictures finds their class."""
    if name == "YoloPictures":
        return pictures_class()
    raise AttributeError(name)


def _label(example: Example) -> dict[str, Any]:
    width, height = example.width, example.height
    x0, y0, x1, y1 = example.boxes_B4.T
    centres = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height]
    sides = [(x1 - x0) / width, (y1 - y0) / height]
    return {
        "im_file": str(example.file),
        "shape": (height, width),
        "cls": example.classes_B.astype(np.float32)[:, None],
        "bboxes": np.stack([*centres, *sides], axis=1).astype(np.float32),
        "segments": [],
        "keypoints": None,
        "normalized": True,
        "bbox_format": "xywh",
    }


def _plain_name(name: str) -> str:
    """`metrics/mAP50-95(B)` as `mAP50-95`; `train/box_loss` stays."""
    return name.removeprefix("metrics/").removesuffix("(B)")
