"""The history of a training for TensorBoard."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from wunderkammer.gan.checkpoints.archive import Tick


class Board:
    """Event files in `folder`; steps are images shown.

    A resumed training purges what lies beyond its checkpoint, so that no point shows twice; in an
    empty folder (another machine, a cleared scratch) it first writes the history again.
    """

    def __init__(self, folder: Path, *, history: Iterable[Tick], num_images: int) -> None:
        self._is_new = not any(folder.glob("events.out.tfevents.*"))
        purge_step = num_images + 1 if num_images else None
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)
        for past in history if self._is_new else ():
            self.add(past)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def settings(self, tree: Mapping[str, Any]) -> None:
        """What was trained with, once a folder: under HPARAMS to compare runs, under TEXT to read.

        `tree` is plain JSON values; nested names are joined with dots.
        """
        if not self._is_new:
            return
        flat = dict(_flatten(tree))
        self._writer.add_hparams(flat, {}, run_name=".")
        rows = "\n".join(f"| {name} | {value} |" for name, value in flat.items())
        self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}")

    def add(self, tick: Tick, readings: Mapping[str, float] | None = None) -> None:
        """The scalars of a tick, and what was read of speed and device when it ended."""
        scalars = {
            **tick.measures,
            "time/images_per_s": tick.images_per_s,
            "memory/mb": tick.memory_mb,
            **(readings or {}),
        }
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, tick.num_images)

    def picture(self, name: str, pixels_HWC: np.ndarray, *, num_images: int) -> None:
        """An image."""
        self._writer.add_image(name, pixels_HWC, num_images, dataformats="HWC")
        self._writer.flush()


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, bool | float | str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            is_plain = isinstance(value, bool | int | float | str)
            yield f"{prefix}{name}", value if is_plain else str(value)
