"""The training loop of StyleGAN2: steps, ticks, snapshots, and going on where it stopped.

Shapes: N samples, Z and D numbers of z and w, L layers that take a w, C channels, H rows,
W columns.
"""

import copy
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
from torch import Tensor, nn
from torch.utils import deterministic

from wunderkammer.gan.checkpoints.archive import Archive, Facts, Tick
from wunderkammer.gan.checkpoints.state import TrainingState, capture, restore
from wunderkammer.gan.networks.params import network_params
from wunderkammer.gan.networks.stylegan2_discriminator import Discriminator
from wunderkammer.gan.networks.stylegan2_generator import Generator
from wunderkammer.gan.objectives.adversarial import (
    discriminator_loss,
    ema_beta,
    generator_loss,
    lazy_adam,
    r1_penalty,
    update_ema,
)
from wunderkammer.gan.params import StyleGan2Params
from wunderkammer.gan.training.board import Board
from wunderkammer.gan.training.grid import draw_grid, encode_grid, grid_latents, tile
from wunderkammer.gan.training.loader import ShuffledLoader
from wunderkammer.gan.training.meter import Meter

log = logging.getLogger(__name__)

ADAM_BETAS = (0.0, 0.99)
ADAM_EPSILON = 1e-8
LARGEST_GRADIENT = 1e5


@dataclass(frozen=True)
class TickReport:
    """What a tick says to whoever watches; the grid comes with snapshots only."""

    tick: Tick
    grid_jpeg: bytes | None

    @property
    def line(self) -> str:
        """One line for a log."""
        shown = "  ".join(f"{name} {value:.3f}" for name, value in self.tick.measures.items())
        kimg = self.tick.num_images / 1000
        return f"{kimg:.1f} kimg  {self.tick.images_per_s:.1f} images/s  {shown}"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: at its last image, or stopped before, in either case with a checkpoint."""

    facts: Facts
    is_complete: bool


OnTick = Callable[[TickReport], None]


def new_state(
    images_NCHW: np.ndarray, params: StyleGan2Params, *, device: torch.device
) -> TrainingState:
    """A training before its first step; `params.seed` fixes every number in it."""
    networks = network_params(
        params.network,
        resolution_px=images_NCHW.shape[-1],
        channels=images_NCHW.shape[1],
        batch_size=params.batch_size,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        generator = Generator(networks).to(device)
        discriminator = Discriminator(networks).to(device)
    average = copy.deepcopy(generator).requires_grad_(False)
    interval = params.r1_interval if params.r1_gamma else None
    return TrainingState(
        generator=generator,
        discriminator=discriminator,
        average=average,
        adams={
            "generator": _adam(generator, params.learning_rate, interval=None),
            "discriminator": _adam(discriminator, params.learning_rate, interval=interval),
        },
        random=torch.Generator(device).manual_seed(params.seed),
        loader=ShuffledLoader(images_NCHW, seed=params.seed, mirror=params.mirror),
        meter=Meter(device),
    )


def run_training(
    images_NCHW: np.ndarray,
    params: StyleGan2Params,
    *,
    archive: Archive,
    device: torch.device,
    tensorboard: Path | None,
    on_tick: OnTick,
    should_stop: Callable[[], bool],
) -> Outcome:
    """Train from the newest checkpoint in `archive` (or from nothing) to `params.total_kimg`.

    `should_stop` is asked after every step; if it says so, a checkpoint is written and the run
    ends early. On a CPU, equal arguments give equal bits, however often the run was stopped.

    Raises:
        FloatingPointError: a loss is no finite number.
    """
    state = new_state(images_NCHW, params, device=device)
    saved = archive.newest(at_most=params.total_images)
    if saved is not None:
        restore(state, saved)
        log.info("goes on from %.1f kimg", state.num_images / 1000)
    latents_NZ = grid_latents(state.average, seed=params.seed)
    if saved is not None and state.num_images == params.total_images:
        return Outcome(_finish(state, params, saved.facts, archive, latents_NZ), is_complete=True)
    with ExitStack() as stack:
        stack.enter_context(_deterministic(device))
        board = stack.enter_context(_board(tensorboard, state))
        while True:
            start = perf_counter()
            train_step(state, params)
            state.elapsed_s += perf_counter() - start
            is_last = state.num_images == params.total_images
            tick, is_snapshot = _close_tick(state, params), is_last
            grid = None
            if tick is not None:
                is_snapshot |= len(state.ticks) % params.snapshot_ticks == 0
                if is_snapshot:
                    pixels = draw_grid(state.average, latents_NZ)
                    grid = encode_grid(pixels)
                    archive.write_grid(state.num_images, grid)
                    if board is not None:
                        board.picture("samples", pixels, num_images=state.num_images)
                if board is not None:
                    board.add(tick)
                on_tick(TickReport(tick, grid))
            is_stopped = not is_last and should_stop()
            if is_snapshot or is_stopped:
                facts, tensors = capture(state)
                facts = archive.save(facts, tensors, keep_last=params.keep_last)
            if is_last or is_stopped:
                return Outcome(facts, is_complete=is_last)


def _finish(
    state: TrainingState,
    params: StyleGan2Params,
    facts: Facts,
    archive: Archive,
    latents_NZ: Tensor,
) -> Facts:
    """Add the last tick and the grid to a checkpoint that was no last one when it was written.

    It is now because `total_kimg` was lowered to where an earlier run had been stopped.
    """
    if not archive.has_grid(state.num_images):
        archive.write_grid(state.num_images, encode_grid(draw_grid(state.average, latents_NZ)))
    if state.ticks and state.ticks[-1].num_images == state.num_images:
        return facts
    _close_tick(state, params)
    return archive.save(*capture(state), keep_last=params.keep_last)


def train_step(state: TrainingState, params: StyleGan2Params) -> None:
    """One batch: generator, discriminator, R1 when its turn is, weight average."""
    step = state.num_images // params.batch_size
    _step_generator(state, params)
    real_NCHW = state.loader.next(params.batch_size, device=state.device)
    _step_discriminator(state, params, real_NCHW)
    if params.r1_gamma and step % params.r1_interval == 0:
        _step_r1(state, params, real_NCHW)
    state.num_images += params.batch_size
    beta = ema_beta(
        batch_size=params.batch_size,
        num_images=state.num_images,
        ema_images=params.ema_kimg * 1000,
        rampup=params.ema_rampup,
    )
    update_ema(state.average, state.generator, beta=beta)


def mix_styles(
    w_ND: Tensor,
    other_ND: Tensor,
    *,
    num_layers: int,
    probability: float,
    random: torch.Generator,
) -> Tensor:
    """One w a layer [N, L, D]: with `probability`, a sample takes its later ones from `other_ND`.

    Style mixing (arXiv 1812.04948, section 3.1). Masks, not slices: every shape is fixed.
    """
    num, device = w_ND.shape[0], w_ND.device
    cutoff_N = torch.randint(1, num_layers, (num,), generator=random, device=device)
    is_mixed_N = torch.rand(num, generator=random, device=device) < probability
    cutoff_N = torch.where(is_mixed_N, cutoff_N, num_layers)
    is_first_NL = torch.arange(num_layers, device=device) < cutoff_N[:, None]
    return torch.where(is_first_NL[:, :, None], w_ND[:, None], other_ND[:, None])


def _generate(state: TrainingState, params: StyleGan2Params) -> tuple[Tensor, Tensor]:
    """A batch of images [N, C, H, W] and the w [N, D] of its first styles."""
    generator = state.generator
    shape = (2 * params.batch_size, generator.z_dim)
    z_NZ = torch.randn(shape, generator=state.random, device=state.device)
    first_ND, other_ND = generator.mapping(z_NZ).chunk(2)
    w_NLD = mix_styles(
        first_ND,
        other_ND,
        num_layers=generator.synthesis.num_layers,
        probability=params.style_mixing,
        random=state.random,
    )
    return generator.synthesis(w_NLD, noise_mode="random", generator=state.random), first_ND


def _step_generator(state: TrainingState, params: StyleGan2Params) -> None:
    state.discriminator.requires_grad_(False)
    fake_NCHW, w_ND = _generate(state, params)
    state.generator.mapping.track(w_ND)
    loss_N = generator_loss(state.discriminator(fake_NCHW))
    _descend(state, "generator", "loss/generator", loss_N)
    state.discriminator.requires_grad_(True)


def _step_discriminator(state: TrainingState, params: StyleGan2Params, real_NCHW: Tensor) -> None:
    with torch.no_grad():
        fake_NCHW, _ = _generate(state, params)
    # One pass over both; the mini-batch deviation keeps the halves apart.
    fake_N, real_N = state.discriminator(torch.cat([fake_NCHW, real_NCHW])).chunk(2)
    state.meter.add("scores/real_sign", real_N.sign())
    state.meter.add("scores/fake_sign", fake_N.sign())
    loss_N = discriminator_loss(real_N, fake_N)
    _descend(state, "discriminator", "loss/discriminator", loss_N)


def _step_r1(state: TrainingState, params: StyleGan2Params, real_NCHW: Tensor) -> None:
    penalty_N = r1_penalty(state.discriminator, real_NCHW)
    weight = params.r1_gamma / 2.0 * params.r1_interval
    state.meter.add("loss/r1_penalty", penalty_N)
    _descend(state, "discriminator", "loss/r1", penalty_N * weight)


def _descend(state: TrainingState, network: str, name: str, loss_N: Tensor) -> None:
    """One Adam step of a network along the mean of `loss_N`."""
    loss = loss_N.mean()
    if not math.isfinite(float(loss.detach())):
        raise FloatingPointError(
            f"{name} is {float(loss.detach())} at image {state.num_images}; lower "
            f"train.learning_rate or raise train.r1_gamma; the last checkpoint is sound"
        )
    state.meter.add(name, loss_N)
    adam = state.adams[network]
    adam.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in state.networks[network].parameters():
        gradient = parameter.grad
        if gradient is not None:
            torch.nan_to_num_(gradient, nan=0.0, posinf=LARGEST_GRADIENT, neginf=-LARGEST_GRADIENT)
    adam.step()


def _close_tick(state: TrainingState, params: StyleGan2Params) -> Tick | None:
    """The tick that ends here, if one does: at each `tick_kimg` and at the last image."""
    tick_images = round(params.tick_kimg * 1000)
    if state.num_images % tick_images and state.num_images != params.total_images:
        return None
    before = state.ticks[-1] if state.ticks else None
    num_images = state.num_images - (before.num_images if before else 0)
    seconds = state.elapsed_s - (before.elapsed_s if before else 0.0)
    tick = Tick(
        num_images=state.num_images,
        measures=state.meter.close(),
        elapsed_s=state.elapsed_s,
        images_per_s=num_images / max(seconds, 1e-9),
        memory_mb=_memory_mb(state.device),
    )
    state.ticks.append(tick)
    return tick


def _adam(network: nn.Module, learning_rate: float, *, interval: int | None) -> torch.optim.Adam:
    betas = ADAM_BETAS
    if interval is not None:
        learning_rate, betas = lazy_adam(learning_rate, betas, interval=interval)
    return torch.optim.Adam(
        network.parameters(), lr=learning_rate, betas=betas, eps=ADAM_EPSILON, fused=True
    )


@contextmanager
def _board(folder: Path | None, state: TrainingState) -> Iterator[Board | None]:
    if folder is None:
        yield None
        return
    with Board(folder, history=state.ticks, num_images=state.num_images) as board:
        if not state.num_images:
            board.picture("training images", tile(state.loader.images_NCHW[:40]), num_images=0)
        yield board


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """Refuse, on a CPU, any operation whose result may differ from run to run."""
    before = torch.are_deterministic_algorithms_enabled()
    fill = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(before or device.type == "cpu")
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
