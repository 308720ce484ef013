"""One step of a training: its phases, each over the rows that this process computes.

Nothing here makes the device wait: losses and signs of trouble are summed there and read at ticks.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from wunderkammer.gan.draws import Draws
from wunderkammer.gan.training.loader import Picked
from wunderkammer.gan.training.phases import Batch, Phase
from wunderkammer.gan.training.state import TrainingState

log = logging.getLogger(__name__)

LARGEST_GRADIENT = 1e5
UNSOUND = "health/unsound_losses"


def train_step(state: TrainingState) -> None:
    """One batch through all phases that are due, then the weight average."""
    method = state.method
    num = method.batch_size(state.num_images)
    method.begin_step(state.num_images)
    picked = state.loader.take(num)
    for phase in method.phases:
        if phase.fresh_reals:
            picked = state.loader.take(num)
        if state.num_steps % phase.interval == 0:
            _run_phase(state, phase, picked)
    state.num_images += num
    state.num_steps += 1
    method.end_step(state.num_images)


def _run_phase(state: TrainingState, phase: Phase, picked: Picked) -> None:
    total = len(picked.indices_N) // phase.shrink
    rows = state.processes.rows(total)
    start = state.random.get_state()
    while True:
        try:
            sums = _run_parts(state, phase, picked, rows=rows, total=total, start=start)
            break
        except torch.OutOfMemoryError as error:
            _halve_micro_batch(state, rows=rows, error=error)
            state.random.set_state(start)
    _count(state, phase, sums, total=total)


def _run_parts(
    state: TrainingState,
    phase: Phase,
    picked: Picked,
    *,
    rows: range,
    total: int,
    start: Tensor,
) -> dict[str, Tensor]:
    """Move the phase's network by our rows of the batch; sums over the whole batch by name."""
    parts = list(_parts(rows, state.micro_batch))

    def batches() -> Iterator[Batch]:
        for number, part in enumerate(parts):
            if number:
                state.random.set_state(start)  # each part draws the numbers of the whole batch
            yield _batch(state, phase, picked, part, total=total)

    if state.graphs is None or len(parts) > 1:
        return _move(state, phase, batches(), total=total)
    adam = state.method.adams[phase.network]
    return state.graphs.run(
        phase.name,
        next(batches()),
        lambda batch: _move(state, phase, [batch], total=total),
        key=(total, *((group["lr"], group["betas"]) for group in adam.param_groups)),
    )


def _move(
    state: TrainingState, phase: Phase, batches: Iterable[Batch], *, total: int
) -> dict[str, Tensor]:
    """One step of Adam along the gradient of the mean over the batch."""
    adam = state.method.adams[phase.network]
    parameters = [p for group in adam.param_groups for p in group["params"]]
    _train_only(state, parameters)
    adam.zero_grad(set_to_none=True)
    sums: dict[str, Tensor] = {}
    for batch in batches:
        loss_N, named = phase.loss(batch)
        loss = loss_N.sum() / total
        loss.backward()  # type: ignore[no-untyped-call]
        for name, values in {f"loss/{phase.name}": loss_N, **named}.items():
            added = values.detach().sum(dim=0)
            sums[name] = sums[name] + added if name in sums else added
    gradients = [p.grad for p in parameters if p.grad is not None]
    state.processes.add_up([*gradients, *sums.values()])
    for gradient in gradients:
        torch.nan_to_num_(gradient, nan=0.0, posinf=LARGEST_GRADIENT, neginf=-LARGEST_GRADIENT)
    adam.step()
    return sums


def _batch(state: TrainingState, phase: Phase, picked: Picked, part: range, *, total: int) -> Batch:
    draws = Draws(state.random, total, slice(part.start, part.stop))
    batch = Batch(state.loader.pixels(picked, part), state.loader.labels(picked, part), draws)
    if phase.needs_held_out:
        return _with_held_out(state, batch, part, total=total)
    return batch


def _with_held_out(state: TrainingState, batch: Batch, part: range, *, total: int) -> Batch:
    """The same rows of held-out pictures; their place follows from the images shown."""
    loader = state.held_out
    if loader is None:
        raise ValueError(
            "train.augment.metric='rv' compares with pictures that are not trained on, and "
            "train.held_out is 0; set it to 0.05 or so, or the metric to 'rt'"
        )
    loader.position = state.num_images
    picked = loader.take(total)
    return replace(
        batch,
        held_out_NCHW=loader.pixels(picked, part),
        held_out_labels_NL=loader.labels(picked, part),
    )


def _parts(rows: range, size: int | None) -> Iterator[range]:
    for first in range(rows.start, rows.stop, size or len(rows)):
        yield range(first, min(first + (size or len(rows)), rows.stop))


def _train_only(state: TrainingState, parameters: Iterable[Tensor]) -> None:
    """Let gradients flow to these only: the others' would be computed for nothing."""
    for network in state.networks.values():
        network.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)


def _halve_micro_batch(state: TrainingState, *, rows: range, error: torch.OutOfMemoryError) -> None:
    """Half as many samples at once from now on, as many as share statistics at least."""
    group = state.method.smallest_part
    before = min(state.micro_batch or len(rows), len(rows))
    after = max(before // 2 // group, 1) * group
    if group == 0 or after >= before:
        raise error
    log.warning(
        "out of memory with %d samples at once; goes on with %d at once, batches and results stay "
        "the same (set train.micro_batch to %d to start so)",
        before,
        after,
        after,
    )
    state.micro_batch = after
    if state.device.type == "cuda":
        torch.cuda.empty_cache()


def _count(state: TrainingState, phase: Phase, sums: dict[str, Tensor], *, total: int) -> None:
    loss = sums[f"loss/{phase.name}"]
    state.meter.add(UNSOUND, (~loss.isfinite()).double(), count=1)
    for name, value in sums.items():
        if "/" in name:
            state.meter.add(name, value, count=total)
    if phase.after is not None:
        phase.after({name: value / total for name, value in sums.items()})
