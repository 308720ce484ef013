"""What a training will do, explained before it starts, with forecasts that are called so."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from wunderkammer.gan.augment.params import AdaAugment, AugmentParams, DiffAugment, FixedAugment
from wunderkammer.gan.device import DeviceFacts, choose_device, device_facts, limit_threads
from wunderkammer.gan.flops import image_flops
from wunderkammer.gan.holdout import MAX_HELD_OUT, split
from wunderkammer.gan.job import label_names
from wunderkammer.gan.params import (
    MeasureCurriculum,
    ProgressiveParams,
    StyleGan2Params,
    TrainParams,
)
from wunderkammer.gan.rehearsal import BYTES_PER_NUMBER, Rehearsal, rehearse
from wunderkammer.gan.settings import (
    StyleGan2Settings,
    batch_size,
    stylegan2_settings,
    tick_images,
    total_images,
)
from wunderkammer.gan.training.residence import GPU_SHARE
from wunderkammer.gan.training.speed import duration
from wunderkammer.shards.params import ShardParams
from wunderkammer.shards.read import load_families, shard_keys
from wunderkammer.stages import DEDUPED_SHARDS
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Versions
from wunderkammer.subject import Subject

MIB, GIB = 2**20, 2**30
# The rest is for what kernels need themselves and for the holes between tensors.
USABLE_SHARE = 0.9
FEW_PICTURES = 2_000
MANY_PICTURES = 50_000


@dataclass(frozen=True)
class Choice:
    """One line of a plan: a setting, its value, and where it comes from."""

    name: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value} ({self.reason})"


@dataclass(frozen=True)
class Plan:
    """Everything chosen and forecast for a training, and advice that it does not follow itself.

    What was not rehearsed or measured is None.
    """

    choices: tuple[Choice, ...]
    advice: tuple[str, ...]
    micro_batch: int | None
    peak_bytes: int | None
    s_per_kimg: float | None

    @property
    def lines(self) -> tuple[str, ...]:
        """A line a choice, then the advice."""
        return (*map(str, self.choices), *(f"advice: {text}" for text in self.advice))


@dataclass(frozen=True)
class _Task:
    """What is to be planned."""

    train: TrainParams
    num_images: int | None
    num_held_out: int | None
    resolution_px: int
    channels: int
    num_labels: int
    device: DeviceFacts

    @property
    def batch_size(self) -> int:
        return batch_size(self.train, resolution_px=self.resolution_px)

    @property
    def total(self) -> int:
        return total_images(self.train, resolution_px=self.resolution_px)

    @property
    def precision(self) -> str:
        return str(self.device.dtype).removeprefix("torch.")

    @property
    def flops(self) -> float:
        return image_flops(
            self.train,
            resolution_px=self.resolution_px,
            channels=self.channels,
            num_labels=self.num_labels,
        )


def plan(
    train: TrainParams,
    *,
    num_images: int | None,
    num_held_out: int | None = None,
    resolution_px: int,
    channels: int,
    num_labels: int = 0,
    device: DeviceFacts,
    is_rehearsed: bool = True,
) -> Plan:
    """Resolve, rehearse and forecast a training; nothing is trained.

    Args:
        train: the recipe.
        num_images: pictures to train on, without those held out; None if they are not known yet.
        num_held_out: the others; None if they are not known yet.
        resolution_px: their side.
        channels: 1, 3 or 4.
        num_labels: labels of the pictures; 0 is unconditional.
        device: where it would run.
        is_rehearsed: whether memory is forecast too, which takes some seconds.

    Raises:
        ValueError: the recipe does not suit such pictures.
    """
    task = _Task(train, num_images, num_held_out, resolution_px, channels, num_labels, device)
    rehearsal = _rehearse(task) if is_rehearsed else None
    s_per_kimg = None if device.flops_per_s is None else 1000 * task.flops / device.flops_per_s
    choices = [*_data(task), *_method(task), *_time(task, s_per_kimg)]
    if rehearsal is not None:
        choices += [*_memory(task, rehearsal), _disk(task, rehearsal)]
    return Plan(
        choices=tuple(choices),
        advice=tuple(_advice(task, rehearsal)),
        micro_batch=None if rehearsal is None else rehearsal.num_samples,
        peak_bytes=None if rehearsal is None else _peak_bytes(task, rehearsal),
        s_per_kimg=s_per_kimg,
    )


def _rehearse(task: _Task) -> Rehearsal:
    """A step that fits: of a whole batch, or of as large a part as there is memory for."""
    train = task.train.model_copy(update={"precision": task.precision})
    num_samples = task.train.micro_batch or task.batch_size
    usable = USABLE_SHARE * task.device.memory_bytes - _resident_bytes(task)
    while True:
        rehearsal = rehearse(
            train,
            resolution_px=task.resolution_px,
            channels=task.channels,
            num_labels=task.num_labels,
            num_samples=num_samples,
        )
        half, part = num_samples // 2, rehearsal.smallest_part
        is_whole = part and half >= part and half % part == 0
        if rehearsal.peak_bytes <= usable or task.train.micro_batch or not is_whole:
            return rehearsal
        num_samples = half


def _resident_bytes(task: _Task) -> int:
    """Pictures that stay on the GPU."""
    num_bytes = (task.num_images or 0) * task.channels * task.resolution_px**2
    fits = num_bytes <= GPU_SHARE * task.device.memory_bytes
    asked = task.train.residence
    is_resident = asked == "gpu" or (asked == "auto" and fits)
    return num_bytes if is_resident and task.device.kind == "cuda" else 0


def _peak_bytes(task: _Task, rehearsal: Rehearsal) -> int:
    return rehearsal.peak_bytes + _resident_bytes(task)


def _data(task: _Task) -> Iterator[Choice]:
    side = f"{task.resolution_px} px, {task.channels} channel{'s' * (task.channels > 1)}"
    yield Choice("images", side, "shard.resolution_px, shard.channels")
    if task.num_images is None:
        yield Choice("pictures", "not known yet", f"told once {DEDUPED_SHARDS.name} is built")
    else:
        mirrored = " and their mirror images" if task.train.mirror else ""
        labels = f", {task.num_labels} label{'s' * (task.num_labels > 1)}"
        number = f"{task.num_images:,}{labels if task.num_labels else ''}"
        yield Choice("pictures", number, f"of the shards{mirrored}")
    curriculum = task.train.curriculum
    if isinstance(curriculum, MeasureCurriculum):
        told = (
            f"{curriculum.first_share:.0%} of {curriculum.best} {curriculum.measure} at first, "
            f"all at {curriculum.all_at_kimg:g} kimg"
        )
        yield Choice("curriculum", told, "train.curriculum")
    held_out = f"{task.train.held_out:.3g} of all, {MAX_HELD_OUT:,} pictures at most"
    if task.num_held_out is not None:
        held_out = f"{task.num_held_out:,} more pictures"
    if not task.train.held_out:
        held_out = "none"
    yield Choice("held out", held_out, "train.held_out")


def _source(train: TrainParams, name: str) -> str:
    is_said = getattr(train, name) is not None
    return f"train.{name}" if is_said else f"preset {train.network!r}"


def _method(task: _Task) -> Iterator[Choice]:
    train = task.train
    yield Choice("networks", f"{train.kind} {train.network!r}", "train.kind, train.network")
    yield Choice("batch", str(task.batch_size), _source(train, "batch_size"))
    if isinstance(train, StyleGan2Params):
        yield from _stylegan2(task, train)
    yield Choice("augmentation", _augmentation(train.augment), "train.augment")
    asked = f"train.precision {train.precision!r} on {task.device.kind}"
    yield Choice("precision", task.precision, asked)


def _augmentation(augment: AugmentParams) -> str:
    if isinstance(augment, DiffAugment):
        return f"{augment.kind}: {', '.join(augment.policy)}"
    if not isinstance(augment, AdaAugment | FixedAugment):
        return augment.kind
    given = augment.transforms
    amount = f"target {augment.target:g}" if isinstance(augment, AdaAugment) else f"p {augment.p:g}"
    return f"{augment.kind}: {given if isinstance(given, str) else ', '.join(given)}; {amount}"


def _stylegan2(task: _Task, train: StyleGan2Params) -> Iterator[Choice]:
    settings: StyleGan2Settings = stylegan2_settings(
        train,
        resolution_px=task.resolution_px,
        channels=task.channels,
        num_labels=task.num_labels,
    )
    heuristic = f"0.0002 · {task.resolution_px}² / {task.batch_size}"
    is_heuristic = train.network == "auto" and train.r1_gamma is None
    gamma = heuristic if is_heuristic else _source(train, "r1_gamma")
    rate = f"{settings.generator_rate:g}"
    if settings.discriminator_rate != settings.generator_rate:
        rate += f", discriminator {settings.discriminator_rate:g}"
    yield Choice("learning rate", rate, _source(train, "learning_rate"))
    yield Choice("R1 gamma", f"{settings.r1_gamma:g}", f"{gamma}; every {settings.r1_interval}")
    weight = f"{settings.path_length_weight:g}"
    yield Choice("path length", weight, _source(train, "path_length_weight"))
    average = f"half-life {settings.ema_images / 1000:g} kimg"
    yield Choice("weight average", average, _source(train, "ema_kimg"))
    yield Choice("style mixing", f"{settings.style_mixing:g}", _source(train, "style_mixing"))


def _memory(task: _Task, rehearsal: Rehearsal) -> Iterator[Choice]:
    weights = (
        f"{rehearsal.num_generator_weights / 1e6:.1f} M of the generator, "
        f"{rehearsal.num_discriminator_weights / 1e6:.1f} M of the discriminator"
    )
    yield Choice("weights", weights, "counted")
    share = f"{_size(_peak_bytes(task, rehearsal))} of {_size(task.device.memory_bytes)}"
    trials = "; at first more, where there is room" if task.device.kind == "cuda" else ""
    yield Choice(
        "memory", share, f"forecast for a step, most in its phase {rehearsal.fullest_phase}{trials}"
    )
    if rehearsal.num_samples < task.batch_size:
        why = "train.micro_batch" if task.train.micro_batch else "what fits; the result is the same"
        yield Choice("micro-batch", str(rehearsal.num_samples), why)


def _time(task: _Task, s_per_kimg: float | None) -> Iterator[Choice]:
    between = tick_images(task.train, resolution_px=task.resolution_px) * task.train.snapshot_ticks
    snapshots = f"every {between / 1000:g} kimg" if between < task.total else "one, at the end"
    seen = f"; {_how_often(task.total / task.num_images)}" if task.num_images else ""
    source = "its stages" if isinstance(task.train, ProgressiveParams) else "train.total_kimg"
    yield Choice("length", f"{task.total / 1000:,g} kimg", f"{source}{seen}")
    yield Choice("snapshots", snapshots, "train.tick_kimg, train.snapshot_ticks")
    yield Choice("compute", f"{_flop(task.flops)} an image", "by its equations")
    if s_per_kimg is None or task.device.flops_per_s is None:
        yield Choice("time", "told with the first tick", "the device was not measured")
        return
    reached = (
        f"forecast; {task.device.flops_per_s / 1e9:,.0f} GFLOP/s measured on {task.device.name}"
    )
    whole = duration(s_per_kimg * task.total / 1000)
    yield Choice("time", f"{s_per_kimg:,.1f} s/kimg, {whole} in all", reached)


def _how_often(times: float) -> str:
    if times < 1:
        return "not every picture is shown"
    return f"each picture {f'{times:,.0f} times' if times >= 1.5 else 'once'}"


def _disk(task: _Task, rehearsal: Rehearsal) -> Choice:
    """Checkpoints kept, the one being written, and what a finished version publishes."""
    train = task.train
    number = train.keep_last + train.keep_best + 1
    published = rehearsal.num_generator_weights + rehearsal.num_discriminator_weights
    num_bytes = number * rehearsal.state_bytes + published * BYTES_PER_NUMBER
    kept = f"forecast; {number} checkpoints of {_size(rehearsal.state_bytes)} at most"
    return Choice("disk", _size(num_bytes), kept)


def _flop(number: float) -> str:
    return f"{number / 1e12:.2f} TFLOP" if number >= 1e12 else f"{number / 1e9:.3g} GFLOP"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.1f} GiB" if num_bytes >= GIB else f"{num_bytes / MIB:.0f} MiB"


def _advice(task: _Task, rehearsal: Rehearsal | None) -> Iterator[str]:
    train, num = task.train, task.num_images
    if rehearsal is not None and _peak_bytes(task, rehearsal) > task.device.memory_bytes:
        remedy = "set train.micro_batch, or take a smaller train.network"
        if not rehearsal.smallest_part:
            remedy = "lower train.batch_size, or take a smaller train.network"
        yield f"it may not fit into memory: {remedy}"
    if num is None:
        return
    if num < FEW_PICTURES and train.augment.kind == "none":
        yield (
            f"{num:,} pictures are soon known by heart: set train.augment.kind to ada"
            f"{'' if train.mirror else ', and train.mirror if left and right may be swapped'}"
        )
    if num < FEW_PICTURES and train.start.kind == "none":
        yield (
            f"with fewer than {FEW_PICTURES:,} pictures, start from trained weights (train.start) "
            f"and freeze 10 to 13 layers (train.freeze_discriminator)"
        )
    if num >= MANY_PICTURES and train.augment.kind == "ada":
        yield f"{num:,} pictures need little augmentation: 'none' trains faster"


def starting_lines(
    train: TrainParams,
    *,
    num_images: int,
    num_held_out: int,
    resolution_px: int,
    channels: int,
    num_labels: int,
    device: torch.device,
) -> tuple[str, ...]:
    """The plan as the log of a training begins with it.

    Its speed is told by the first tick, and memory is forecast only where it is scarce.
    """
    facts = device_facts(
        train,
        resolution_px=resolution_px,
        channels=channels,
        device=device,
        is_calibrated=False,
    )
    made = plan(
        train,
        num_images=num_images,
        num_held_out=num_held_out,
        resolution_px=resolution_px,
        channels=channels,
        num_labels=num_labels,
        device=facts,
        is_rehearsed=device.type == "cuda",
    )
    return made.lines


def plan_subject(subject: Subject, *, store: Store, device: str) -> Plan:
    """The plan of a subject's training on a device of this machine, measured there.

    Args:
        subject: its shards are looked at, if they are built; else its recipe alone.
        store: where they are.
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:<index>".

    Raises:
        ValueError: there is no such device.
    """
    train, shard = subject.spec.train, subject.spec.shard
    built = Versions(store).current(subject.name, DEDUPED_SHARDS.name)
    num_images, num_held_out, num_labels = None, None, 0
    if built is not None:
        shard, keys = ShardParams.model_validate(built.sections["shard"]), shard_keys(built)
        sides = split(load_families(store, keys), share=train.held_out, seed=train.seed)
        num_images, num_held_out = map(len, sides)
        if train.conditional:
            num_labels = len(label_names(store, keys))
    limit_threads(train)
    facts = device_facts(
        train,
        resolution_px=shard.resolution_px,
        channels=shard.channels,
        device=choose_device(device),
    )
    return plan(
        train,
        num_images=num_images,
        num_held_out=num_held_out,
        resolution_px=shard.resolution_px,
        channels=shard.channels,
        num_labels=num_labels,
        device=facts,
    )
