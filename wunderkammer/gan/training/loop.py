"""The training loop: steps, ticks, snapshots, going back after a collapse, going on after a stop.

Shapes: N samples, C channels, H rows, W columns.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import torch
from torch.utils import deterministic

from wunderkammer.gan.checkpoints.archive import Archive, Facts, Intervention, Saved, Tick
from wunderkammer.gan.checkpoints.state import capture, restore
from wunderkammer.gan.curriculum import Growth
from wunderkammer.gan.interop.portable import Portable
from wunderkammer.gan.networks.interface import GeneratorNetwork
from wunderkammer.gan.params import TrainParams
from wunderkammer.gan.settings import tick_images, total_images
from wunderkammer.gan.training.board import Board
from wunderkammer.gan.training.diversity import diversity
from wunderkammer.gan.training.graphs import PhaseGraphs
from wunderkammer.gan.training.grid import (
    draw_grid,
    encode_grid,
    grid_latents,
    pictures_of,
    tile,
)
from wunderkammer.gan.training.health import DIVERSITY, Alarm, find_unsound, judge
from wunderkammer.gan.training.loader import ShuffledLoader, TrainingImages
from wunderkammer.gan.training.meter import Meter
from wunderkammer.gan.training.methods.build import build_method
from wunderkammer.gan.training.processes import ALONE, Processes
from wunderkammer.gan.training.report import OnTick, TickReport
from wunderkammer.gan.training.state import TrainingState
from wunderkammer.gan.training.step import train_step
from wunderkammer.gan.training.telemetry import Telemetry

log = logging.getLogger(__name__)

SCORE = "distance/sliced_wasserstein"
COLLAPSES = ("saturation", "diversity")
NUM_COMPARED = 32

# Processes ask each other for a wish to stop only so often: it costs a message.
STEPS_BETWEEN_VOTES = 8


@dataclass(frozen=True)
class Outcome:
    """How a run ended: at its last image, or stopped before, in either case with a checkpoint."""

    facts: Facts
    is_complete: bool


# The distance of what a generator draws from the real pictures.
Score = Callable[[GeneratorNetwork], float]


@dataclass(frozen=True)
class Surroundings:
    """Where a training runs and who hears of it. `should_stop` is asked after every step."""

    archive: Archive
    device: torch.device
    on_tick: OnTick
    should_stop: Callable[[], bool]
    processes: Processes = ALONE
    tensorboard: Path | None = None
    score: Score | None = None


def new_state(
    data: TrainingImages,
    train: TrainParams,
    *,
    device: torch.device,
    held_out: TrainingImages | None = None,
    start: Portable | None = None,
    processes: Processes = ALONE,
) -> TrainingState:
    """A training before its first step; `train.seed` fixes every number in it."""
    unseen = None
    if held_out is not None:
        unseen = ShuffledLoader(held_out, seed=train.seed, mirror=train.mirror, device=device)
    method = build_method(train, data, device=device, start=start)
    random = torch.Generator(device).manual_seed(train.seed)
    is_alone_on_gpu = device.type == "cuda" and processes.count == 1
    has_graphs = is_alone_on_gpu and train.cuda_graphs and method.can_be_recorded
    return TrainingState(
        held_out=unseen,
        method=method,
        random=random,
        graphs=PhaseGraphs(random) if has_graphs else None,
        loader=ShuffledLoader(
            data,
            seed=train.seed,
            mirror=train.mirror,
            device=device,
            growth=Growth.of(train.curriculum),
        ),
        meter=Meter(device),
        processes=processes,
        micro_batch=train.micro_batch,
    )


def run_training(
    data: TrainingImages,
    train: TrainParams,
    *,
    around: Surroundings,
    held_out: TrainingImages | None = None,
    start: Portable | None = None,
) -> Outcome:
    """Train from the newest checkpoint in the archive (or from `start`) to the last image.

    When it is to stop, a checkpoint is written and the run ends early. On a CPU, equal arguments
    give equal bits, however often the run was stopped.

    Raises:
        FloatingPointError: a loss is no finite number, and the recipe does not say to roll back.
        ValueError: the batch can't be split as the processes or `micro_batch` ask.
    """
    state = new_state(
        data,
        train,
        device=around.device,
        held_out=held_out,
        start=start,
        processes=around.processes,
    )
    last_image = total_images(train, resolution_px=data.side_px)
    for place in (0, last_image - 1):
        batch = state.method.batch_size(place)
        around.processes.check_share(batch, smallest_part=state.method.smallest_part)
    run = _Run(state, train, around, last_image=last_image)
    saved = run.go_on()
    if saved is not None and state.num_images >= run.last_image:
        return Outcome(run.finish(saved.facts), is_complete=True)
    with ExitStack() as stack:
        stack.enter_context(_deterministic(around.device, is_asked=train.deterministic))
        run.board = stack.enter_context(_board(around, state, train))
        while True:
            start_s = perf_counter()
            train_step(state)
            if run.is_tick_due() and around.device.type == "cuda":
                torch.cuda.synchronize(around.device)  # the host runs ahead of it
            state.elapsed_s += perf_counter() - start_s
            outcome = run.after_step()
            if outcome is not None:
                return outcome


class _Run:
    """The bookkeeping between steps. Only the first process writes and reports."""

    def __init__(
        self, state: TrainingState, train: TrainParams, around: Surroundings, *, last_image: int
    ) -> None:
        self.state = state
        self.train = train
        self.around = around
        self.last_image = last_image
        self.tick_images = tick_images(train, resolution_px=state.loader.data.side_px)
        self.board: Board | None = None
        self.telemetry = Telemetry.of(around.device, last_image=last_image)
        self.latents_NZ = grid_latents(state.method.generator, seed=train.seed)
        self.real_diversity = _diversity_of(_first(state.loader.data, NUM_COMPARED))

    def go_on(self) -> Saved | None:
        """Restore the newest sound checkpoint, the same one in every process."""
        archive, processes = self.around.archive, self.around.processes
        newest = archive.newest(at_most=self.last_image) if processes.is_first else None
        return self._restore(newest)

    def after_step(self) -> Outcome | None:
        """Tick, snapshot, stop or go back, as it is due; the outcome if the run ends here."""
        state = self.state
        is_last = state.num_images >= self.last_image
        is_snapshot = is_last
        if self.is_tick_due():
            measures = state.meter.close()
            unsound = find_unsound(measures, num_images=state.num_images)
            if unsound is not None:
                self._go_back(unsound)
                return None
            tick = self._new_tick(measures)
            alarms = judge(state.ticks, self.train.health)
            collapses = [alarm for alarm in alarms if alarm.kind in COLLAPSES]
            if collapses and self._is_rollback_left():
                self._go_back(collapses[0])
                return None
            is_snapshot |= len(state.ticks) % self.train.snapshot_ticks == 0
            self._report(tick, alarms, is_snapshot=is_snapshot)
        is_stopped = not is_last and self._is_stop_wanted()
        if not (is_snapshot or is_stopped):
            return None
        self._refuse_unsound_partials()
        facts = self._save()
        return Outcome(facts, is_complete=is_last) if is_last or is_stopped else None

    def finish(self, facts: Facts) -> Facts:
        """Add the last tick and the grid to a checkpoint that was no last one when it was written.

        It is now because `total_kimg` was lowered to where an earlier run had been stopped.
        """
        state, archive = self.state, self.around.archive
        if not self.around.processes.is_first:
            return facts
        if not archive.has_grid(state.num_images):
            archive.write_grid(state.num_images, encode_grid(self._draw()))
        if state.ticks and state.ticks[-1].num_images == state.num_images:
            return facts
        self._new_tick(state.meter.close())
        return self._save()

    def _restore(self, saved: Saved | None) -> Saved | None:
        """Put what the first process found into every process; None if it found nothing."""
        processes = self.around.processes
        number = processes.agree(None if saved is None else saved.facts.num_images)
        if number is None:
            return None
        if not processes.is_first:
            saved = self.around.archive.find(number)
        assert saved is not None
        restore(self.state, saved)
        log.info("goes on from %.1f kimg", self.state.num_images / 1000)
        return saved

    def is_tick_due(self) -> bool:
        """At each whole number of ticks, or the first step beyond it, and at the last image."""
        state = self.state
        before = state.num_images - state.method.batch_size(state.num_images - 1)
        passed = state.num_images // self.tick_images > before // self.tick_images
        return passed or state.num_images >= self.last_image

    def _new_tick(self, measures: dict[str, float]) -> Tick:
        """The tick that ends here, kept in the history."""
        state = self.state
        last = state.ticks[-1] if state.ticks else None
        num_images = state.num_images - (last.num_images if last else 0)
        seconds = state.elapsed_s - (last.elapsed_s if last else 0.0)
        tick = Tick(
            num_images=state.num_images,
            measures={**measures, **self._extra_measures()},
            elapsed_s=state.elapsed_s,
            images_per_s=num_images / max(seconds, 1e-9),
            memory_mb=_memory_mb(state.device),
        )
        state.ticks.append(tick)
        return tick

    def _extra_measures(self) -> dict[str, float]:
        """Measures of this moment, not means over the tick. Equal in every process."""
        state = self.state
        shown = {name: float(value) for name, value in state.method.shown().items()}
        fakes_NCHW = pictures_of(state.method.average, self.latents_NZ[:NUM_COMPARED])
        shown[DIVERSITY] = _diversity_of(fakes_NCHW) / max(self.real_diversity, 1e-9)
        return dict(self.around.processes.agree(shown))

    def _draw(self) -> np.ndarray:
        return draw_grid(self.state.method.average, self.latents_NZ)

    def _report(self, tick: Tick, alarms: tuple[Alarm, ...], *, is_snapshot: bool) -> None:
        """Tell whoever watches; with a snapshot, draw it and measure it first."""
        for alarm in alarms:
            log.warning("%s", alarm.message)
        if not self.around.processes.is_first:
            return
        grid = None
        if is_snapshot:
            pixels = self._draw()
            grid = encode_grid(pixels)
            self.around.archive.write_grid(tick.num_images, grid)
            if self.board is not None:
                self.board.picture("samples", pixels, num_images=tick.num_images)
            if self.around.score is not None:
                score = self.around.score(self.state.method.average)
                tick = tick.model_copy(update={"measures": {**tick.measures, SCORE: score}})
                self.state.ticks[-1] = tick
        readings = self.telemetry.read(tick)
        if self.board is not None:
            self.board.add(tick, readings)
        self.around.on_tick(TickReport(tick, grid, readings))

    def _save(self) -> Facts:
        facts, tensors = capture(self.state)
        if not self.around.processes.is_first:
            return facts
        last = facts.ticks[-1] if facts.ticks else None
        is_scored = last is not None and last.num_images == facts.num_images
        score = last.measures.get(SCORE) if last is not None and is_scored else None
        return self.around.archive.save(
            facts.model_copy(update={"score": score}),
            tensors,
            keep_last=self.train.keep_last,
            keep_best=self.train.keep_best,
        )

    def _is_stop_wanted(self) -> bool:
        processes = self.around.processes
        if processes.count > 1 and self.state.num_steps % STEPS_BETWEEN_VOTES:
            return False
        return processes.any(self.around.should_stop())

    def _refuse_unsound_partials(self) -> None:
        """No checkpoint of a broken state is ever written, in the middle of a tick either."""
        unsound = find_unsound(self.state.meter.means(), num_images=self.state.num_images)
        if unsound is not None:
            raise FloatingPointError(unsound.message)

    def _is_rollback_left(self) -> bool:
        health = self.train.health
        return health.rollback and len(self.state.interventions) < health.max_rollbacks

    def _go_back(self, alarm: Alarm) -> None:
        """Restore the last healthy checkpoint and go on from it with a smaller step.

        Later checkpoints go first: a process killed in between collapses once more, and gets here.
        """
        state, archive, health = self.state, self.around.archive, self.train.health
        found_at, done = state.num_images, tuple(state.interventions)
        if not self._is_rollback_left():
            raise FloatingPointError(alarm.message)
        healthy = archive.newest(at_most=found_at, accept=self._is_healthy)
        if self._restore(healthy if self.around.processes.is_first else None) is None:
            raise FloatingPointError(f"{alarm.message}; there is no healthy checkpoint to go to")
        state.interventions = [
            *done,
            Intervention(
                num_images=found_at,
                back_to_images=state.num_images,
                reason=alarm.message,
                rate_factor=health.rate_factor,
            ),
        ]
        state.method.rate_scale = math.prod(i.rate_factor for i in state.interventions)
        if self.around.processes.is_first:
            archive.drop_after(state.num_images)
        self._save()
        log.warning("went back to %.1f kimg: %s", state.num_images / 1000, alarm.message)

    def _is_healthy(self, facts: Facts) -> bool:
        """Whether not even its last tick had a sign of trouble, however short."""
        strict = self.train.health.model_copy(update={"patience_ticks": 1})
        return not judge(facts.ticks, strict)


def _diversity_of(images_NCHW: np.ndarray) -> float:
    return float(diversity(torch.from_numpy(images_NCHW[:NUM_COMPARED])))


def _first(data: TrainingImages, num: int) -> np.ndarray:
    return data.read(np.arange(min(num, len(data))))


@contextmanager
def _board(
    around: Surroundings, state: TrainingState, train: TrainParams
) -> Iterator[Board | None]:
    folder = around.tensorboard
    if folder is None or not around.processes.is_first:
        yield None
        return
    with Board(folder, history=state.ticks, num_images=state.num_images) as board:
        networks = state.method.generator.params
        board.settings(
            {"train": train.model_dump(mode="json"), "networks": networks.model_dump(mode="json")}
        )
        if not state.num_images:
            pixels = tile(_first(state.loader.data, 40))
            board.picture("training images", pixels, num_images=0)
        yield board


@contextmanager
def _deterministic(device: torch.device, *, is_asked: bool) -> Iterator[None]:
    """Refuse, on a CPU always, any operation whose result may differ from run to run."""
    before = torch.are_deterministic_algorithms_enabled()
    fill = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(before or is_asked or device.type == "cpu")
    # Every buffer here is written before it is read; filling each first would only cost time.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


def _memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return float(psutil.Process().memory_info().rss) / 2**20
