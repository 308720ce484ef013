"""Which pictures an export has, in which order, at which side, with which labels.

Shape legend: N pictures of the export, C channels, H by W px.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from wunderkammer.crops.render import RenderSettings, encode
from wunderkammer.gan.holdout import split
from wunderkammer.images.pyramid import area_pyramid, area_shrunk
from wunderkammer.shards.params import ShardParams
from wunderkammer.shards.prepare import WHITE
from wunderkammer.shards.read import (
    ShardSet,
    decode_image,
    load_families,
    open_shards,
    stream_images,
)
from wunderkammer.shards.write import class_names
from wunderkammer.storage.store import Store
from wunderkammer.storage.versions import Record
from wunderkammer.workers import num_cpus

SMALLEST_PX = 4
MAX_THREADS = 8

Side = Literal["all", "train", "held-out"]
Result = TypeVar("Result")


class ExportError(ValueError):
    """What was asked for can't be exported; it says why, and what to do."""


@dataclass(frozen=True)
class Picture:
    """One picture: its place in the export, its file in the shards, and its label.

    `number` is that of the label among the collection's `class_names`, None if there are none.
    """

    index: int
    content: bytes
    sha256: str
    suffix: str
    label: str | None
    number: int | None

    @property
    def name(self) -> str:
        """The same in every format."""
        return f"{self.index:08d}"


@dataclass(frozen=True)
class Collection:
    """Pictures of a finished version of `deduped_shards`, in the order of its shards.

    `is_wanted` says of each row of the shards whether it is one of them. Labels have the numbers
    of their places in the sorted names of all labels of the shards, so that a training set and
    what is held out from it agree.
    """

    record: Record
    shards: ShardSet
    side: Side
    resolution_px: int
    is_wanted: npt.NDArray[np.bool_]

    @property
    def subject(self) -> str:
        """Whose pictures they are."""
        return self.record.subject

    @cached_property
    def made(self) -> ShardParams:
        """The settings that the shards were made by."""
        return ShardParams.model_validate(self.record.sections["shard"])

    @property
    def channels(self) -> int:
        """3, or 1 of grey pictures."""
        return self.made.channels

    @cached_property
    def num_images(self) -> int:
        """N."""
        return int(self.is_wanted.sum())

    @cached_property
    def sha256s(self) -> list[str]:
        """The hashes of the pictures' files in the shards, in order."""
        return [self.shards.sha256s[row] for row in np.flatnonzero(self.is_wanted)]

    @property
    def sides_px(self) -> list[int]:
        """The sides of a pyramid, rising from `SMALLEST_PX` to that of the export."""
        return [1 << k for k in range(2, self.resolution_px.bit_length())]

    @cached_property
    def labels(self) -> list[str | None]:
        """The pictures' labels, in order."""
        return [self.shards.labels[row] for row in np.flatnonzero(self.is_wanted)]

    @property
    def num_unlabelled(self) -> int:
        """Pictures without a label."""
        return self.labels.count(None)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The labels by their numbers, of at most 10,000; none unless every picture has one."""
        if self.num_unlabelled:
            return ()
        return class_names(label for label in self.shards.labels if label is not None) or ()

    @cached_property
    def numbers(self) -> list[int]:
        """The numbers of the pictures' labels, in order; none at all without `class_names`."""
        numbers = {name: number for number, name in enumerate(self.class_names)}
        return [numbers[label] for label in self.labels if label in numbers]

    def pictures(self) -> Iterator[Picture]:
        """All pictures in order; one row group of the shards is in memory at a time.

        Raises:
            ShardError: a shard or a picture is missing or damaged.
        """
        images = stream_images(self.shards.store, self.shards.keys)
        wanted = compress(images, self.is_wanted)
        numbers = iter(self.numbers)
        for index, image in enumerate(wanted):
            number = next(numbers, None)
            suffix = image.path.rpartition(".")[2]
            yield Picture(index, image.content, image.sha256, suffix, image.label, number)

    def pixels(self, picture: Picture) -> npt.NDArray[np.uint8]:
        """The picture at the side asked for, uint8 [C, H, W].

        Raises:
            ShardError: it can't be decoded.
        """
        what = f"the picture {picture.sha256} of {self.subject}"
        image_HWC = decode_image(
            picture.content, what=what, side_px=self.made.resolution_px, channels=self.channels
        )
        image_CHW = np.ascontiguousarray(image_HWC.transpose(2, 0, 1))
        return area_shrunk(image_CHW, side_px=self.resolution_px)

    def pyramid(self, picture: Picture) -> list[npt.NDArray[np.uint8]]:
        """The picture at every side from that asked for down to 4 px, uint8 [C, H, W] each.

        Raises:
            ShardError: it can't be decoded.
        """
        return list(area_pyramid(self.pixels(picture), smallest_px=SMALLEST_PX))

    def file(self, picture: Picture) -> bytes:
        """The picture's file as it is in the shards; at a smaller side, encoded as those are."""
        made = self.made
        if self.resolution_px == made.resolution_px:
            return picture.content
        settings = RenderSettings(self.resolution_px, WHITE, made.codec, made.quality)
        return encode(interleaved(self.pixels(picture)), settings=settings)


def choose(
    store: Store,
    record: Record,
    *,
    resolution_px: int | None,
    side: Side,
    labelled: bool,
    held_out: float,
    seed: int,
) -> Collection:
    """The pictures of a version of `deduped_shards` to export.

    Args:
        store: holds the version.
        record: of the version.
        resolution_px: their side; that of the shards, if None.
        side: which of them; `train` and `held-out` are parted as a training does.
        labelled: leave out those without a label.
        held_out: the recipe's `train.held_out`.
        seed: the recipe's `train.seed`.

    Raises:
        ExportError: the side in pixels can't be had, or there is no such picture.
        ShardError: the shards are not those that were published.
    """
    made = ShardParams.model_validate(record.sections["shard"])
    wanted_px = made.resolution_px if resolution_px is None else resolution_px
    _check_side(record.subject, wanted_px, made.resolution_px)
    shards = open_shards(store, record)
    is_wanted = _is_on_side(shards, side=side, held_out=held_out, seed=seed)
    if labelled:
        is_wanted &= np.array([label is not None for label in shards.labels])
    if not is_wanted.any():
        labels = ", with a label" if labelled else ""
        raise ExportError(
            f"{record.subject!r} has no picture of the split {side!r}{labels} (train.held_out is "
            f"{held_out:g}); export another split, or change the recipe"
        )
    return Collection(record, shards, side, wanted_px, is_wanted)


def _is_on_side(
    shards: ShardSet, *, side: Side, held_out: float, seed: int
) -> npt.NDArray[np.bool_]:
    if side == "all":
        return np.ones(shards.num_images, bool)
    is_held_out = np.zeros(shards.num_images, bool)
    families = load_families(shards.store, shards.keys)
    is_held_out[split(families, share=held_out, seed=seed)[1]] = True
    return is_held_out if side == "held-out" else ~is_held_out


def interleaved(image_CHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """As picture files have them: [H, W, C], or [H, W] of a grey picture."""
    image_HWC = np.ascontiguousarray(image_CHW.transpose(1, 2, 0))
    return image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC


def ahead(
    fn: Callable[[Picture], Result], pictures: Iterable[Picture]
) -> Iterator[tuple[Picture, Result]]:
    """Each picture with what `fn` makes of it, in order; a few threads are a few pictures ahead."""
    num_threads = min(num_cpus(), MAX_THREADS)
    pending: deque[tuple[Picture, Future[Result]]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        for picture in pictures:
            pending.append((picture, pool.submit(fn, picture)))
            if len(pending) > 2 * num_threads:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()


def _check_side(subject: str, wanted_px: int, made_px: int) -> None:
    if wanted_px > made_px:
        raise ExportError(
            f"{wanted_px} px were asked for, the shards of {subject!r} have {made_px} px; ask for "
            f"no more, or raise shard.resolution_px in {subject}.yaml and run: wunderkammer "
            f"refresh {subject}"
        )
    if wanted_px < SMALLEST_PX or wanted_px & (wanted_px - 1):
        sides = ", ".join(str(1 << k) for k in range(2, made_px.bit_length()))
        raise ExportError(
            f"{wanted_px} px were asked for; a side is a power of two from {SMALLEST_PX} px, "
            f"of these shards: {sides}"
        )
